"""The papers' architectures as plain Keras code."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_inits.utils.validation import unknown


def alternating(depth: int, widths: Sequence[int] = (10, 6)) -> tuple[int, ...]:
    """Returns the widths of `depth` hidden layers that take turns.

    Args:
        depth: Number of hidden layers.
        widths: Widths that are repeated in turn. Defaults to `(10, 6)`.

    Raises:
        ValueError: If `depth` is negative.

    Examples:
        >>> alternating(5)
        (10, 6, 10, 6, 10)
    """
    if depth < 0:
        raise ValueError(f"`depth` must not be negative. Received: depth={depth}")
    return tuple(widths[layer % len(widths)] for layer in range(depth))


def parse_widths(text: str) -> tuple[int, ...]:
    """Reads widths that layers take in turn.

    Raises:
        ValueError: If they are not positive integers with dashes between them.

    Examples:
        >>> parse_widths("10-6")
        (10, 6)
    """
    parts = text.split("-")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(
            "Widths must be positive integers with dashes between them, such as 10-6. "
            f"Received: width={text}"
        )
    return tuple(map(int, parts))


def feedforward(
    features: int,
    classes: int,
    hidden: Sequence[int],
    initializer: Any,
    activation: str = "relu",
) -> keras.Sequential:
    """Builds a classifier of dense layers: `hidden`, then softmax over the classes.

    Args:
        features: Number of inputs.
        classes: Number of classes.
        hidden: Width of each hidden layer.
        initializer: Initializer of the kernels, or a list of one for each layer, the
            last one included; biases start at zero.
        activation: Activation of the hidden layers, a name that Keras knows.

    Raises:
        ValueError: If the activation is unknown.

    Examples:
        >>> feedforward(64, 10, alternating(60), "lee_qr").count_params()
        4730
    """
    check_activation(activation)
    kernels = initializer
    if not isinstance(initializer, list):
        kernels = [initializer] * (len(hidden) + 1)
    layers = [
        keras.layers.Dense(units, function, kernel_initializer=one)
        for units, function, one in zip(
            [*hidden, classes],
            [activation] * len(hidden) + ["softmax"],
            kernels,
            strict=True,
        )
    ]
    return keras.Sequential([keras.Input((features,)), *layers])


def check_activation(activation: str) -> None:
    """Raises a `ValueError` that names the near ones if Keras has no such activation.

    Examples:
        >>> check_activation("rellu")
        Traceback (most recent call last):
        ...
        ValueError: Unknown activation. Did you mean 'relu' or 'relu6' or 'elu'? \
Received: activation=rellu
    """
    known = [name for name in dir(keras.activations) if name[0].islower()]
    known = [n for n in known if n not in ("get", "serialize", "deserialize")]
    if activation not in known:
        raise unknown("activation", activation, known)
