"""What every kernel here is built on: its shape, dtype, seed and way to the backend."""

import copy
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.inspection import keras_private
from keras_inits.inspection.kernel_layout import (
    KernelLayout,
    kernel_layout,
    matrix_layout,
)


class KernelInitializer(keras.initializers.Initializer):
    """An initializer of kernels.

    A subclass says in `compute` what a kernel of shape `(taps..., inputs, outputs)`
    holds. Shape, dtype, the axes of the layer and the way into the backend are the same
    for all, so that they are seen to once, here.
    """

    layout: KernelLayout | None = None
    """The axes of the kernel, where a layer has told them: see `of_layer`."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Returns the kernel as a tensor of the backend.

        Args:
            shape: Shape of the kernel. In a layer of Keras its axes are what they are
                there; else it is `(taps..., inputs, outputs)`.
            dtype: A floating-point dtype. Defaults to `keras.config.floatx()`.

        Raises:
            ValueError: If `shape` or `dtype` cannot be that of a kernel.
        """
        shape, dtype = check_shape(shape), check_dtype(dtype)
        working, layout = working_dtype(dtype), self.layout
        if layout is None:
            kernel = keras.ops.convert_to_tensor(self.compute(shape, working))
        else:
            apart = self.apart(layout.num_kernels)
            kernels = {
                id(one): keras.ops.convert_to_tensor(
                    one.compute(layout.of_one, working)
                )
                for one in apart
            }
            kernel = layout.join([kernels[id(one)] for one in apart], shape)
        return keras.ops.cast(kernel, dtype)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns a kernel in float32 or float64, an array or a tensor."""
        raise NotImplementedError

    def apart(self, count: int) -> list["KernelInitializer"]:
        """Returns what computes each of the separate kernels of one layer."""
        return [self] * count

    def of_layer(
        self, layer: keras.Layer, name: str | None, shape: Sequence[int]
    ) -> "KernelInitializer":
        """Returns this initializer for one kernel of a layer, whose axes it knows."""
        layout = kernel_layout(layer, name, shape)
        if layout is None:
            warnings.warn(
                f"{type(self).__name__} takes the kernel '{name}' of "
                f"{type(layer).__name__} for (taps..., inputs, outputs), as a "
                "convolution has it: nothing tells which of its axes are inputs. "
                f"Received: shape={tuple(shape)}",
                stacklevel=4,
            )
        if layout is None or layout == matrix_layout(shape):
            return self
        told = copy.copy(self)
        told.layout = layout
        return told


def _told(layer: keras.Layer, name: str | None, shape: Any, initializer: Any) -> Any:
    """Tells an initializer of this package which layer it is for."""
    if isinstance(initializer, KernelInitializer) and shape is not None:
        return initializer.of_layer(layer, name, shape)
    return initializer


keras_private.initialize_weights_by(_told)


class RandomKernelInitializer(KernelInitializer, keras_private.RandomInitializer):
    """An initializer that draws its kernel with `keras.random`.

    The seed does what it does in Keras: an integer, or the one that an initializer
    gives itself where it is given `None`, makes every call the same; a
    `keras.random.SeedGenerator` makes each new.
    """

    def seeds(self, count: int) -> list[Any]:
        """Returns seeds for the independent draws of one call.

        A generator moves on with each draw by itself. Draws that share an integer
        would be the same numbers, so each gets its own.
        """
        if isinstance(self.seed, keras.random.SeedGenerator):
            return [self.seed] * count
        # NumPy takes no negative seed, which Keras does.
        return np.random.SeedSequence(self.seed % 2**64).generate_state(count).tolist()

    def apart(self, count: int) -> list[KernelInitializer]:
        """Returns one with a seed of its own for each of the separate kernels."""
        if count == 1:
            return [self]
        apart = []
        for seed in self.seeds(count):
            one = copy.copy(self)
            one.seed = seed
            apart.append(one)
        return apart


def centre_tap(kernel: np.ndarray) -> np.ndarray:
    """Returns a view of the matrix by which each position sees itself.

    Of an even number of taps it is the left of the two in the middle: that is where
    `padding="same"` aligns input and output.
    """
    return kernel[tuple((size - 1) // 2 for size in kernel.shape[:-2])]


def check_shape(shape: Any) -> tuple[int, ...]:
    """Returns `shape` as a tuple if it can be that of a kernel."""
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(
            "A kernel has two or more axes, (..., inputs, outputs), each a positive "
            "integer, as (784, 10) for Dense or (3, 3, 16, 32) for Conv2D; a bias "
            f"needs an initializer of its own. Received: shape={shape}"
        )
    return sizes


def check_dtype(dtype: Any) -> str:
    """Returns the name of `dtype`, or of Keras' default, if a kernel can have it."""
    name: str = keras.backend.standardize_dtype(dtype)
    if not keras.backend.is_float_dtype(name):
        raise ValueError(f"A kernel has a floating-point dtype. Received: dtype={name}")
    return name


def working_dtype(dtype: str) -> str:
    """Returns the dtype to calculate in, as half precision has too few digits."""
    return "float64" if dtype == "float64" else "float32"
