"""Skorski (2020): the Hessian norms of layers, and the learning rates they allow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import scipy.special

from experiments.engine import descent
from experiments.engine.ledger import Ledger
from keras_inits import calibration
from keras_inits.diagnostics import (
    GaussNewtonOperator,
    HessianOperator,
    Objective,
    eigenvalues,
    stable_learning_rate,
)

INITIALIZERS = (
    "glorot_normal",
    "he_normal",
    "skorski_normal",
    "jacobian_norm",
    "lee_qr",
    "orthogonal",
)
"""Those that are compared; `jacobian_norm` scales `glorot_normal` by the samples."""

RATE = 0.1
"""Learning rate of the steps that are followed, the same for all."""

DESCENT_STEPS = 30
"""Steps in which a learning rate must not let the loss climb above its start."""

SLOPES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda signal: (signal > 0).astype("float64"),
    "tanh": lambda signal: 1 - signal**2,
    "sigmoid": lambda signal: signal * (1 - signal),
}
"""Derivatives of activations, by what these return."""

_LAYERS = 5


@dataclass(frozen=True)
class Cell:
    """A network whose curvature is measured under all initializers.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        activation: Of the hidden layers.
        depth: Number of hidden layers.
        width: Units in each.
        seeds: Number of seeds.
        steps: After how many steps of gradient descent to measure, from 0 on.
        samples: Samples over which loss and curvature are taken.
    """

    dataset: str
    activation: str
    depth: int
    width: int
    seeds: int = 1
    steps: tuple[int, ...] = (0, 200)
    samples: int = 128

    @property
    def hidden(self) -> str:
        """The hidden layers, in short.

        Examples:
            >>> Cell("mnist", "relu", 50, 16).hidden
            '16x50'
        """
        return f"{self.width}x{self.depth}"

    @property
    def layers(self) -> list[int]:
        """The layers to measure: at even distances, the first and the last included.

        Examples:
            >>> Cell("mnist", "relu", 50, 16).layers
            [0, 12, 25, 38, 50]
        """
        count = min(_LAYERS, self.depth + 1)
        return np.linspace(0, self.depth, count).round().astype(int).tolist()

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.activation}, {self.hidden}"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished: one for each step."""
        return len(self.steps)

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each run: networks, and layers of networks."""
        return [
            run
            for initializer in INITIALIZERS
            for seed in range(self.seeds)
            for run in self._runs(initializer, seed)
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures what the ledger does not have yet, one network at a time.

        Args:
            missing: Descriptions of networks and layers; the network of a layer that is
                missing is measured whole.
            ledger: Where the measurements go.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Is not called: there is no `fit`.
        """
        x, y = descent.samples(self.dataset, self.samples, data_dir)
        objective = None
        for initializer, seed in dict.fromkeys(
            (run["initializer"], run["seed"]) for run in missing
        ):
            model = self._network(initializer, seed, x, y)
            if objective is None:
                # One for all, so that its products are compiled once.
                loss = descent.LOSSES["cross-entropy"]
                objective = Objective(model, x, y, loss)
            objective.model.set_weights(model.get_weights())
            runs = [ledger.begin(run) for run in self._runs(initializer, seed)]
            for epoch, (whole, layers) in enumerate(self._follow(objective, x)):
                ledger.record(runs[:1], epoch, {k: [v] for k, v in whole.items()})
                ledger.record(runs[1:], epoch, layers)

    def _runs(self, initializer: str, seed: int) -> list[dict[str, Any]]:
        network = {
            "experiment": "skorski-hessian",
            "dataset": self.dataset,
            "samples": self.samples,
            "activation": self.activation,
            "depth": self.depth,
            "width": self.width,
            "initializer": initializer,
            "seed": seed,
            "steps": list(self.steps),
        }
        return [network | {"layer": layer} for layer in [None, *self.layers]]

    def _network(
        self, initializer: str, seed: int, x: np.ndarray, y: np.ndarray
    ) -> keras.Sequential:
        keras.utils.set_random_seed(seed)
        scaled = initializer == "jacobian_norm"
        name = "glorot_normal" if scaled else initializer
        hidden = [self.width] * self.depth
        shape = x.shape[1], y.shape[1]
        model = descent.network(*shape, hidden, name, self.activation)
        if scaled:
            calibration.jacobian_norm(model, x)
        return model

    def _follow(
        self, objective: Objective, x: np.ndarray
    ) -> Iterator[tuple[dict[str, float], dict[str, list[float]]]]:
        """Descends, and yields what network and layers measure at each step asked."""
        shapes = [weight.shape for weight in objective.model.get_weights()]
        ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
        weights, done = objective.weights, 0
        for index, step in enumerate(self.steps):
            while done < step:
                weights = weights - RATE * objective.gradient(weights)[1]
                done += 1
            parts = zip(np.split(weights, ends), shapes, strict=True)
            objective.model.set_weights([part.reshape(shape) for part, shape in parts])
            whole = _whole(objective, bisect=index == 0)
            yield {"step": step, **whole}, self._by_layer(objective, x)

    def _by_layer(self, objective: Objective, x: np.ndarray) -> dict[str, list[float]]:
        loss, gradient = objective.gradient()
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            return dict.fromkeys(_OF_LAYER, [np.nan] * len(self.layers))
        operators = {"hessian": HessianOperator, "gauss_newton": GaussNewtonOperator}
        names = [objective.model.layers[layer].name for layer in self.layers]
        norms = {
            which: [
                eigenvalues(operator(objective, f"{name}/kernel")).norm
                for name in names
            ]
            for which, operator in operators.items()
        }
        bounds = layer_bounds(objective.model, self.activation, x)
        return norms | {n: v[self.layers].tolist() for n, v in bounds.items()}


