"""What the last activation of a network is applied to."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_inits.probes.activity import evaluate
from keras_inits.signals import Signal, innermost, observed


def last_layer(model: keras.Model, x: Any) -> keras.Layer | None:
    """Returns the layer whose activation the outputs come from, `None` if none is.

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
    return None


def last_logits(
    model: keras.Model, layer: keras.Layer | None, x: Any
) -> tuple[Any, Callable[[Any], Any]]:
    """Returns what a model's last activation is applied to, and that activation.

    Args:
        model: The model.
        layer: From `last_layer`; `None` stands for no activation: the outputs.
        x: Inputs.
    """
    if layer is None:
        # Keras knows the logits of what an activation returned, but not of a copy.
        return evaluate(model, x), ops.copy
    signals: list[Signal] = []
    with observed([layer], signals.append):
        evaluate(model, x)
    last = signals[-1]
    if last.logits is None:
        return last.inputs, layer
    return last.logits, layer.activation
