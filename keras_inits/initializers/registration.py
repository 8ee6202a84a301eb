"""Names: how Keras comes to know an initializer, and how a user finds one."""

import inspect
import re
from typing import Any, TypeVar

import keras

from keras_inits.utils.validation import unknown

Class = TypeVar("Class", bound=type)

_PACKAGE = "keras_inits"
_names: set[str] = set()


def register(cls: Class) -> Class:
    """Registers an initializer class with Keras under all of its names.

    `LeeQR` becomes `"keras_inits>LeeQR"`, which saved models carry, and `"LeeQR"`
    and `"lee_qr"`, which users write. Keras looks custom names up before its own,
    so a name that Keras has is refused: ours would silently replace it.

    Examples:
    >>> import keras
    >>> from keras_inits.initializers.registration import register
    >>> @register
    ... class Ones(keras.initializers.Initializer):
    ...     "Ours would take the place of `keras.initializers.Ones`."
    Traceback (most recent call last):
    ...
    ValueError: The name of a new initializer must differ from those that Keras has. \
Received: cls=Ones, where Keras has 'Ones'.

    Args:
        cls: A subclass of `keras.initializers.Initializer` that can be built
            without arguments.

    Returns:
        The same class.

    Raises:
        ValueError: If Keras has an initializer of that name.
    """
    snake_case = _to_snake_case(cls.__name__)
    for name in (cls.__name__, snake_case):
        # A name of ours may come again: that is a reloaded module.
        if snake_case not in _names and _resolves(name):
            raise ValueError(
                "The name of a new initializer must differ from those that Keras "
                f"has. Received: cls={cls.__name__}, where Keras has '{name}'."
            )
    keras.saving.register_keras_serializable(package=_PACKAGE)(cls)
    keras.saving.get_custom_objects().update({cls.__name__: cls, snake_case: cls})
    _names.add(snake_case)
    return cls


def available() -> list[str]:
    """Lists the names that this package adds to Keras, in alphabetical order.

    Each works wherever Keras takes the name of an initializer.

    Examples:
    >>> import keras_inits
    >>> "lee_qr" in keras_inits.available()
    True
    """
    return sorted(_names)


def get(identifier: Any) -> Any:
    """Finds an initializer by name, class, config or object.

    It is `keras.initializers.get` for this package's names and Keras' own, but a
    name that neither has is answered with the names that look like it.

    Examples:
    >>> import keras_inits
    >>> keras_inits.get("lee_qr").epsilon
    0.1
    >>> keras_inits.get("lee_rq")
    Traceback (most recent call last):
    ...
    ValueError: Unknown initializer. Did you mean 'lee_qr'? Received: identifier=lee_rq

    Args:
        identifier: The name of an initializer, an `Initializer` class or object, a
            config dictionary, or anything else that `keras.initializers.get` takes,
            but not `None`.

    Returns:
        The initializer; a new one where `identifier` is a name, class or config.

    Raises:
        ValueError: If `identifier` is not an initializer.
    """
    if isinstance(identifier, str) and not _resolves(identifier):
        known = [*available(), *_keras_names()]
        raise unknown("initializer", identifier, known, argument="identifier")
    if identifier is None:
        raise ValueError(
            "An initializer is a name, an Initializer object or class, or a config. "
            "Received: identifier=None"
        )
    return keras.initializers.get(identifier)


def _to_snake_case(name: str) -> str:
    """Spells a class name as Keras spells it, which is not public: LeeQR, lee_qr."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _resolves(name: str) -> bool:
    try:
        keras.initializers.get(name)
    except ValueError:
        return False
    return True


def _keras_names() -> list[str]:
    return sorted(
        name
        for name, member in vars(keras.initializers).items()
        if inspect.isclass(member) and name.islower()
    )