def layer_bounds(
    model: keras.Sequential, activation: str, x: np.ndarray
) -> dict[str, np.ndarray]:
    """Bounds the Hessians by all kernels, as `diagnostics.jacobian_bound` does.

    That takes any network and loss. Of dense layers and cross-entropy the Jacobians
    `diag(f'(z)) W^T` are known, and so it takes a hundredth of the time.

    Args:
        model: Dense layers that end in logits.
        activation: Of the hidden layers, a key of `SLOPES`.
        x: Samples.

    Returns:
        What `JacobianBound` has, and the norm of each layer's `"jacobian"`.
    """
    signal = x.astype("float64")
    norms, slopes, lengths = [], [], []
    for layer in model.layers:
        kernel, bias = (weight.astype("float64") for weight in layer.get_weights())
        lengths.append(np.linalg.norm(signal, axis=1))
        logits = signal @ kernel + bias
        slope = np.ones_like(logits)
        if layer is not model.layers[-1]:
            signal = keras.ops.convert_to_numpy(layer.activation(logits))
            slope = SLOPES[activation](signal)
        squares = slope[:, :, None] * (kernel.T @ kernel) * slope[:, None]
        norms.append(np.sqrt(np.maximum(np.linalg.eigvalsh(squares)[:, -1], 0)))
        slopes.append(slope.max(axis=1))
    p = scipy.special.softmax(logits, axis=1)
    of_loss = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None])
    curvature = np.linalg.eigvalsh(of_loss)[:, -1]
    rows: dict[str, list[float]] = {}
    for k, norm in enumerate(norms):
        above = slopes[k] * np.prod(norms[k + 1 :], axis=0)
        product = above * np.prod(norms[:k], axis=0)
        values = {
            "bound": curvature * (above * lengths[k]) ** 2,
            "linear": curvature * (product * lengths[0]) ** 2,
            "printed": product,
            "jacobian": norm,
        }
        for name, of_samples in values.items():
            rows.setdefault(name, []).append(float(np.mean(of_samples)))
    return {name: np.array(values) for name, values in rows.items()}


_OF_LAYER = ("hessian", "gauss_newton", "bound", "linear", "printed", "jacobian")
_OF_NETWORK = ("norm", "largest", "inverse_norm", "limit", "one_step", "found")


def _whole(objective: Objective, bisect: bool) -> dict[str, float]:
    """Returns loss and curvature of a network, and its largest stable rate if asked."""
    loss, gradient = objective.gradient()
    if not (np.isfinite(loss) and np.isfinite(gradient).all()):
        return {"loss": np.nan, **dict.fromkeys(_OF_NETWORK, np.nan)}
    rate = stable_learning_rate(objective, steps=0)
    largest = [np.nan, np.nan]
    if bisect and np.isfinite(rate.limit):
        largest = [
            descent.largest_stable_rate(objective, rate.limit, steps)
            for steps in (1, DESCENT_STEPS)
        ]
    values = (rate.norm, rate.largest, rate.inverse_norm, rate.limit, *largest)
    return {"loss": loss, **dict(zip(_OF_NETWORK, values, strict=True))}


def cells(
    dataset: str,
    depths: Sequence[int],
    widths: Sequence[int],
    activations: Sequence[str] = ("relu", "tanh", "sigmoid"),
    **size: Any,
) -> list[Cell]:
    """Returns all networks of some depths and widths.

    Examples:
        >>> len(cells("mnist", (2, 10, 50), (8, 64)))
        18
    """
    return [
        Cell(dataset, activation, depth, width, **size)
        for activation in activations
        for depth in depths
        for width in widths
    ]
