"""The fast path of a population: a chain of Dense layers, all members at once."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

# Activations that treat entries one by one, so that any layout will do.
_ELEMENTWISE = [
    getattr(keras.activations, name)
    for name in (
        "elu celu exponential gelu hard_sigmoid hard_silu hard_tanh leaky_relu linear "
        "log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign "
        "sparse_plus squareplus tanh tanh_shrink threshold hard_shrink"
    ).split()
]
# Those that look along the units. What a user's own function looks at is not known.
_ALONG_UNITS = [keras.activations.softmax, keras.activations.log_softmax]
# From so many on, the kernel of one member is worth a product of its own.
_MANY_UNITS = 64


class DenseStack:
    """Evaluates `Flatten`, `Dense` and `Activation` layers in a row for all members.

    Signals are kept as `(members, units, batch)`. With the samples on the last axis a
    layer of 6 or 10 units is a product of long rows, and adding a bias or applying an
    activation runs along them; with the units last, the way of a single network, each
    row would hold 6 numbers.

    Args:
        stack: The layers, from `chain`.
    """

    def __init__(self, stack: Sequence[keras.Layer]) -> None:
        """Keeps the layers, without activations that do nothing."""
        self.stack = [
            layer
            for layer in stack
            if isinstance(layer, layers.Dense)
            or layer.activation is not keras.activations.linear
        ]

    def __call__(self, weights: Sequence[Any], x: Any, seed_of: np.ndarray) -> Any:
        """Returns the outputs `(members, batch, units)`.

        Args:
            weights: Kernel and bias of each layer in turn, each with a leading axis
                of members.
            x: Inputs `(batch, ...)` for all members, or `(seeds, batch, ...)`.
            seed_of: Index of each member's seed on that axis; `None` for shared inputs.
        """
        remaining = iter(weights)
        signal = None
        for layer in self.stack:
            if isinstance(layer, layers.Dense):
                kernel = next(remaining)
                if signal is None:
                    signal = _first_product(kernel, x, seed_of)
                else:
                    signal = ops.matmul(ops.transpose(kernel, (0, 2, 1)), signal)
                if layer.use_bias:
                    signal = signal + ops.expand_dims(next(remaining), -1)
            if layer is self.stack[-1]:
                # Keras hangs logits on what this returns.
                return layer.activation(_units_last(signal))
            if layer.activation in _ELEMENTWISE:
                signal = layer.activation(signal)
            else:
                signal = _units_last(layer.activation(_units_last(signal)))


def chain(model: keras.Model) -> list[keras.Layer] | None:
    """Returns the layers that `DenseStack` evaluates, `None` if it cannot.

    Args:
        model: A built model.
    """
    if type(model) is not keras.Sequential or len(model.inputs) != 1:
        return None
    stack = [layer for layer in model.layers if type(layer) is not layers.Flatten]
    if not stack or type(stack[0]) is not layers.Dense or len(model.input_shape) < 2:
        return None
    flat = len(model.input_shape) == 2 or (
        type(model.layers[0]) is layers.Flatten
        and model.layers[0].data_format == "channels_last"
    )
    regularized = any(
        variable.regularizer is not None for variable in model.trainable_variables
    )
    frozen = len(model.trainable_variables) < len(model.variables)
    plain = flat and all(_is_plain(layer) for layer in stack)
    return stack if plain and not regularized | frozen else None


def _is_plain(layer: keras.Layer) -> bool:
    if type(layer) is layers.Dense:
        plain = layer.lora_rank is None and layer.quantization_mode is None
    else:
        plain = type(layer) is layers.Activation
    return (
        plain
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and getattr(layer, "activity_regularizer", None) is None
        and layer.activation in _ELEMENTWISE + _ALONG_UNITS
    )


def _first_product(kernel: Any, x: Any, seed_of: np.ndarray | None) -> Any:
    """Multiplies the inputs, the one signal that members have in common.

    Where units are few, the kernels of all members of a seed make one matrix, whose
    product reads the inputs once for all of them. Kernels of many units are products
    of a good size each, and too large to be laid out anew.
    """
    members, features, units = kernel.shape
    x = ops.cast(x, kernel.dtype)
    if units >= _MANY_UNITS:
        x = x if seed_of is None else ops.take(x, seed_of, axis=0)
        x = ops.reshape(x, (*([] if seed_of is None else [members]), -1, features))
        return _units_last(ops.matmul(x, kernel))
    kernel = ops.transpose(kernel, (0, 2, 1))
    if seed_of is None:
        return _shared_product(kernel, ops.reshape(x, (-1, features)))
    x = ops.reshape(x, (x.shape[0], -1, features))
    order = np.argsort(seed_of, kind="stable")
    in_order = np.array_equal(order, np.arange(members))
    seeds, starts = np.unique(seed_of[order], return_index=True)
    if not in_order:
        kernel = ops.take(kernel, order, axis=0)
    kernels = ops.split(kernel, starts[1:].tolist()) if len(seeds) > 1 else [kernel]
    products = [_shared_product(k, x[s]) for k, s in zip(kernels, seeds, strict=True)]
    signal = ops.concatenate(products)
    return signal if in_order else ops.take(signal, np.argsort(order), axis=0)


def _shared_product(kernel: Any, x: Any) -> Any:
    """Multiplies kernels `(members, units, features)` and inputs of all of them."""
    members, units, features = kernel.shape
    signal = ops.matmul(ops.reshape(kernel, (-1, features)), ops.transpose(x))
    return ops.reshape(signal, (members, units, -1))


def _units_last(signal: Any) -> Any:
    return ops.transpose(signal, (0, 2, 1))
