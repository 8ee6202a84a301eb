"""The random numbers of a build: seeded for it, and the caller's put back after it.

What Keras and TensorFlow do not tell publicly of their generators is read here alone.
"""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random import seed_generator
from keras.src.utils.module_utils import tensorflow
from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED

_KERAS = (GLOBAL_RANDOM_SEED, seed_generator.GLOBAL_SEED_GENERATOR)


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
        for name in _KERAS:
            value = global_state.get_global_attribute(name)
            stack.callback(global_state.set_global_attribute, name, value)
        generator = _keras_generator()
        if generator is not None:
            stack.callback(generator.state.assign, generator.state.value * 1)
        if tensorflow.available:
            context = _tensorflow_context()
            stack.callback(_restore, context, context._seed, _tensorflow_state(context))
        if keras.backend.backend() == "torch":
            import torch  # type: ignore[import-not-found,unused-ignore]

            stack.enter_context(torch.random.fork_rng())
        if seed is not None:
            keras.utils.set_random_seed(seed)
        yield


def snapshot() -> list[Any]:
    """Returns the states of all generators, equal only if none has been drawn from."""
    generator = _keras_generator()
    states: list[Any] = [random.getstate()]
    states += [np.asarray(part).tobytes() for part in np.random.get_state()]
    states.append(global_state.get_global_attribute(GLOBAL_RANDOM_SEED))
    if generator is not None:
        states += [id(generator), keras.ops.convert_to_numpy(generator.state).tobytes()]
    if tensorflow.available:
        context = _tensorflow_context()
        states += [context._seed, _tensorflow_state(context)]
    if keras.backend.backend() == "torch":
        import torch

        states.append(torch.random.get_rng_state().numpy().tobytes())
    return states


def _keras_generator() -> Any:
    return global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)


def _tensorflow_context() -> Any:
    from tensorflow.python.eager import context

    return context.context()


def _tensorflow_state(context: Any) -> Any:
    """Returns where TensorFlow's own seeds are, `None` if it was never seeded."""
    return context._rng.getstate() if hasattr(context, "_rng") else None


def _restore(context: Any, seed: int | None, state: Any) -> None:
    # Drops the operations that TensorFlow keeps too, which count what they drew.
    context._set_global_seed(seed)
    if state is not None:
        context._rng.setstate(state)
