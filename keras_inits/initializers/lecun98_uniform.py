"""The uniform weights that papers compare with as LeCun's."""

import math
from typing import Any

import keras

from keras_inits.initializers.base import RandomKernelInitializer
from keras_inits.initializers.registration import register


@register
class Lecun98Uniform(RandomKernelInitializer):
    """Initializes a kernel to `U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))`.

    This is what Sansone and De Natale call LeCun's initialization. Its standard
    deviation is `1 / sqrt(3 fan_in)`. "Efficient BackProp" asks for `1 / sqrt(fan_in)`,
    which Keras' `lecun_uniform` has: its bound, `sqrt(3 / fan_in)`, is 1.73 times this.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.Lecun98Uniform()((100, 20))
    >>> bool(keras.ops.max(keras.ops.abs(kernel)) <= 0.1)
    True
    >>> layer = keras.layers.Dense(10, "sigmoid", kernel_initializer="lecun98_uniform")

    Args:
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Reference:
        LeCun et al., 1998, "Efficient BackProp"; Sansone and De Natale, 2017,
        "Training Feedforward Neural Networks with Standard Logistic Activations is
        Feasible", section 6.
    """

    def __init__(self, seed: int | keras.random.SeedGenerator | None = None) -> None:
        """Checks the seed and keeps it."""
        super().__init__(seed)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns uniform entries."""
        bound = 1 / math.sqrt(math.prod(shape[:-1]))
        return keras.random.uniform(shape, -bound, bound, dtype, self.seed)
