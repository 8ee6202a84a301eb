"""What a layer's activation is, and what kind of function that is."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from scipy import special

# Layers that are an activation function, by the name of the function.
_LAYERS = {
    layers.ReLU: "relu",
    layers.LeakyReLU: "leaky_relu",
    layers.PReLU: "prelu",
    layers.ELU: "elu",
    layers.Softmax: "softmax",
}

# Kinds that are known by what they return; the first three of them, by outputs alone.
_KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "logistic": special.expit,
    "tanh": np.tanh,
    "linear": lambda x: x,
    "hard logistic": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard tanh": lambda x: np.clip(x, -1, 1),
}
_SIZES = np.array([0.01, 0.3, 1.1, 2.7, 5.9, 7, 30, 1e3, 1e6], "float32")
_SAMPLES = np.stack([_SIZES, -_SIZES, np.roll(_SIZES, 1), 0 * _SIZES])


def activation_of(layer: keras.Layer) -> Callable[[Any], Any] | None:
    """Returns the activation of a layer, `None` if it has none.

    That of a recurrent layer is its cell's, of `TimeDistributed` that of its layer,
    and `ReLU` and its like are functions themselves.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.activations import activation_of, name_of
    >>> name_of(activation_of(keras.layers.LSTM(3)))
    'tanh'
    >>> activation_of(keras.layers.Flatten()) is None
    True

    Args:
        layer: The layer.
    """
    if any(isinstance(layer, cls) for cls in _LAYERS):
        return layer
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
    return getattr(activation, "__name__", type(activation).__name__)


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
        `"relu"`, `"logistic"`, `"tanh"`, `"linear"`, `"hard logistic"`, `"hard tanh"`,
        or else `"elementwise"` if each unit is treated by itself and `"along units"`
        if it is not.
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
