"""The layers that a calibration sets: kernels, logits and activations."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.calibration.data import Data, Moments, from_the_beginning
from keras_inits.inspection.activations import activation_of, kind_of
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.layers import kernel_layers, leaf_layers, why_not_set

Activation = Callable[[Any], Any]
# Why a layer cannot be treated, or None if it can.
Objection = Callable[[keras.Layer], str | None]


def treatable(
    model: keras.Layer,
    objection: Objection = lambda layer: None,
    recurrent: bool = False,
) -> tuple[list[keras.Layer], dict[keras.Layer, str]]:
    """Lists the layers that a method can treat.

    Args:
        model: A model.
        objection: What the method has against a layer of a kind that it can treat.
        recurrent: Whether `SimpleRNN` is such a kind, beside dense and convolutional
            layers.

    Returns:
        The layers in order, and those that have weight matrices but cannot be
        treated, each with the reason.
    """
    candidates = set(kernel_layers(model))
    kinds = "Dense or Conv"
    if recurrent:
        candidates |= {layer for layer in leaf_layers(model) if is_recurrent(layer)}
        kinds = "Dense, Conv or SimpleRNN"
    treated: list[keras.Layer] = []
    skipped: dict[keras.Layer, str] = {}
    for layer in leaf_layers(model):
        if not any(len(weight.shape) > 1 for weight in layer.weights):
            continue
        if layer not in candidates:
            reason: str | None = f"{type(layer).__name__} is not {kinds}"
        elif not layer.trainable:
            reason = "it is frozen: trainable=False"
        else:
            reason = why_not_set(layer) or objection(layer)
        if reason is None:
            treated.append(layer)
        else:
            skipped[layer] = reason
    return treated, skipped


def is_recurrent(layer: keras.Layer) -> bool:
    """Tells whether a layer is a `SimpleRNN`, whose units have one activation each."""
    return isinstance(layer, keras.layers.SimpleRNN)


def array(tensor: Any) -> np.ndarray:
    """Returns a tensor or variable in float64."""
    return np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64)


def by_feature(layer: keras.Layer, tensor: Any) -> np.ndarray:
    """Returns inputs or outputs of a layer as rows of features or channels."""
    values = array(tensor)
    if getattr(layer, "data_format", None) == "channels_first":
        values = np.moveaxis(values, 1, -1)
    return values.reshape(-1, values.shape[-1])


def input_moments(data: Data, layer: keras.Layer) -> Moments:
    """Measures each input feature or channel of a layer."""
    moments = Moments(layer.kernel.shape[-2] * getattr(layer, "groups", 1))
    for (inputs,), _ in data.signals("inputs", [layer]):
        for tensor in inputs:
            moments.update(by_feature(layer, tensor))
    return moments


def logit_moments(data: Data, treated: Sequence[keras.Layer]) -> list[Moments]:
    """Measures the logits of each layer, of all its units together.

    Those of a recurrent layer are of all its steps.
    """
    from keras_inits.calibration import recurrent

    measured_of = {layer: Moments(1) for layer in treated}
    unrolled = [layer for layer in treated if is_recurrent(layer)]
    others = [layer for layer in treated if not is_recurrent(layer)]
    for logits, _ in data.signals("logits", others) if others else ():
        for layer, tensors in zip(others, logits, strict=True):
            for tensor in tensors:
                measured_of[layer].update(array(tensor).reshape(-1, 1))
    for layer in unrolled:
        for rows in recurrent.logits(data, layer):
            measured_of[layer].update(rows.reshape(-1, 1))
    moments = [measured_of[layer] for layer in treated]
    for layer, measured in zip(treated, moments, strict=True):
        if not np.isfinite(measured.variance[0]):
            raise ValueError(
                "Logits must be finite. Received: a model where those of layer "
                f"'{layer.name}' are not, with the weights that it has"
            )
    return moments


def activations(model: keras.Layer, data: Data) -> dict[keras.Layer, Activation]:
    """Finds the function that each dense or convolutional layer ends in.

    It is that of the layer itself or, where that is linear, of a layer of its own
    that takes what the layer returns.
    """
    kernels = kernel_layers(model)
    functions: dict[keras.Layer, Activation] = {}
    returned: dict[int, tuple[keras.Layer, Any]] = {}

    def receive(call: LayerCall) -> None:
        layer = call.layer
        if layer in kernels:
            functions[layer] = layer.activation
            if kind_of(layer.activation) == "linear":
                # The tensor is kept, so that no other gets its id.
                returned[id(call.outputs)] = layer, call.outputs
        elif id(call.inputs) in returned and not layer.weights:
            before, _ = returned[id(call.inputs)]
            functions[before] = activation_of(layer) or functions[before]

    inputs, _ = next(iter(data))
    with observed(leaf_layers(model), receive), from_the_beginning(model):
        model(inputs, training=False)
    return functions
