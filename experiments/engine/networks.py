"""The papers' architectures as plain Keras code."""

import itertools
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


RESIDUAL_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Blocks of each stage of a residual network, by its number of layers."""


def residual(
    shape: tuple[int, int, int],
    classes: int,
    layers: int = 18,
    width: int = 64,
    normalized: bool = True,
) -> keras.Model:
    """Builds a residual network in the form for images of 32 by 32.

    A convolution, four stages of blocks of two convolutions, of which each stage but
    the first halves the image and doubles the channels, the mean over places, and
    softmax. Where a shortcut changes its shape it is a convolution of one pixel. ReLU
    layers are named `relu_1` and so on.

    Args:
        shape: Height, width and channels of an image.
        classes: Number of classes.
        layers: A key of `RESIDUAL_BLOCKS`.
        width: Channels of the first stage.
        normalized: Whether each convolution is followed by batch normalization.

    Raises:
        ValueError: If there is no network of so many layers.

    Examples:
        >>> round(residual((32, 32, 3), 10).count_params() / 1e6, 1)
        11.2
    """
    if layers not in RESIDUAL_BLOCKS:
        raise unknown("layers", str(layers), map(str, RESIDUAL_BLOCKS))
    numbers = itertools.count(1)

    def convolved(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        x = keras.layers.Conv2D(filters, size, strides, "same")(x)
        # With Keras' momentum of 0.99 hundreds of steps go by before what evaluation
        # takes for mean and variance is that of the data.
        return keras.layers.BatchNormalization(momentum=0.9)(x) if normalized else x

    def relu(x: Any) -> Any:
        return keras.layers.ReLU(name=f"relu_{next(numbers)}")(x)

    inputs = keras.Input(shape)
    x = relu(convolved(inputs, width))
    for stage, blocks in enumerate(RESIDUAL_BLOCKS[layers]):
        filters = width * 2**stage
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            kept = x
            if strides > 1:
                kept = convolved(x, filters, 1, strides)
            x = relu(convolved(x, filters, 3, strides))
            x = convolved(x, filters)
            x = relu(keras.layers.Add()([x, kept]))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes, "softmax")(x))


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
