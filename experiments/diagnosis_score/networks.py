"""The networks that `diagnose` is scored on, by names such as "relu 10-6x30"."""

import re
from typing import Any

import keras
from keras import layers

from experiments.diagnosis_score.tasks import Task
from experiments.engine.networks import alternating, parse_widths

_RECURRENT = {"LSTM": layers.LSTM, "GRU": layers.GRU, "RNN": layers.SimpleRNN}
_NAME = re.compile(r"(?:(conv|norm) )?(\w+) ([\d-]+)(?:x(\d+))?")


def build(name: str, task: Task, initializer: Any) -> keras.Model:
    """Builds a network for a task.

    Args:
        name: What comes ahead of the outputs: an activation, or a recurrent layer, and
            widths, which `x` and a number have taken in turn; `conv` for convolutions
            with pooling, `norm` for dense layers with batch normalization.
        task: Gives the shape of the inputs, and the outputs.
        initializer: Of all kernels.

    Examples:
        >>> from experiments.diagnosis_score import tasks
        >>> model = build("norm relu 8-4x3", tasks.task("iris"), "he_normal")
        >>> [layer.name.split("_")[0] for layer in model.layers[:3]]
        ['dense', 'batch', 'activation']
        >>> build("LSTM 6-5", tasks.task("balance"), "he_normal").output_shape
        (None, 1)
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"There must be such a network. Received: name={name}")
    kind, activation, text, depth = match.groups()
    widths = parse_widths(text)
    if depth:
        widths = alternating(int(depth), widths)
    inner: list[Any] = []
    for place, units in enumerate(widths):
        if activation in _RECURRENT:
            cls, last = _RECURRENT[activation], place + 1 == len(widths)
            inner.append(
                cls(units, kernel_initializer=initializer, return_sequences=not last)
            )
        elif kind == "conv":
            inner += [
                layers.Conv2D(
                    units,
                    3,
                    padding="same",
                    activation=activation,
                    kernel_initializer=initializer,
                ),
                layers.MaxPooling2D(),
            ]
        elif kind == "norm":
            inner += [
                layers.Dense(units, use_bias=False, kernel_initializer=initializer),
                layers.BatchNormalization(),
                layers.Activation(activation),
            ]
        else:
            inner.append(
                layers.Dense(units, activation, kernel_initializer=initializer)
            )
    if kind == "conv":
        inner.append(layers.Flatten())
    output = layers.Dense(task.units, task.activation, kernel_initializer=initializer)
    return keras.Sequential([keras.Input(task.x.shape[1:]), *inner, output])
