"""The random numbers of a build: seeded for it, and the caller's put back after it."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_inits.inspection import keras_private


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seeds all generators within a block, and leaves them as they were before it.

    They are those of Python, NumPy, Keras, TensorFlow and, where it is the backend,
    PyTorch: what `keras.utils.set_random_seed` sets. TensorFlow alone cannot be put
    back wholly: a random operation that is given a seed of its own starts anew, as
    it does whenever TensorFlow is seeded.

    Examples:
    >>> import keras
    >>> from keras_inits.population.seeding import seeded
    >>> kernels = []
    >>> for _ in range(2):
    ...     with seeded(0):
    ...         kernels.append(keras.initializers.HeNormal()((3, 2)))
    >>> bool(keras.ops.all(kernels[0] == kernels[1]))
    True

    Args:
        seed: What Keras is seeded with, or `None`, for the generators to go on from
            where they are.

    Raises:
        ValueError: If `seed` is neither an integer nor `None`.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        stack.enter_context(keras_private.kept_generators())
        if keras.backend.backend() == "torch":
            import torch  # type: ignore[import-not-found,unused-ignore]

            stack.enter_context(torch.random.fork_rng())
        if seed is not None:
            keras.utils.set_random_seed(seed)
        yield


def snapshot() -> list[Any]:
    """Returns the states of all generators, equal only if none has been drawn from."""
    generator = keras_private.global_generator()
    states: list[Any] = [random.getstate()]
    states += [np.asarray(part).tobytes() for part in np.random.get_state()]
    states += [keras_private.global_seed(), keras_private.tensorflow_seeds()]
    if generator is not None:
        states += [id(generator), keras.ops.convert_to_numpy(generator.state).tobytes()]
    if keras.backend.backend() == "torch":
        import torch

        states.append(torch.random.get_rng_state().numpy().tobytes())
    return states
