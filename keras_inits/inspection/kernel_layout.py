"""Which axes of a kernel are its inputs and which its outputs: its layer knows."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from keras_inits.inspection.keras_private import ConvLSTMCell

_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)


class KernelLayout(NamedTuple):
    """The axes of a kernel. Those that are none of these are the taps of a convolution.

    Args:
        shape: Sizes of the axes. Where one axis of the kernel holds groups of outputs,
            here it is two.
        inputs: The axes that are summed over.
        outputs: The axes of what comes out.
        groups: The axes along which separate kernels lie side by side, each with
            inputs and outputs of its own.
    """

    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    groups: tuple[int, ...] = ()

    @property
    def num_kernels(self) -> int:
        """How many separate kernels there are."""
        return math.prod(self.shape[axis] for axis in self.groups)

    @property
    def of_one(self) -> tuple[int, ...]:
        """Shape of one of them as `(taps..., inputs, outputs)`."""
        return (
            *(self.shape[axis] for axis in self._taps),
            math.prod(self.shape[axis] for axis in self.inputs),
            math.prod(self.shape[axis] for axis in self.outputs),
        )

    @property
    def _taps(self) -> tuple[int, ...]:
        others = {*self.inputs, *self.outputs, *self.groups}
        return tuple(axis for axis in range(len(self.shape)) if axis not in others)

    def join(self, kernels: Sequence[Any], shape: Sequence[int]) -> Any:
        """Returns the kernel of a layer from separate ones of shape `of_one`.

        Args:
            kernels: As many as `num_kernels`.
            shape: Shape of the layer's kernel.
        """
        order = (*self.groups, *self._taps, *self.inputs, *self.outputs)
        joined = ops.reshape(ops.stack(kernels), [self.shape[axis] for axis in order])
        places = [order.index(axis) for axis in range(len(order))]
        return ops.reshape(ops.transpose(joined, places), shape)


def matrix_layout(shape: Sequence[int]) -> KernelLayout:
    """Returns the layout `(taps..., inputs, outputs)`, that of Dense and Conv2D.

    Examples:
    >>> from keras_inits.inspection.kernel_layout import matrix_layout
    >>> matrix_layout((3, 3, 16, 32)).of_one
    (3, 3, 16, 32)
    """
    rank = len(shape)
    return KernelLayout(tuple(shape), (rank - 2,), (rank - 1,))


def kernel_layout(
    layer: keras.Layer, name: str | None, shape: Sequence[int]
) -> KernelLayout | None:
    """Returns the layout of a kernel in a layer; `None` if nothing tells.

    The query kernel of an attention is `(features, heads, size)`, that of a transposed
    convolution `(taps..., outputs, inputs)`, and in a depthwise one
    `(taps..., channels, multiplier)` every channel has a kernel of its own. Where a
    layer stacks several matrices side by side, as the gates of an LSTM, they are one.

    Examples:
    >>> import keras
    >>> from keras_inits.inspection.kernel_layout import kernel_layout
    >>> layer = keras.layers.DepthwiseConv2D(3)
    >>> layout = kernel_layout(layer, "kernel", (3, 3, 8, 2))
    >>> layout.num_kernels, layout.of_one
    (8, (3, 3, 1, 2))

    Args:
        layer: The layer.
        name: The name of the kernel in it.
        shape: Shape of the kernel.
    """
    shape, rank = tuple(shape), len(shape)
    if isinstance(layer, layers.EinsumDense):
        return _einsum_layout(layer.equation, shape)
    if isinstance(layer, _TRANSPOSED):
        return KernelLayout(shape, (rank - 1,), (rank - 2,))
    depthwise = isinstance(layer, _SEPARABLE) and name == "depthwise_kernel"
    if depthwise or isinstance(layer, _DEPTHWISE):
        return KernelLayout((*shape, 1), (rank,), (rank - 1,), (rank - 2,))
    if isinstance(layer, _CONVOLUTIONS) and layer.groups > 1:
        *before, outputs = shape
        split = (*before, layer.groups, outputs // layer.groups)
        return KernelLayout(split, (rank - 2,), (rank,), (rank - 1,))
    if rank == 2 or isinstance(layer, (*_CONVOLUTIONS, *_SEPARABLE, ConvLSTMCell)):
        return matrix_layout(shape)
    return None


def _einsum_layout(equation: str, shape: tuple[int, ...]) -> KernelLayout | None:
    """Returns the layout of a kernel from the equation that it is used in."""
    operands, _, result = equation.replace(" ", "").partition("->")
    data, _, kernel = operands.partition(",")
    axes = range(len(kernel))
    if len(kernel) != len(shape):
        return None
    return KernelLayout(
        shape,
        tuple(a for a in axes if kernel[a] not in result),
        tuple(a for a in axes if kernel[a] in result and kernel[a] not in data),
        tuple(a for a in axes if kernel[a] in result and kernel[a] in data),
    )
