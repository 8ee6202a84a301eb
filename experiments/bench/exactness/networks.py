"""What comes ahead of the outputs, and what the outputs are."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import layers, ops

STEPS, CLASSES, WORDS = 4, 3, 9


class Network(NamedTuple):
    """What comes ahead of the outputs.

    Args:
        inputs: A row of `INPUTS`.
        hidden: Takes symbolic inputs and a kernel initializer, returns features.
        steps: Whether the features are those of the steps of a sequence.
    """

    inputs: str
    hidden: Callable[[Any, Any], Any]
    steps: bool = False


def _sequential(*makers: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def hidden(x: Any, kernel: Any) -> Any:
        for make in makers:
            x = make(kernel)(x)
        return x

    return hidden


def _dense(units: int = 5, activation: Any = "tanh", **more: Any) -> Any:
    return lambda kernel: layers.Dense(
        units, activation, kernel_initializer=kernel, **more
    )


def _recurrent(cls: Any, **more: Any) -> Any:
    return lambda kernel: cls(4, kernel_initializer=kernel, **more)


def _of(cls: Any, *args: Any, **more: Any) -> Any:
    return lambda kernel: cls(*args, **more)


def _convolution(**more: Any) -> Any:
    return lambda kernel: layers.Conv2D(3, 3, kernel_initializer=kernel, **more)


def _attention(x: Any, kernel: Any) -> Any:
    # A key's bias has, like that ahead of BatchNorm, a gradient of rounding noise.
    attention = layers.MultiHeadAttention(
        2, 3, kernel_initializer=kernel, use_bias=False
    )
    return layers.LayerNormalization()(layers.Add()([x, attention(x, x)]))


def _residual(x: Any, kernel: Any) -> Any:
    x = _dense(5)(kernel)(x)
    return layers.Add()([x, _dense(5, "relu")(kernel)(x)])


def _joined(x: Any, kernel: Any) -> Any:
    return _dense()(kernel)(layers.Concatenate()(keras.tree.flatten(x)))


def _nested(x: Any, kernel: Any) -> Any:
    inner = keras.Input((5,))
    inner = keras.Model(inner, _residual(inner, kernel))
    return inner(_dense(5)(kernel)(x))


class Penalty(keras.Layer):
    """Adds a loss of what passes through it."""

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        self.add_loss(0.1 * ops.mean(ops.square(inputs)))
        return inputs


_UNBIASED: dict[str, Any] = {"use_bias": False}
"""Ahead of BatchNorm, as everyone does: the gradient of a bias there is nothing but
rounding noise, of which Adam makes whole steps, other ones in every way to compute."""

NETWORKS: dict[str, Network] = {
    "none": Network("vector", _sequential()),
    "dense": Network("vector", _sequential(_dense(6, "relu"), _dense(4, "relu"))),
    "batch norm": Network(
        "vector",
        _sequential(
            _dense(5, None, **_UNBIASED),
            _of(layers.BatchNormalization),
            _of(layers.ReLU),
        ),
    ),
    "layer norm": Network(
        "vector", _sequential(_dense(), _of(layers.LayerNormalization))
    ),
    "dropout": Network("vector", _sequential(_dense(), _of(layers.Dropout, 0.0))),
    "regularized": Network(
        "vector",
        _sequential(
            _dense(kernel_regularizer="l2", bias_regularizer="l1"),
            _dense(kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02)),
        ),
    ),
    "activity": Network("vector", _sequential(_dense(activity_regularizer="l2"))),
    "constrained": Network(
        "vector",
        _sequential(
            _dense(kernel_constraint=keras.constraints.MaxNorm(0.8)),
            _dense(kernel_constraint="non_neg", bias_constraint="non_neg"),
        ),
    ),
    "penalty": Network("vector", _sequential(_dense(), _of(Penalty))),
    "residual": Network("vector", _residual),
    "nested": Network("vector", _nested),
    "list of inputs": Network("list", _joined),
    "dict of inputs": Network("dict", _joined),
    "convolution": Network(
        "image",
        _sequential(
            _convolution(activation="relu"),
            _of(layers.MaxPooling2D),
            _of(layers.Flatten),
        ),
    ),
    "convolution, batch norm": Network(
        "image",
        _sequential(
            _convolution(**_UNBIASED),
            _of(layers.BatchNormalization),
            _of(layers.ReLU),
            _of(layers.GlobalAveragePooling2D),
        ),
    ),
    "embedding": Network(
        "words", _sequential(_of(layers.Embedding, WORDS, 3), _of(layers.Flatten))
    ),
    "embedding, mask, GRU": Network(
        "words",
        _sequential(
            _of(layers.Embedding, WORDS, 3, mask_zero=True), _recurrent(layers.GRU)
        ),
    ),
    "mask, LSTM": Network(
        "sequence", _sequential(_of(layers.Masking), _recurrent(layers.LSTM))
    ),
    "attention": Network(
        "sequence",
        lambda x, kernel: layers.GlobalAveragePooling1D()(_attention(x, kernel)),
    ),
    "mask, steps": Network("sequence", _sequential(_of(layers.Masking)), steps=True),
    "mask, LSTM, steps": Network(
        "sequence",
        _sequential(
            _of(layers.Masking), _recurrent(layers.LSTM, return_sequences=True)
        ),
        steps=True,
    ),
    "GRU, steps": Network(
        "sequence",
        _sequential(_recurrent(layers.GRU, return_sequences=True)),
        steps=True,
    ),
    "attention, steps": Network("sequence", _attention, steps=True),
}

STACKS = ("none", "dense")
"""Networks that are built as `keras.Sequential` where they have one output."""

INPUTS: dict[str, Any] = {
    "vector": (6,),
    "image": (6, 6, 2),
    "sequence": (STEPS, 3),
    "words": (STEPS,),
    "list": [(4,), (3,)],
    "dict": {"a": (4,), "b": (3,)},
}
"""Shapes of the inputs of a sample."""

HEADS: dict[str, tuple[int, str | None]] = {
    "softmax": (CLASSES, "softmax"),
    "sigmoid": (1, "sigmoid"),
    "sigmoids": (CLASSES, "sigmoid"),
    "linear": (1, None),
    "logits": (CLASSES, None),
    "softplus": (CLASSES, "softplus"),
}
"""Units and activation of the output that the loss is for."""

OUTPUTS = ("one", "list", "dict")
"""Whether there is a second output, and what holds the two."""
