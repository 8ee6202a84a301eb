"""What the last activation of a network is applied to."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from keras_inits.inspection import keras_private
from keras_inits.inspection.batches import evaluate
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.layers import leaf_layers

Last: TypeAlias = keras.Layer | Callable[[Any], Any] | None
"""The layer whose activation outputs come from, or the activation itself."""


def last_layer(model: keras.Model, x: Any) -> Last:
    """Returns what the outputs come from: a layer, an activation, or neither.

    Args:
        model: The model.
        x: Inputs.
    """
    calls: list[LayerCall] = []
    with observed(leaf_layers(model), calls.append):
        outputs = evaluate(model, x)
    for call in calls:
        activated = call.logits is not None and call.unit_outputs is call.outputs
        is_activation = not call.layer.weights and ops.is_tensor(call.inputs)
        if call.outputs is outputs and (activated or is_activation):
            return call.layer
    # An operation outside of layers, after which TensorFlow's Keras knows the logits.
    logits = keras_private.logits_of(outputs)
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
        return keras_private.logits_of(evaluate(model, x)), last
    calls: list[LayerCall] = []
    with observed([last], calls.append):
        evaluate(model, x)
    call = calls[-1]
    if call.logits is None:
        return call.inputs, last
    return call.logits, last.activation
