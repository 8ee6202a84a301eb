"""What the last activation of a network is applied to."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_inits.probes.activity import evaluate
from keras_inits.signals import Signal, innermost, observed

Last: TypeAlias = keras.Layer | Callable[[Any], Any] | None
"""The layer whose activation outputs come from, or the activation itself."""


def last_layer(model: keras.Model, x: Any) -> Last:
    """Returns what the outputs come from: a layer, an activation, or neither.

    Args:
        model: The model.
        x: Inputs.
    """
    signals: list[Signal] = []
    with observed(innermost(model), signals.append):
        outputs = evaluate(model, x)
    for signal in signals:
        own = signal.logits is not None and signal.activated is signal.outputs
        alone = not signal.layer.weights and ops.is_tensor(signal.inputs)
        if signal.outputs is outputs and (own or alone):
            return signal.layer
    # An operation outside of layers, after which TensorFlow's Keras knows the logits.
    logits = getattr(outputs, "_keras_logits", None)
    for activation in (keras.activations.sigmoid, keras.activations.softmax):
        if logits is not None and np.allclose(activation(logits), outputs):
            return activation
    return None


def last_logits(
    model: keras.Model, last: Last, x: Any
) -> tuple[Any, Callable[[Any], Any]]:
    """Returns what a model's last activation is applied to, and that activation.

    Args:
        model: The model.
        last: From `last_layer`; `None` stands for no activation: the outputs.
        x: Inputs.
    """
    if last is None:
        # Keras knows the logits of what an activation returned, but not of a copy.
        return evaluate(model, x), ops.copy
    if not isinstance(last, keras.Layer):
        return evaluate(model, x)._keras_logits, last
    signals: list[Signal] = []
    with observed([last], signals.append):
        evaluate(model, x)
    signal = signals[-1]
    if signal.logits is None:
        return signal.inputs, last
    return signal.logits, last.activation
