"""Eigenvalues of the Hessian of the loss: leading ones, their sum and density."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.diagnostics.curvature.objective import Objective, as_objective
from keras_inits.diagnostics.curvature.operators import Block, Spectrum, leading
from keras_inits.utils.lanczos import lanczos
from keras_inits.utils.validation import check_real


def hessian(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    layer: str | keras.Layer | None = None,
    k: int = 1,
    which: str = "LM",
    batch_size: int = 1024,
) -> Spectrum:
    """Finds leading eigenvalues of the Hessian of the loss, by products only.

    `H_w` is the second derivative of the loss by all trainable weights, or by those of
    a layer, penalties on weights included. Its product with a vector is exact, and the
    Lanczos method finds the eigenvalues from some tens of products. By default those
    of the largest magnitude are found, of which the first is the spectral norm.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, use_bias=False, name="dense")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")  # Its Hessian is 2 X^T X / samples.
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> print(diagnostics.hessian(model, x, np.zeros((2, 1)), k=2).eigenvalues)
    [9. 1.]

    Args:
        model: A built model, or an `Objective`, which then has the data and loss.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`. Defaults to `None`: all trainable weights.
        k: How many eigenvalues. Defaults to `1`.
        which: Which ones, as in `scipy.sparse.linalg.eigsh`: `"LM"` of largest
            magnitude, `"LA"` largest, `"SA"` smallest, `"BE"` half from each end, of
            an odd `k` one more of the largest. Defaults to `"LM"`.
        batch_size: Samples that are evaluated at a time; results are those of all
            samples. Defaults to `1024`.

    Raises:
        ValueError: If the model is not built, has no trainable weights or no loss, or
            cannot take the data; if the layer is unknown or `k` too large; or if the
            loss or the products are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), section 1.2.
    """
    objective = as_objective(model, x, y, loss, batch_size)
    block = Block(objective.hessian_product, objective.places(layer), objective.weights)
    return leading(block, k, which)


def gauss_newton(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    layer: str | keras.Layer | None = None,
    loss: Any = None,
    k: int = 1,
    batch_size: int = 1024,
    logits: bool = True,
) -> Spectrum:
    """Finds leading eigenvalues of the Gauss-Newton matrix of the loss.

    It is the right-hand side of Skorski's theorem 1, `v^T H_z v` with `v = B A g F`:
    the change `v` of `z` that a change `g` of the weights makes, weighed by the
    Hessian `H_z` of the loss by `z`, and averaged over samples. What it leaves out of
    the Hessian by the weights is the curvature of `z` itself. By the weights of one
    layer there is none where all activations between them and `z` are piecewise
    linear, as ReLU is: the two are then equal. Penalties on weights are left out.

    The paper has `z`, the output of the network, come from an elementwise activation.
    Softmax is not one, and has a curvature, so that `z` is by default taken before the
    last activation, which is then a part of the loss.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> relu = keras.layers.Dense(8, "relu", name="relu")
    >>> model = keras.Sequential([keras.Input((3,)), relu, keras.layers.Dense(2)])
    >>> model.compile(loss="mse")
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(2, 20, 3))
    >>> objective = diagnostics.Objective(model, x, y[:, :2])
    >>> gauss_newton = diagnostics.gauss_newton(objective, layer="relu")
    >>> hessian = diagnostics.hessian(objective, layer="relu")
    >>> bool(np.allclose(gauss_newton.eigenvalues, hessian.eigenvalues, rtol=1e-4))
    True

    Args:
        model: A built model with one output, or an `Objective`, which then has the
            data, loss and `logits`.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`, which is the paper's `w`. Defaults to `None`: all
            trainable weights.
        loss: A loss in place of the compiled one. Defaults to `None`.
        k: How many eigenvalues, of the largest magnitude. Defaults to `1`.
        batch_size: Samples that are evaluated at a time. Defaults to `1024`.
        logits: Whether `z` is taken before the last activation. Defaults to `True`.

    Raises:
        ValueError: As `hessian` does, or if the model has several outputs.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorem 1, equation 4, and
        remark 1.
    """
    objective = as_objective(model, x, y, loss, batch_size, logits)
    block = Block(
        objective.gauss_newton_product, objective.places(layer), objective.weights
    )
    return leading(block, k)


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
    >>> from keras_inits import diagnostics
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> diagnostics.trace(model, x, np.zeros((4, 1)), probes=2)
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
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> spectrum = diagnostics.spectral_density(model, x, np.zeros((2, 1)), probes=1)
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
