"""All eigenvalues of the Hessian of the loss together: their sum and density."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.initializers.kernel import check_real
from keras_inits.probes.lanczos import lanczos
from keras_inits.probes.objective import Objective, as_objective
from keras_inits.probes.spectrum import Block


@dataclass(frozen=True)
class Trace:
    """An estimate of a trace.

    Args:
        value: The mean over the random vectors.
        standard_error: The standard error of that mean.
        products: How many products with the matrix it took.
    """

    value: float
    standard_error: float
    products: int


def trace(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    layer: str | keras.Layer | None = None,
    probes: int = 30,
    seed: int | None = None,
    batch_size: int = 1024,
) -> Trace:
    """Estimates the trace of the Hessian of the loss, by Hutchinson's method.

    The mean of `v^T H v` over random vectors `v` of signs is the trace. Its standard
    error falls with the root of their number; a diagonal matrix has none.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import probes
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> probes.trace(model, x, np.zeros((4, 1)), probes=2)
    Trace(value=6.0, standard_error=0.0, products=2)

    Args:
        model: A built model, or an `Objective`, which then has the data and loss.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        layer: A layer, its name, or that of one of its weights. Defaults to `None`:
            all trainable weights.
        probes: How many random vectors, two or more. Defaults to `30`.
        seed: A seed for them, or `None` for a new one. Defaults to `None`.
        batch_size: Samples that are evaluated at a time. Defaults to `1024`.

    Raises:
        ValueError: As `hessian` does, or if `probes` is less than two.

    Reference:
        Hutchinson, 1990, "A stochastic estimator of the trace of the influence matrix
        for Laplacian smoothing splines".
    """
    probes = int(check_real("probes", probes, least=2))
    objective = as_objective(model, x, y, loss, batch_size)
    block = Block(objective.hessian_product, objective.places(layer), objective.weights)
    signs = _signs(probes, block.shape[0], seed)
    forms = np.array([sign @ block.matvec(sign) for sign in signs])
    error = forms.std(ddof=1) / np.sqrt(probes)
    return Trace(float(forms.mean()), float(error), block.products)


@dataclass(frozen=True, eq=False)
class SpectralDensity:
    """Where the eigenvalues of a matrix lie.

    Args:
        nodes: Ritz values `(probes, steps)`.
        weights: The part of all eigenvalues that each stands for; they sum to one.
        size: How many eigenvalues the matrix has.
        products: How many products with the matrix it took.
    """

    nodes: np.ndarray
    weights: np.ndarray
    size: int
    products: int

    def moment(self, power: int) -> float:
        """Returns the mean of the eigenvalues to a power."""
        return float((self.weights * self.nodes**power).sum())

    def density(self, at: Any, width: float | None = None) -> np.ndarray:
        """Returns the density, smoothed by a normal distribution.

        Args:
            at: Where, an array.
            width: Standard deviation of the distribution. Defaults to a hundredth of
                the range of the nodes.
        """
        if width is None:
            width = 0.01 * float(np.ptp(self.nodes)) or 1e-12
        distance = (np.asarray(at)[..., None] - self.nodes.reshape(-1)) / width
        bumps = np.exp(-(distance**2) / 2) / (width * np.sqrt(2 * np.pi))
        return bumps @ self.weights.reshape(-1)

    def plot(self, width: float | None = None) -> Any:
        """Draws the density on a logarithmic scale. It needs matplotlib.

        Args:
            width: As for `density`.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError(
                "A plot needs matplotlib: pip install matplotlib"
            ) from error

        margin = 0.05 * float(np.ptp(self.nodes)) or 1.0
        at = np.linspace(self.nodes.min() - margin, self.nodes.max() + margin, 1001)
        density = self.density(at, width)
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.semilogy(at, density)
        # What is far below a single eigenvalue is nothing.
        axes.set_ylim(bottom=1e-3 * density.max() / self.size)
        axes.set(xlabel="eigenvalue of the Hessian", ylabel="density")
        return figure


def spectral_density(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    layer: str | keras.Layer | None = None,
    probes: int = 8,
    steps: int = 40,
    seed: int | None = None,
    batch_size: int = 1024,
) -> SpectralDensity:
    """Estimates the density of all eigenvalues, by stochastic Lanczos quadrature.

    From a random vector `v` of signs, the Lanczos method gives Ritz values and weights
    with the moments `v^T H^p v / v^T v` for `p < 2 steps`; their mean over `v` is that
    of the eigenvalues to the power `p`. Outlying eigenvalues are found exactly, and of
    the bulk its shape.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import probes
    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> spectrum = probes.spectral_density(model, x, np.zeros((2, 1)), probes=1)
    >>> print(spectrum.nodes.round(4), spectrum.weights.round(4))
    [[1. 9.]] [[0.5 0.5]]

    Args:
        model: A built model, or an `Objective`, which then has the data and loss.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        layer: A layer, its name, or that of one of its weights. Defaults to `None`:
            all trainable weights.
        probes: How many random vectors. Defaults to `8`.
        steps: Products for each, fewer where there are fewer weights. Defaults to
            `40`.
        seed: A seed for the vectors, or `None` for a new one. Defaults to `None`.
        batch_size: Samples that are evaluated at a time. Defaults to `1024`.

    Raises:
        ValueError: As `hessian` does, or if `probes` or `steps` is less than one.

    Reference:
        [Ghorbani et al., 2019](https://arxiv.org/abs/1901.10159), section 2.
    """
    probes, steps = (
        int(check_real(name, value, least=1))
        for name, value in (("probes", probes), ("steps", steps))
    )
    objective = as_objective(model, x, y, loss, batch_size)
    block = Block(objective.hessian_product, objective.places(layer), objective.weights)
    size = block.shape[0]

    def product(vectors: np.ndarray) -> np.ndarray:
        return np.stack([block.matvec(vector) for vector in vectors])

    nodes, weights, _ = lanczos(product, _signs(probes, size, seed), steps)
    return SpectralDensity(nodes, weights / probes, size, block.products)


def _signs(count: int, size: int, seed: int | None) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], (count, size))
