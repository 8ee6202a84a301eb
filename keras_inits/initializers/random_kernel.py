"""What every random kernel here is built on: its seed, its shape and its dtype."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

# What Keras' own random initializers derive from, which is not public.
from keras.src.initializers.random_initializers import RandomInitializer

from keras_inits.initializers.kernel import check_dtype, check_shape, working_dtype


class RandomKernelInitializer(RandomInitializer):
    """An initializer that draws its kernel with `keras.random`.

    A subclass says in `draw` what the kernel holds. The seed does what it does in
    Keras: an integer, or the one that an initializer gives itself where it is given
    `None`, makes every call the same; a `keras.random.SeedGenerator` makes each new.
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        """Returns the kernel as a tensor of the backend.

        Args:
            shape: Shape of the kernel, `(..., inputs, outputs)`.
            dtype: A floating-point dtype. Defaults to `keras.config.floatx()`.

        Raises:
            ValueError: If `shape` or `dtype` cannot be that of a kernel.
        """
        shape, dtype = check_shape(shape), check_dtype(dtype)
        return keras.ops.cast(self.draw(shape, working_dtype(dtype)), dtype)

    def draw(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns a kernel in float32 or float64."""
        raise NotImplementedError

    def seeds(self, count: int) -> list[Any]:
        """Returns seeds for the independent draws of one call.

        A generator moves on with each draw by itself. Draws that share an integer
        would be the same numbers, so each gets its own.
        """
        if isinstance(self.seed, keras.random.SeedGenerator):
            return [self.seed] * count
        # NumPy takes no negative seed, which Keras does.
        return np.random.SeedSequence(self.seed % 2**64).generate_state(count).tolist()
