"""Yilmaz & Poli (2022): deep logistic networks, each method at its own best rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import keras_inits
from experiments.engine import datasets, networks, trainer
from experiments.engine.ledger import Ledger
from experiments.poli2024 import learning_rates
from keras_inits.population import ENGINE, MemberLearningRates, SeedBatches

NAME = "poli-logistic"
"""Of the experiment, and of its folder and its CSV file."""

METHODS = {
    "yilmaz_poli": "yilmaz_poli",
    "glorot": "glorot_uniform",
    "he": "he_normal",
    "lecun": "lecun98_uniform",
    "ortho": "orthogonal",
    "random_ep": "random_ep",
    "ortho_ep": "ortho_ep",
    "lsuv": "lsuv",
}
"""What is compared, and what `keras_inits.initialize` calls it."""

RATES = {
    "sgd": (0.1, 0.3, 1.0, 3.0),
    "momentum": (0.01, 0.03, 0.1, 0.3),
    "adam": (0.0003, 0.001, 0.003, 0.01),
}
"""Learning rates to choose from, by optimizer; momentum is 0.9. At the lowest even what
trains is slow, and at the highest 15 layers with a negative mean stay at chance."""

_EVALUATIONS = 10
"""How often what is judged is evaluated: a curve, in few rows of the CSV."""

_HELD_OUT = 2000
_MEASURED_ON = 500


@dataclass(frozen=True)
class Cell:
    """Logistic networks of one depth: some seeds choose rates, others are judged.

    All methods at all rates are trained as one population with the first seeds. Each
    method then has the rate with the highest mean accuracy, and is trained with other
    seeds, which are those of the report. What chooses is trained as long as what is
    judged: before networks leave their plateaus, accuracies tell nothing of rates.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        depth: Number of hidden layers.
        optimizer: A key of `RATES`.
        width: Units of each hidden layer.
        samples: Most samples to train on.
        epochs: Passes through them.
        batch_size: Samples of a batch.
        choosing: Seeds that choose the rate.
        seeds: Seeds that are judged.
    """

    dataset: str
    depth: int
    optimizer: str
    width: int = 50
    samples: int = 10_000
    epochs: int = 30
    batch_size: int = 50
    choosing: int = 1
    seeds: int = 5

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.depth} layers, {self.optimizer}"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those that choose first."""
        return [*self._choosing(), *self._judged()]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what is missing: first what chooses the rates.

        Runs that chose and are not missing are in the ledger, or in the CSV of results
        beside it.

        Args:
            missing: Descriptions of members.
            ledger: Gets loss and accuracy in training, and, where it is evaluated, on
                what is held out, and `learning_rate`.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        choosing = [run for run in missing if run["rate"] is not None]
        judged = [run for run in missing if run["rate"] is None]
        if choosing:
            rates = [run["rate"] for run in choosing]
            self._train(choosing, rates, [self.epochs], ledger, data_dir, progress)
        if judged:
            best = self.best_rates(ledger)
            rates = [best[run["method"]] for run in judged]
            every = -(-self.epochs // _EVALUATIONS)
            evaluated = range(self.epochs, 0, -every)
            self._train(judged, rates, evaluated, ledger, data_dir, progress)

    def best_rates(self, ledger: Ledger) -> dict[str, float]:
        """Returns of each method the rate with the highest accuracy in the end."""
        rows = learning_rates.choosing(self, NAME, ledger)
        return learning_rates.best(
            rows[rows["epoch"] == self.epochs - 1], "val_accuracy"
        )

    def _choosing(self) -> list[dict[str, Any]]:
        return [
            self._description(method, seed, rate)
            for seed in range(self.choosing)
            for method in METHODS
            for rate in RATES[self.optimizer]
        ]

    def _judged(self) -> list[dict[str, Any]]:
        seeds = range(self.choosing, self.choosing + self.seeds)
        return [self._description(m, seed, None) for seed in seeds for m in METHODS]

    def _description(
        self, method: str, seed: int, rate: float | None
    ) -> dict[str, Any]:
        chosen = {"of": list(RATES[self.optimizer]), "by_seeds": self.choosing}
        return {
            "experiment": NAME,
            "dataset": self.dataset,
            "samples": self.samples,
            "depth": self.depth,
            "width": self.width,
            "optimizer": self.optimizer,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "method": method,
            "rate": rate,
            "chosen": chosen if rate is None else None,
            "seed": seed,
            "engine": ENGINE,
        }

    def _train(
        self,
        runs: Sequence[Mapping[str, Any]],
        rates: Sequence[float],
        evaluated: Sequence[int],
        ledger: Ledger,
        data_dir: str | None,
        progress: keras.callbacks.Callback | None,
    ) -> None:
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, "unit")

        def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
            training, held_out = datasets.hold_out(data.y, seed)
            return training[: self.samples], held_out[:_HELD_OUT]

        def build(method: str, seed: int) -> keras.Model:
            hidden = (self.width,) * self.depth
            model = networks.feedforward(
                x.shape[1], data.num_classes, hidden, "glorot_uniform", "sigmoid"
            )
            start(model, method, x[split(seed)[0][:_MEASURED_ON]], seed)
            return model

        def batches(seeds: Sequence[int]) -> tuple[SeedBatches, SeedBatches]:
            training, held_out = zip(*map(split, seeds), strict=True)
            return (
                SeedBatches(x, data.y, seeds, training, self.batch_size),
                SeedBatches(x, data.y, seeds, held_out, _HELD_OUT, shuffle=False),
            )

        schedule = MemberLearningRates(rates)
        trainer.train(
            build,
            [{"method": run["method"], "seed": run["seed"]} for run in runs],
            runs,
            ledger,
            batches,
            optimizer={
                "sgd": lambda: keras.optimizers.SGD(schedule),
                "momentum": lambda: keras.optimizers.SGD(schedule, momentum=0.9),
                "adam": lambda: keras.optimizers.Adam(schedule),
            }[self.optimizer](),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            epochs=self.epochs,
            validation_freq=list(evaluated),
            callbacks=[learning_rates.Rates(rates)],
            progress=progress,
        )


def start(model: keras.Model, method: str, x: np.ndarray, seed: int) -> None:
    """Sets a logistic network as its method has it; its softmax stays Glorot's.

    Args:
        model: From `networks.feedforward`, with Glorot's weights; set in place.
        method: A key of `METHODS`.
        x: Samples to measure on.
        seed: A seed.

    Raises:
        ValueError: If a layer was missed by a calibration.
    """
    keras_inits.initialize(model, "glorot_uniform", seed=seed)
    last = model.layers[-1].get_weights()
    hidden = keras.Sequential([keras.Input(model.input_shape[1:]), *model.layers[:-1]])
    report = keras_inits.initialize(hidden, METHODS[method], x, seed=seed)
    if report.missed:
        raise ValueError(f"{method} must reach every layer. Received: {report}")
    model.layers[-1].set_weights(last)
