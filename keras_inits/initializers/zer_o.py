"""ZerO: identity where a network narrows, Hadamard where it widens."""

from typing import Any

import numpy as np

from keras_inits.initializers.base import KernelInitializer, centre_tap
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_choice

# The exponent of 2 in the factor before the Hadamard matrix of size 2 ** m.
_EXPONENTS = {"paper": lambda m: -(m - 1) / 2, "notebook": lambda m: -m / 2}


@register
class ZerO(KernelInitializer):
    """Initializes a kernel to zeros and ones, up to a factor, with no randomness.

    A layer that narrows or keeps its width passes on its first inputs, `W = I*`, with
    ones on the main diagonal. A layer that widens spreads them by a Hadamard matrix,
    `W = c I* H_m I*` with `m = ceil(log2(outputs))`, where the identity would leave
    units at zero. A convolution kernel has `W` on its centre tap, zeros elsewhere.

    The paper's `W` is `(outputs, inputs)`. Code that hands the rule a Keras kernel,
    which is `(inputs, outputs)`, gets the opposite: the Hadamard matrix where the
    layer narrows. The published results of some Keras comparisons can only be had
    that way; `transpose=True` does it.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> print(keras.ops.convert_to_numpy(keras_inits.ZerO(scale="notebook")((2, 4))))
    [[ 0.5  0.5  0.5  0.5]
     [ 0.5 -0.5  0.5 -0.5]]
    >>> print(keras.ops.convert_to_numpy(keras_inits.ZerO()((3, 2))))
    [[1. 0.]
     [0. 1.]
     [0. 0.]]
    >>> layer = keras.layers.Dense(10, kernel_initializer="zer_o")

    Args:
        scale: `"paper"` for `c = 2 ** (-(m - 1) / 2)`, as the algorithm is printed,
            or `"notebook"` for `c = 2 ** (-m / 2)`, as the authors' code has it,
            which makes `W` an isometry where `outputs` is a power of two. Defaults
            to `"paper"`.
        transpose: Whether to read the kernel's `(inputs, outputs)` as the paper's
            `(outputs, inputs)`. Defaults to `False`, the paper's definition.

    Raises:
        ValueError: If `scale` is unknown or `transpose` is not a boolean.

    Reference:
        [Zhao et al., 2022](https://arxiv.org/abs/2110.12661), algorithms 1 and 2.
    """

    def __init__(self, scale: str = "paper", transpose: bool = False) -> None:
        """Checks the arguments and keeps them."""
        if not isinstance(transpose, bool):
            raise ValueError(
                f"`transpose` must be True or False. Received: transpose={transpose}"
            )
        self.scale = check_choice("scale", scale, _EXPONENTS)
        self.transpose = transpose

    def compute(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Returns zeros but for the identity or Hadamard block of the centre tap."""
        kernel = np.zeros(shape, dtype)
        tap = centre_tap(kernel)
        inputs, outputs = tap.shape
        if (inputs > outputs) if self.transpose else (outputs > inputs):
            m = (max(inputs, outputs) - 1).bit_length()
            factor = 2.0 ** _EXPONENTS[self.scale](m)
            # H_m[i, j] is -1 to the power of the bits that i and j have in common, so
            # the block that is needed can be had without the rest of H_m.
            i, j = (np.arange(size, dtype=np.uint32) for size in tap.shape)
            tap[...] = np.bitwise_count(i[:, None] & j) & 1
            tap *= -2 * factor
            tap += factor
        else:
            np.fill_diagonal(tap, 1)
        return kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"scale": self.scale, "transpose": self.transpose}
