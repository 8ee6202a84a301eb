"""What the last activation of a network is applied to."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection import keras_private
from keras_inits.inspection.batches import evaluate
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.layers import leaf_layers

Last: TypeAlias = keras.Layer | Callable[[Any], Any] | None
"""The layer whose activation outputs come from, or the activation itself."""


def last_layers(model: keras.Model, x: Any) -> list[Last]:
    """Returns what each output comes from: a layer, an activation, or neither.

    Args:
        model: The model.
        x: Inputs.
    """
    calls: list[LayerCall] = []
    with observed(leaf_layers(model), calls.append):
        outputs = evaluate(model, x)
    return [_last_of(output, calls) for output in tree.flatten(outputs)]


def _last_of(output: Any, calls: Sequence[LayerCall]) -> Last:
    for call in calls:
        activated = call.logits is not None and call.unit_outputs is call.outputs
        is_activation = not call.layer.weights and ops.is_tensor(call.inputs)
        if call.outputs is output and (activated or is_activation):
            return call.layer
    # An operation outside of layers, after which TensorFlow's Keras knows the logits.
    logits = keras_private.logits_of(output)
    for activation in (keras.activations.sigmoid, keras.activations.softmax):
        if logits is not None and np.allclose(activation(logits), output):
            return activation
    return None


def last_logits(
    model: keras.Model, lasts: Sequence[Last], x: Any
) -> tuple[Any, Callable[[Any], Any]]:
    """Returns what a model's last activations are applied to, and those activations.

    Args:
        model: The model.
        lasts: From `last_layers`; `None` stands for no activation: the output.
        x: Inputs.

    Returns:
        The logits, in the structure of the outputs, and a function from them to the
        outputs.
    """
    calls: list[LayerCall] = []
    observed_layers = [last for last in lasts if isinstance(last, keras.Layer)]
    with observed(list(dict.fromkeys(observed_layers)), calls.append):
        outputs = evaluate(model, x)
    pairs = [
        _logits_of(output, last, calls)
        for output, last in zip(tree.flatten(outputs), lasts, strict=True)
    ]
    logits, activations = zip(*pairs, strict=True)

    def outputs_of(logits: Any) -> Any:
        parts = zip(activations, tree.flatten(logits), strict=True)
        return tree.pack_sequence_as(outputs, [one(part) for one, part in parts])

    return tree.pack_sequence_as(outputs, list(logits)), outputs_of


def _logits_of(
    output: Any, last: Last, calls: Sequence[LayerCall]
) -> tuple[Any, Callable[[Any], Any]]:
    if last is None:
        # Keras knows the logits of what an activation returned, but not of a copy.
        return output, ops.copy
    if not isinstance(last, keras.Layer):
        return keras_private.logits_of(output), last
    of_last = [call for call in calls if call.layer is last]
    call = next((call for call in of_last if call.outputs is output), of_last[-1])
    if call.logits is None:
        return call.inputs, last
    return call.logits, last.activation
