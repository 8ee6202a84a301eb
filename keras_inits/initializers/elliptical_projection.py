"""Elliptical projection: logistic units whose output has the largest entropy."""

import functools
import math
from typing import Any

import keras
from scipy.integrate import quad

from keras_inits.initializers.base import RandomKernelInitializer
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_real


@functools.cache
def logistic_variance(logit_std: float) -> float:
    """Returns the variance of `1 / (1 + exp(-z))` with `z` from `N(0, logit_std**2)`.

    The logistic function is `(1 + tanh(z / 2)) / 2`, so the variance is the mean of
    `tanh(z / 2)**2 / 4`, here an integral over the standard normal distribution.

    Examples:
    >>> round(logistic_variance(math.sqrt(math.pi / 2)), 4)
    0.059

    Args:
        logit_std: Standard deviation of the logit, positive.

    Reference:
        Sansone and De Natale, 2017, footnote 9, where it is called `k`.
    """

    def integrand(z: float) -> float:
        return math.tanh(logit_std * z / 2) ** 2 / 4 * math.exp(-(z**2) / 2)

    # Past 40 standard deviations nothing is left. A large logit_std bends the integrand
    # near zero, where the adaptive quadrature has to be told to look.
    bend = min(1.0, 1 / logit_std)
    points = (bend, 6 * bend, 36 * bend)
    integral, _ = quad(integrand, 0, 40, points=points, epsabs=0, epsrel=1e-12)
    return float(integral * math.sqrt(2 / math.pi))


class EllipticalProjection(RandomKernelInitializer):
    """Scales the weights of each unit, drawn by a subclass, to one length."""

    def __init__(
        self,
        logit_std: float = math.sqrt(math.pi / 2),
        seed: int | keras.random.SeedGenerator | None = None,
    ) -> None:
        """Checks the arguments and keeps them."""
        super().__init__(seed)
        self.logit_std = check_real("logit_std", logit_std, least=1e-6)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns the directions that the subclass draws, scaled."""
        kernel = self.draw_directions((math.prod(shape[:-1]), shape[-1]), dtype)
        length = self.logit_std / math.sqrt(logistic_variance(self.logit_std))
        norm = keras.ops.sqrt(keras.ops.sum(keras.ops.square(kernel), axis=0))
        return keras.ops.reshape(kernel * (length / norm), shape)

    def draw_directions(self, shape: tuple[int, int], dtype: str) -> Any:
        """Returns a matrix that has a unit in each column, of any length but 0."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"logit_std": self.logit_std, **super().get_config()}


@register
class RandomEP(EllipticalProjection):
    """Initializes logistic units to uniform weights of one length (random+EP).

    A logistic unit passes on the most information, by a bound on its entropy, where
    its logit has mean 0 and standard deviation `sqrt(pi / 2)`. With inputs of variance
    `k` that is so where its weights have length `sqrt(pi / (2 k))`; they are drawn from
    `U(-1, 1)` and scaled to it. The inputs are taken for outputs of such units, whose
    variance `k` is 0.0590 (see `logistic_variance`).

    For a mean of 0 the paper sets each bias to `-sum(w * mean(x))`. It depends on the
    kernel and on the data, and is left to the bias initializer.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.RandomEP()((784, 3))
    >>> print(keras.ops.convert_to_numpy(keras.ops.norm(kernel, axis=0)).round(3))
    [5.162 5.162 5.162]
    >>> layer = keras.layers.Dense(10, "sigmoid", kernel_initializer="random_ep")

    Args:
        logit_std: Standard deviation of the logits, at least 1e-6. Defaults to
            `sqrt(pi / 2)`, the optimum.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Raises:
        ValueError: If `logit_std` is not a finite number of at least 1e-6.

    Reference:
        Sansone and De Natale, 2017, "Training Feedforward Neural Networks with
        Standard Logistic Activations is Feasible", theorem 1 and section 6.
    """

    def draw_directions(self, shape: tuple[int, int], dtype: str) -> Any:
        """Returns uniform entries."""
        kernel = keras.random.uniform(shape, -1, 1, dtype, self.seed)
        # About once in 2**23 draws an entry is exactly 0, which alone has no direction.
        return keras.ops.where(kernel == 0, 1, kernel) if shape[0] == 1 else kernel


@register
class OrthoEP(EllipticalProjection):
    """Initializes logistic units to orthogonal weights of one length (ortho+EP).

    It is `RandomEP` with the weights of Keras' `orthogonal` initializer in place of
    uniform ones: the weights of a unit have length `sqrt(pi / (2 k))`, `k` = 0.0590,
    and are orthogonal to those of every other unit where a unit has as many inputs as
    there are units, or more.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.OrthoEP()((784, 3))
    >>> gram = keras.ops.matmul(keras.ops.transpose(kernel), kernel)
    >>> print(keras.ops.convert_to_numpy(keras.ops.diag(gram)).round(2))
    [26.64 26.64 26.64]
    >>> layer = keras.layers.Dense(10, "sigmoid", kernel_initializer="ortho_ep")

    Args:
        logit_std: Standard deviation of the logits, at least 1e-6. Defaults to
            `sqrt(pi / 2)`, the optimum.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Raises:
        ValueError: If `logit_std` is not a finite number of at least 1e-6.

    Reference:
        Sansone and De Natale, 2017, "Training Feedforward Neural Networks with
        Standard Logistic Activations is Feasible", theorem 1 and section 6.
    """

    def draw_directions(self, shape: tuple[int, int], dtype: str) -> Any:
        """Returns an orthogonal matrix."""
        return keras.initializers.Orthogonal(seed=self.seed)(shape, dtype)
