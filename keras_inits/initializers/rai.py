"""RAI: one large positive entry a unit, against units that are born dead."""

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_inits.initializers.base import (
    RandomKernelInitializer,
    check_dtype,
    check_shape,
    working_dtype,
)
from keras_inits.initializers.registration import register

# About 0.6007, which the paper derives for Beta(2, 1).
_SIGMA = -2 * math.sqrt(2) / (3 * math.sqrt(math.pi)) + math.sqrt(1 + 8 / (9 * math.pi))


@register
class RAI(RandomKernelInitializer):
    """Initializes a kernel at random, with one positive entry a unit (RAI).

    The weights of a unit and its bias are one vector of `fan_in + 1` entries, drawn
    from `N(0, 0.6007**2 / fan_in)`. One of them, any with the same chance, is then
    drawn anew from Beta(2, 1), which is positive and has mean 2/3: fewer ReLU units
    are born dead than with weights that are as often negative as positive.

    A kernel holds its part of that draw: a unit whose positive entry is its bias has
    normal weights alone, and the bias is left to the bias initializer. `draw_jointly`
    returns both.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> layer = keras.layers.Dense(10, "relu", kernel_initializer="rai")
    >>> kernel, bias = keras_inits.RAI(seed=0).draw_jointly((784, 10))
    >>> print(kernel.shape, bias.shape)
    (784, 10) (10,)

    Args:
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Reference:
        [Lu et al., 2019](https://arxiv.org/abs/1903.06733), the section on randomized
        asymmetric initialization.
    """

    def __init__(self, seed: int | keras.random.SeedGenerator | None = None) -> None:
        """Checks the seed and keeps it."""
        super().__init__(seed)

    def draw_jointly(self, shape: Sequence[int], dtype: Any = None) -> tuple[Any, Any]:
        """Returns a kernel and the bias that was drawn with it.

        The kernel is that which a call of the initializer returns for the same seed.

        Examples:
        >>> import keras
        >>> import keras_inits
        >>> rai = keras_inits.RAI(seed=0)
        >>> kernel, _ = rai.draw_jointly((3, 2))
        >>> bool(keras.ops.all(kernel == rai((3, 2))))
        True

        Args:
            shape: Shape of the kernel, `(..., inputs, outputs)`.
            dtype: A floating-point dtype. Defaults to `keras.config.floatx()`.

        Returns:
            The kernel and the bias, which has shape `(outputs,)`.

        Raises:
            ValueError: If `shape` or `dtype` cannot be that of a kernel.
        """
        shape, dtype = check_shape(shape), check_dtype(dtype)
        kernel, bias = self._draw(shape, working_dtype(dtype))
        return keras.ops.cast(kernel, dtype), keras.ops.cast(bias, dtype)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns the kernel without its bias."""
        return self._draw(shape, dtype)[0]

    def _draw(self, shape: tuple[int, ...], dtype: str) -> tuple[Any, Any]:
        *_, outputs = shape
        fan_in = math.prod(shape[:-1])
        normal, bias, chance, place = self.seeds(4)
        stddev = _SIGMA / math.sqrt(fan_in)
        kernel = keras.random.normal((fan_in, outputs), 0.0, stddev, dtype, normal)
        bias = keras.random.normal((outputs,), 0.0, stddev, dtype, bias)
        # The square root of a uniform draw is a draw from Beta(2, 1).
        beta = keras.ops.sqrt(keras.random.uniform((outputs,), 0, 1, dtype, chance))
        row = keras.random.randint((outputs,), 0, fan_in + 1, "int32", place)
        kernel = keras.ops.where(
            keras.ops.arange(fan_in, dtype="int32")[:, None] == row, beta, kernel
        )
        return (
            keras.ops.reshape(kernel, shape),
            keras.ops.where(row == fan_in, beta, bias),
        )
