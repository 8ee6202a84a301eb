"""Normal weights by which a layer's Jacobian has norm one."""

import math
from typing import Any

import keras

from keras_inits.initializers.base import RandomKernelInitializer
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_choice

_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal")

# The standard deviation of a standard normal variable between -2 and 2: about 0.8796.
_TRUNCATED_STDDEV = math.sqrt(
    1 - 4 * math.exp(-2) / (math.sqrt(2 * math.pi) * math.erf(math.sqrt(2)))
)


@register
class SkorskiNormal(RandomKernelInitializer):
    """Initializes a kernel to `N(0, 1 / (sqrt(fan_in) + sqrt(fan_out))**2)`.

    A layer whose activation has slope 1 at zero starts with a Jacobian that is about
    its weight matrix, the mean spectral norm of which is `(sqrt(fan_in) +
    sqrt(fan_out)) * sigma`. With a norm of 1 in every layer the Hessian of the loss is
    bounded, and so is the step that gradient descent needs.

    The matrix of a convolution is the one that multiplies the whole image: with a
    stride of 1 its rows hold `taps * inputs` weights and its columns `taps * outputs`,
    the two fans of Keras.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.SkorskiNormal(seed=0)((256, 512))
    >>> print(f"{float(keras.ops.std(kernel) * (256**0.5 + 512**0.5)):.2f}")
    1.00
    >>> layer = keras.layers.Dense(10, "tanh", kernel_initializer="skorski_normal")

    Args:
        distribution: `"truncated_normal"`, without draws past two standard deviations,
            or `"untruncated_normal"`. The entries have the same standard deviation in
            both. Defaults to `"truncated_normal"`.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Raises:
        ValueError: If `distribution` is unknown.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), corollary 2, equation 8.
    """

    def __init__(
        self,
        distribution: str = "truncated_normal",
        seed: int | keras.random.SeedGenerator | None = None,
    ) -> None:
        """Checks the arguments and keeps them."""
        super().__init__(seed)
        self.distribution = check_choice("distribution", distribution, _DISTRIBUTIONS)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns normal entries, truncated or not."""
        *taps, inputs, outputs = shape
        size = math.prod(taps)
        stddev = 1 / (math.sqrt(size * inputs) + math.sqrt(size * outputs))
        if self.distribution == "untruncated_normal":
            return keras.random.normal(shape, 0.0, stddev, dtype, self.seed)
        stddev /= _TRUNCATED_STDDEV
        return keras.random.truncated_normal(shape, 0.0, stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"distribution": self.distribution, **super().get_config()}
