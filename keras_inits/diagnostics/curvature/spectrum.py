"""Eigenvalues of curvature operators: leading ones, their sum and their density."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import eigsh

from keras_inits.diagnostics.curvature.operators import CurvatureOperator
from keras_inits.utils.figure import new_figure
from keras_inits.utils.lanczos import lanczos
from keras_inits.utils.validation import check_choice, check_real

_WHICH = ("LM", "LA", "SA", "BE")
# Of the eigenvalue. In float32 products have about seven digits.
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a symmetric matrix that is known by its products.

    Args:
        eigenvalues: Those that were asked for, by falling magnitude.
        num_matvecs: How many products with the matrix it took.
    """

    eigenvalues: np.ndarray
    num_matvecs: int

    @property
    def norm(self) -> float:
        """The largest magnitude of the eigenvalues that were asked for."""
        return float(np.abs(self.eigenvalues).max())


def eigenvalues(operator: CurvatureOperator, k: int = 1, which: str = "LM") -> Spectrum:
    """Finds leading eigenvalues of a curvature operator, by products only.

    The Lanczos method finds them from some tens of products. By default those of the
    largest magnitude are found, of which the first is the spectral norm.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, use_bias=False, name="dense")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")  # Its Hessian is 2 X^T X / samples.
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> objective = diagnostics.Objective(model, x, np.zeros((2, 1)))
    >>> hessian = diagnostics.HessianOperator(objective)
    >>> print(diagnostics.eigenvalues(hessian, k=2).eigenvalues)
    [9. 1.]

    Args:
        operator: A `HessianOperator` or `GaussNewtonOperator`.
        k: How many eigenvalues. Defaults to `1`.
        which: Which ones, as in `scipy.sparse.linalg.eigsh`: `"LM"` of largest
            magnitude, `"LA"` largest, `"SA"` smallest, `"BE"` half from each end, of
            an odd `k` one more of the largest. Defaults to `"LM"`.

    Raises:
        ValueError: If `which` is unknown or `k` too large; or if the loss or the
            products are not finite.
    """
    size, before = operator.shape[0], operator.num_matvecs
    check_choice("which", which, _WHICH)
    if not (isinstance(k, int) and 1 <= k <= size):
        raise ValueError(
            f"`k` must be an integer from 1 to the number of weights, {size}. "
            f"Received: k={k}"
        )
    if size <= max(2 * k + 1, 20):  # As many as the Lanczos method would take at once.
        matrix = np.stack([operator.matvec(unit) for unit in np.eye(size)])
        values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        if which == "LM":
            values = values[np.argsort(-np.abs(values))[:k]]
        else:
            low = {"LA": 0, "SA": k, "BE": k // 2}[which]
            values = np.concatenate([values[:low], values[size - (k - low) :]])
    else:
        if which == "BE" and k == 1:  # ARPACK takes it for two or more.
            which = "LA"
        start = np.random.default_rng(0).standard_normal(size)
        # Of a matrix of zeros, as of a dead layer, ARPACK would complain.
        values = np.zeros(k)
        if np.any(operator.matvec(start)):
            values = eigsh(
                operator,
                k,
                which=which,
                v0=start,
                tol=_TOLERANCE,
                return_eigenvectors=False,
            )
    order = np.argsort(-np.abs(values), kind="stable")
    return Spectrum(values[order], operator.num_matvecs - before)


@dataclass(frozen=True)
class Trace:
    """An estimate of a trace.

    Args:
        value: The mean over the random vectors.
        standard_error: The standard error of that mean.
        num_matvecs: How many products with the matrix it took.
    """

    value: float
    standard_error: float
    num_matvecs: int


def trace(
    operator: CurvatureOperator, num_vectors: int = 30, seed: int | None = None
) -> Trace:
    """Estimates the trace of a curvature operator, by Hutchinson's method.

    The mean of `v^T A v` over random vectors `v` of signs is the trace. Its standard
    error falls with the root of their number; a diagonal matrix has none.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> objective = diagnostics.Objective(model, x, np.zeros((4, 1)))
    >>> diagnostics.trace(diagnostics.HessianOperator(objective), num_vectors=2)
    Trace(value=6.0, standard_error=0.0, num_matvecs=2)

    Args:
        operator: A `HessianOperator` or `GaussNewtonOperator`.
        num_vectors: How many random vectors, two or more. Defaults to `30`.
        seed: A seed for the vectors, or `None` for a new one. Defaults to `None`.

    Raises:
        ValueError: If `num_vectors` is less than two, or if the loss or the products
            are not finite.

    Reference:
        Hutchinson, 1990, "A stochastic estimator of the trace of the influence matrix
        for Laplacian smoothing splines".
    """
    num_vectors = int(check_real("num_vectors", num_vectors, least=2))
    signs = _signs(num_vectors, operator.shape[0], seed)
    forms = np.array([operator.quadratic_form(sign) for sign in signs])
    error = forms.std(ddof=1) / np.sqrt(num_vectors)
    return Trace(float(forms.mean()), float(error), num_vectors)


@dataclass(frozen=True, eq=False)
class SpectralDensity:
    """Where the eigenvalues of a matrix lie.

    Args:
        nodes: Ritz values `(vectors, steps)`.
        weights: The part of all eigenvalues that each stands for; they sum to one.
        size: How many eigenvalues the matrix has.
        num_matvecs: How many products with the matrix it took.
    """

    nodes: np.ndarray
    weights: np.ndarray
    size: int
    num_matvecs: int

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
        margin = 0.05 * float(np.ptp(self.nodes)) or 1.0
        at = np.linspace(self.nodes.min() - margin, self.nodes.max() + margin, 1001)
        density = self.density(at, width)
        figure, axes = new_figure()
        axes.semilogy(at, density)
        # What is far below a single eigenvalue is nothing.
        axes.set_ylim(bottom=1e-3 * density.max() / self.size)
        axes.set(xlabel="eigenvalue", ylabel="density")
        return figure


def spectral_density(
    operator: CurvatureOperator,
    num_vectors: int = 8,
    steps: int = 40,
    seed: int | None = None,
) -> SpectralDensity:
    """Estimates the density of all eigenvalues, by stochastic Lanczos quadrature.

    From a random vector `v` of signs, the Lanczos method gives Ritz values and weights
    with the moments `v^T A^p v / v^T v` for `p < 2 steps`; their mean over `v` is that
    of the eigenvalues to the power `p`. Outlying eigenvalues are found exactly, and of
    the bulk its shape.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> objective = diagnostics.Objective(model, x, np.zeros((2, 1)))
    >>> hessian = diagnostics.HessianOperator(objective)
    >>> density = diagnostics.spectral_density(hessian, num_vectors=1)
    >>> print(density.nodes.round(4), density.weights.round(4))
    [[1. 9.]] [[0.5 0.5]]

    Args:
        operator: A `HessianOperator` or `GaussNewtonOperator`.
        num_vectors: How many random vectors. Defaults to `8`.
        steps: Products for each, fewer where there are fewer weights. Defaults to
            `40`.
        seed: A seed for the vectors, or `None` for a new one. Defaults to `None`.

    Raises:
        ValueError: If `num_vectors` or `steps` is less than one, or if the loss or the
            products are not finite.

    Reference:
        [Ghorbani et al., 2019](https://arxiv.org/abs/1901.10159), section 2.
    """
    num_vectors, steps = (
        int(check_real(name, value, least=1))
        for name, value in (("num_vectors", num_vectors), ("steps", steps))
    )
    size, before = operator.shape[0], operator.num_matvecs

    def product(vectors: np.ndarray) -> np.ndarray:
        return np.stack([operator.matvec(vector) for vector in vectors])

    nodes, weights, _ = lanczos(product, _signs(num_vectors, size, seed), steps)
    taken = operator.num_matvecs - before
    return SpectralDensity(nodes, weights / num_vectors, size, taken)


def _signs(count: int, size: int, seed: int | None) -> np.ndarray:
    return np.random.default_rng(seed).choice([-1.0, 1.0], (count, size))
