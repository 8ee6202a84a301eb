"""Normal weights with a negative mean, for logistic units."""

import math
from typing import Any

import keras

from keras_inits.initializers.base import RandomKernelInitializer
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_real


@register
class YilmazPoli(RandomKernelInitializer):
    """Initializes the kernel of logistic units to `N(max(-1, -8 / fan_in), 0.1**2)`.

    Outputs of logistic units are positive, with mean 1/2 about zero, and so drive the
    next layer all one way. The negative mean of the weights holds against that and
    keeps gradients from vanishing in deep networks.

    It is derived for logistic units (Keras' `"sigmoid"`) alone. With ReLU, a negative
    mean makes units dead at birth: its authors wrote a letter about a comparison that
    used it so.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.YilmazPoli(seed=0)((800, 500))
    >>> print(f"{float(keras.ops.mean(kernel)):.3f}")
    -0.010
    >>> layer = keras.layers.Dense(10, "sigmoid", kernel_initializer="yilmaz_poli")

    Args:
        stddev: Standard deviation, at least 0. Defaults to `0.1`, as in the paper.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Raises:
        ValueError: If `stddev` is not a finite number of at least 0.

    Reference:
        Yilmaz and Poli, 2022, "Successfully and efficiently training deep multi-layer
        perceptrons with logistic activation function simply requires initializing the
        weights with an appropriate negative mean", Neural Networks 153. The letter is
        Poli and Yilmaz, "Incorrect Application of Yilmaz-Poli (2022) Initialisation
        Method in de Pater-Mitici 2023 paper".
    """

    def __init__(
        self,
        stddev: float = 0.1,
        seed: int | keras.random.SeedGenerator | None = None,
    ) -> None:
        """Checks the arguments and keeps them."""
        super().__init__(seed)
        self.stddev = check_real("stddev", stddev, least=0.0)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns normal entries."""
        mean = max(-1.0, -8 / math.prod(shape[:-1]))
        return keras.random.normal(shape, mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"stddev": self.stddev, **super().get_config()}
