"""The identity for kernels of any shape."""

from typing import Any

import numpy as np

from keras_inits.initializers.base import KernelInitializer, centre_tap
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_real


@register
class RectangularIdentity(KernelInitializer):
    """Initializes a kernel of any shape to ones on the main diagonal.

    Output `j` is input `j`; outputs past the last input are 0 and inputs past the
    last output are dropped: `kernel[i, j] = gain * (i == j)`. A convolution kernel
    has that matrix on its centre tap, so that `padding="same"` hands the image on
    where it was. Keras' own `identity` takes matrices alone.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> print(keras.ops.convert_to_numpy(keras_inits.RectangularIdentity()((2, 3))))
    [[1. 0. 0.]
     [0. 1. 0.]]
    >>> layer = keras.layers.Conv2D(8, 3, kernel_initializer="rectangular_identity")

    Args:
        gain: The value on the diagonal. Defaults to `1.0`.

    Raises:
        ValueError: If `gain` is not a finite number.

    Reference:
        [Le et al., 2015](https://arxiv.org/abs/1504.00941), section 3, where it is
        the square recurrent kernel.
    """

    def __init__(self, gain: float = 1.0) -> None:
        """Checks the arguments and keeps them."""
        self.gain = check_real("gain", gain)

    def compute(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Returns zeros but for the diagonal of the centre tap."""
        kernel = np.zeros(shape, dtype)
        np.fill_diagonal(centre_tap(kernel), self.gain)
        return kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"gain": self.gain}
