"""What a layer's activation is, and what kind of function that is."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from scipy import special

from keras_inits.inspection import keras_private

# Layers that are an activation function, by the name of the function.
_LAYERS = {
    layers.ReLU: "relu",
    layers.LeakyReLU: "leaky_relu",
    layers.PReLU: "prelu",
    layers.ELU: "elu",
    layers.Softmax: "softmax",
}

# Those of a functional model that are no layers, by the name of their class.
_OPERATIONS = {
    name.replace("_", ""): name
    for name in dir(keras.activations)
    if callable(getattr(keras.activations, name))
    and name not in ("get", "serialize", "deserialize", "linear")
}
_ALONG_UNITS = ("softmax", "log_softmax", "sparsemax")  # They have no flat part.

# Kinds that are known by what they return; the first three of them, by outputs alone.
_KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "logistic": special.expit,
    "tanh": np.tanh,
    "linear": lambda x: x,
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard logistic": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard tanh": lambda x: np.clip(x, -1, 1),
}
_SIZES = np.array([0.01, 0.3, 1.1, 2.7, 5.9, 7, 30, 1e3, 1e6], "float32")
_SAMPLES = np.stack([_SIZES, -_SIZES, np.roll(_SIZES, 1), 0 * _SIZES])


def activation_of(layer: keras.Layer) -> Callable[[Any], Any] | None:
    """Returns the activation of a layer, `None` if it has none.

    That of a recurrent layer is its cell's, of `TimeDistributed` that of its layer,
    and `ReLU` and its like are functions themselves, as are a `Lambda` of such a
    function and an operation such as `keras.ops.relu` in a functional model.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.activations import activation_of, name_of
    >>> name_of(activation_of(keras.layers.LSTM(3)))
    'tanh'
    >>> activation_of(keras.layers.Flatten()) is None
    True

    Args:
        layer: The layer or operation.
    """
    if any(isinstance(layer, cls) for cls in _LAYERS):
        return layer
    if isinstance(layer, layers.Lambda):
        return layer if _is_flat_far_out(layer.function) else None
    if not isinstance(layer, keras.Layer):
        known = type(layer).__name__.lower() in _OPERATIONS
        return layer if known and isinstance(layer, keras.Operation) else None
    if isinstance(layer, layers.TimeDistributed):
        return activation_of(layer.layer)
    owner = layer.cell if isinstance(layer, layers.RNN) else layer
    activation = getattr(owner, "activation", None)
    return activation if callable(activation) else None


def name_of(activation: Callable[[Any], Any]) -> str:
    """Returns the name of an activation as Keras spells it.

    Args:
        activation: A function or a layer.
    """
    for cls, name in _LAYERS.items():
        if isinstance(activation, cls):
            return name
    if isinstance(activation, layers.Lambda):
        activation = activation.function
    name = type(activation).__name__
    if isinstance(activation, keras.Operation):
        return _OPERATIONS.get(name.lower(), name)
    return getattr(activation, "__name__", name)


def _is_flat_far_out(function: Callable[[Any], Any]) -> bool:
    """Tells an activation from arithmetic, as `x / 255` is, by where units die."""
    if kind_of(function) in ("linear", "along units"):
        return False
    near, far = (
        ops.convert_to_numpy(function(ops.convert_to_tensor(x)))
        for x in np.array([[[-30.0, 30.0]], [[-1e3, 1e3]]], "float32")
    )
    return bool(np.isclose(near, far).any())


def activation_operations(model: keras.Layer) -> list[keras.Operation]:
    """Lists the operations in a model that are an activation and no layer.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.activations import activation_operations, name_of
    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.ops.relu(inputs))
    >>> [name_of(operation) for operation in activation_operations(model)]
    ['relu']

    Args:
        model: The model.
    """
    return [
        operation
        for part in keras_private.all_layers(model)
        if isinstance(part, keras_private.Functional)
        for operation in part.operations
        if not isinstance(operation, keras.Layer) and activation_of(operation)
    ]


def activations_out_of_sight(model: keras.Layer) -> list[str]:
    """Says where a model applies activations that cannot be told from its layers.

    A class of the user's may do anything in its `call`; that it names an activation
    there is taken for a sign. What `TimeDistributed` and recurrent layers repeat runs
    in a loop of the backend.

    Args:
        model: The model.
    """
    places = []
    for part in keras_private.all_layers(model):
        if isinstance(part, layers.TimeDistributed | layers.RNN):
            within = part.layer if hasattr(part, "layer") else part.cell
            inner = keras_private.all_layers(within)
            if activation_of(part) is None and (
                any(map(activation_of, inner)) or any(map(_named_in_call, inner))
            ):
                places.append(f"within {type(part).__name__} '{part.name}'")
        elif names := _named_in_call(part):
            places.append(f"{', '.join(names)} in the call of '{part.name}'")
    return places


def _named_in_call(layer: keras.Layer) -> list[str]:
    """Lists the activations that the code of a user's class names in its `call`."""
    cls = type(layer)
    code = getattr(cls.call, "__code__", None)
    if code is None or cls.__module__.startswith(keras_private.SOURCES):
        return []
    names = {*code.co_names} & {*_OPERATIONS.values()}
    return sorted(names.difference(_ALONG_UNITS))


def kind_of(activation: Callable[[Any], Any]) -> str:
    """Says what kind of function an activation is, from what it returns.

    Whoever wrote it, what returns what ReLU returns is ReLU.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.activations import kind_of
    >>> kind_of(lambda x: keras.ops.maximum(x, 0.0))
    'relu'
    >>> kind_of(keras.activations.gelu)
    'elementwise'
    >>> kind_of(keras.activations.softmax)
    'along units'

    Args:
        activation: A function or a layer.

    Returns:
        `"relu"`, `"logistic"`, `"tanh"`, `"linear"`, `"relu6"`, `"hard logistic"`,
        `"hard tanh"`, or else `"elementwise"` if each unit is treated by itself and
        `"along units"` if it is not.
    """
    if isinstance(activation, layers.PReLU):  # It has a weight for each unit.
        return "elementwise"
    function = activation.call if isinstance(activation, keras.Layer) else activation

    def values(x: np.ndarray) -> np.ndarray:
        return ops.convert_to_numpy(function(ops.convert_to_tensor(x)))

    try:
        whole, part = values(_SAMPLES), values(_SAMPLES[:, :2])
    except Exception:  # A user's function may ask for a shape, and raise anything.
        return "along units"
    if whole.shape != _SAMPLES.shape or not np.array_equal(whole[:, :2], part):
        return "along units"
    for kind, function in _KINDS.items():
        if np.allclose(whole, function(_SAMPLES), rtol=1e-5, atol=1e-6):
            return kind
    return "elementwise"
