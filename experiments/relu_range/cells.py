"""Networks that are trained from ranges of weights, and their curvature."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.initializers import HeNormal, RandomNormal, RandomUniform

from experiments.engine import descent
from experiments.engine.ledger import Ledger
from experiments.reporting.statistics import Rows
from keras_inits import Population
from keras_inits.diagnostics import Objective, stable_learning_rate
from keras_inits.population import ENGINE, MemberLearningRates

# A new one for each layer: it keeps the seed that it was made with.
INITIALIZERS: dict[str, Callable[[], keras.Initializer]] = {
    "U[-1, 1]": functools.partial(RandomUniform, -1.0, 1.0),
    "U[-0.5, 0.5]": functools.partial(RandomUniform, -0.5, 0.5),
    "U[0, 1]": functools.partial(RandomUniform, 0.0, 1.0),
    "N(0, 1)": functools.partial(RandomNormal, 0.0, 1.0),
    "He": HeNormal,
}
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

BATCH_SIZE = 32
CURVATURE_SAMPLES = 128
DESCENT_STEPS = 30
"""Steps in which a learning rate must not let the loss climb above its start."""


@dataclass(frozen=True)
class Cell:
    """A network that is trained from all ranges of weights at all rates.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        activation: Of the hidden layers.
        loss: A key of `experiments.engine.descent.LOSSES`.
        depth: Number of hidden layers.
        seeds: Number of seeds.
        measured: In how many of them, at most, the curvature is measured.
        samples: Training samples.
        epochs: Epochs to train.
        width: Units in each hidden layer.
    """

    dataset: str
    activation: str
    loss: str
    depth: int
    seeds: int = 20
    measured: int = 20
    samples: int | None = None
    epochs: int = 10
    width: int = 32

    @property
    def hidden(self) -> str:
        """The hidden layers, in short.

        Examples:
            >>> Cell("digits", "relu", "squared error", 3).hidden
            '32x3'
        """
        return f"{self.width}x{self.depth}"

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.activation}, {self.loss}, {self.hidden}"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each run: networks trained, and those measured."""
        return self._trained() + self._measured()

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains as one population what has to be trained, and measures the others.

        Args:
            missing: Descriptions of runs that the ledger does not have.
            ledger: Where results go.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        x, y = descent.samples(self.dataset, self.samples, data_dir)
        if to_train := [run for run in missing if "rate" in run]:
            ids = [ledger.begin(run) for run in to_train]
            ledger.record(ids, 0, self._train(to_train, x, y, progress))
        objective = None
        x, y = x[:CURVATURE_SAMPLES], y[:CURVATURE_SAMPLES]
        for run in (run for run in missing if "rate" not in run):
            model = self._network(x, y, run["initializer"], run["seed"])
            if objective is None:
                # One for all, so that its products are compiled once.
                objective = Objective(model, x, y, descent.LOSSES[self.loss])
            objective.model.set_weights(model.get_weights())
            values = _measure(objective)
            ledger.record([ledger.begin(run)], 0, {k: [v] for k, v in values.items()})

    def _trained(self) -> list[dict[str, Any]]:
        training = {"samples": self.samples or "all", "batch_size": BATCH_SIZE}
        training |= {"trained_epochs": self.epochs, "engine": ENGINE}
        return [
            self._about(initializer, seed) | training | {"rate": rate}
            for initializer, rate, seed in itertools.product(
                INITIALIZERS, RATES, range(self.seeds)
            )
        ]

    def _measured(self) -> list[dict[str, Any]]:
        samples = min(CURVATURE_SAMPLES, self.samples or CURVATURE_SAMPLES)
        measuring = {"measured_samples": samples, "descent_steps": DESCENT_STEPS}
        return [
            self._about(initializer, seed) | measuring
            for initializer, seed in itertools.product(
                INITIALIZERS, range(min(self.measured, self.seeds))
            )
        ]

    def _about(self, initializer: str, seed: int) -> dict[str, Any]:
        return {
            "experiment": "relu-range",
            "dataset": self.dataset,
            "activation": self.activation,
            "loss": self.loss,
            "depth": self.depth,
            "width": self.width,
            "initializer": initializer,
            "seed": seed,
        }

    def _train(
        self,
        runs: Sequence[Mapping[str, Any]],
        x: np.ndarray,
        y: np.ndarray,
        progress: keras.callbacks.Callback | None,
    ) -> dict[str, np.ndarray]:
        """Returns loss and accuracy on the training samples, before and after."""
        build = functools.partial(self._build, x, y)
        names = ("initializer", "seed")
        population = Population(build, [{k: run[k] for k in names} for run in runs])
        rates = MemberLearningRates([run["rate"] for run in runs])
        population.compile(
            keras.optimizers.SGD(rates),
            descent.LOSSES[self.loss],
            metrics=["categorical_accuracy"],
        )
        scores = []
        for epochs in (0, self.epochs):
            if epochs:
                keras.utils.set_random_seed(0)  # Of the order of samples.
                shown = [progress] if progress is not None else []
                population.fit(x, y, BATCH_SIZE, epochs, verbose=0, callbacks=shown)
            population.evaluate(x, y, batch_size=256, verbose=0)
            scores.append(population.member_metrics.result())
        before, after = scores
        return {
            "first_loss": np.asarray(before["loss"]),
            "last_loss": np.asarray(after["loss"]),
            "accuracy": np.asarray(after["categorical_accuracy"]),
        }

    def _build(self, x: np.ndarray, y: np.ndarray, initializer: str) -> keras.Model:
        hidden = [self.width] * self.depth
        kernels = [INITIALIZERS[initializer]() for _ in range(self.depth + 1)]
        shape = x.shape[1], y.shape[1]
        return descent.network(*shape, hidden, kernels, self.activation)

    def _network(
        self, x: np.ndarray, y: np.ndarray, initializer: str, seed: int
    ) -> keras.Model:
        """Returns what the population starts from in a seed."""
        keras.utils.set_random_seed(seed)
        return self._build(x, y, initializer)


def _measure(objective: Objective) -> dict[str, float]:
    loss, gradient = objective.gradient()
    if not (np.isfinite(loss) and np.isfinite(gradient).all()):
        return dict.fromkeys(("gradient", "limit", "found"), np.nan)
    limit = stable_learning_rate(objective, steps=0).limit
    largest = np.nan
    if np.isfinite(limit):
        largest = descent.largest_stable_rate(objective, limit, DESCENT_STEPS)
    return {
        "gradient": float(np.linalg.norm(gradient)),
        "limit": limit,
        "found": largest,
    }


def cells(dataset: str, depths: Sequence[int], **size: Any) -> list[Cell]:
    """Returns the networks of some depths, both activations and both losses.

    Examples:
        >>> len(cells("digits", range(1, 11)))
        40
    """
    return [
        Cell(dataset, activation, loss, depth, **size)
        for activation in ("relu", "sigmoid")
        for loss in descent.LOSSES
        for depth in depths
    ]


def kinds(rows: Rows) -> list[tuple[str, str]]:
    """Returns the pairs of activation and loss."""
    return list(dict.fromkeys((row["activation"], row["loss"]) for row in rows))


def key(row: Mapping[str, Any]) -> Sequence[Any]:
    """Returns what tells apart the networks as they start."""
    names = ("dataset", "activation", "loss", "depth", "initializer", "seed")
    return tuple(row[name] for name in names)
