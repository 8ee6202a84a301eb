"""Seeds of members, which leave the random numbers of the caller as they were."""

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import tree
from keras.src.backend.common import global_state

# What `keras.utils.set_random_seed` sets of Keras' own.
_OF_KERAS = ("global_random_seed", "global_seed_generator")


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds Keras, and what it seeds, within a block, and undoes it after.

    `keras.utils.set_random_seed` seeds Python, NumPy, Keras and its backend. After the
    block all of them go on from where they were before it.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.population.seeding import seeded
    >>> np.random.seed(5)
    >>> with seeded(0):
    ...     drawn = np.random.rand()
    >>> after = np.random.rand()
    >>> np.random.seed(5)
    >>> after == np.random.rand()
    True

    Args:
        seed: The seed.
    """
    python, numpy = random.getstate(), np.random.get_state()
    of_keras = [global_state.get_global_attribute(name) for name in _OF_KERAS]
    with contextlib.ExitStack() as backends:
        if "tensorflow" in sys.modules:
            backends.enter_context(_tensorflow())
        if keras.backend.backend() == "torch":
            backends.enter_context(_torch())
        keras.utils.set_random_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            for name, value in zip(_OF_KERAS, of_keras, strict=True):
                global_state.set_global_attribute(name, value)


@contextlib.contextmanager
def _tensorflow() -> Iterator[None]:
    from tensorflow.python.eager import context

    eager = vars(context.context())
    before = {name: eager[name] for name in ("_seed", "_rng") if name in eager}
    try:
        yield
    finally:
        eager.pop("_rng", None)  # There is none until a seed is set.
        eager.update(before)


@contextlib.contextmanager
def _torch() -> Iterator[None]:
    import torch

    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)


def drawn_anew(arguments: Any) -> Any:
    """Makes initializers without a seed anew, at any depth of some arguments.

    Such an object takes its seed from Keras when it is made, and keeps it.

    Examples:
    >>> import keras
    >>> from keras_inits.population.seeding import drawn_anew
    >>> initializer = keras.initializers.HeNormal()
    >>> drawn_anew({"initializer": initializer})["initializer"].seed == initializer.seed
    False

    Args:
        arguments: Any structure; the same object twice in it stays one object.
    """
    anew: dict[int, Any] = {}

    def of(value: Any) -> Any:
        if is_unseeded(value):
            if id(value) not in anew:
                anew[id(value)] = type(value).from_config(value.get_config())
            return anew[id(value)]
        return value

    return tree.map_structure(of, arguments)


def is_unseeded(value: Any) -> bool:
    """Tells whether something is an initializer that was given no seed."""
    if not isinstance(value, keras.Initializer):
        return False
    try:
        config = value.get_config()
    except NotImplementedError:
        return False
    return "seed" in config and config["seed"] is None
