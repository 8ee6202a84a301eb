"""Sansone & De Natale (2017): MNIST with logistic networks (sections 6.2 and 6.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import datasets, trainer
from experiments.engine.ledger import Ledger
from experiments.sansone2017.augmentation import DistortedBatches
from experiments.sansone2017.methods import (
    METHODS,
    check_methods,
    initialize,
    network,
)
from keras_inits import DeadUnitMonitor, Population
from keras_inits.population import ENGINE, SeedBatches

BATCH = 50
_MEASURED_ON = 1000
"""Training samples on which a method measures what it needs, and validation samples on
which layers are watched where that is not in training."""

_VALIDATION_BATCH = 1000


@dataclass(frozen=True)
class Cell:
    """All methods on digits: one architecture, trained as one population.

    Args:
        hidden: Units of each hidden layer.
        iterations: Steps of 50 samples, as many whole epochs as they make.
        dropout: Part of the outputs of each hidden layer that is dropped.
        distorted: Whether digits are distorted anew in every epoch.
        watched: Whether mean and standard deviation of each layer's outputs are kept.
        methods: Those to compare.
        seeds: Number of seeds, each with weights and an order of its own.
        dataset: Name for `experiments.engine.datasets.load`.
    """

    hidden: tuple[int, ...]
    iterations: int
    dropout: float = 0.0
    distorted: bool = False
    watched: bool = False
    methods: tuple[str, ...] = METHODS
    seeds: int = 4
    dataset: str = "mnist"

    def __post_init__(self) -> None:
        """Checks the methods."""
        check_methods(self.methods)

    @property
    def shape(self) -> str:
        """The hidden layers, in short."""
        return "-".join(map(str, self.hidden))

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        dropped = f", dropout {self.dropout:g}" if self.dropout else ""
        distorted = ", distorted" if self.distorted else ""
        return (
            f"{self.dataset}, {self.shape}{dropped}{distorted}, "
            f"{self.iterations} iterations"
        )

    @property
    def samples(self) -> int:
        """Number of samples to train on: five sixths of the train part."""
        whole = {"mnist": 60_000, "digits": 1498}[self.dataset]
        return whole - whole // 6

    @property
    def iterations_per_epoch(self) -> int:
        """Steps of an epoch."""
        return self.samples // BATCH

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return max(1, self.iterations // self.iterations_per_epoch)

    def description(self, method: str, seed: int) -> dict[str, Any]:
        """Returns the description of one member, by which the ledger knows it."""
        return {
            "experiment": "sansone-mnist",
            "dataset": self.dataset,
            "hidden": self.shape,
            "dropout": self.dropout,
            "distorted": self.distorted,
            "watched": self.watched,
            "method": method,
            "epochs": self.rows_per_run,
            "seed": seed,
            "engine": ENGINE,
        }

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those of a seed side by side."""
        return [
            self.description(method, seed)
            for seed in range(self.seeds)
            for method in self.methods
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet, as one population.

        Args:
            missing: Descriptions of members.
            ledger: Gets loss and accuracy in training, validation and test, and with
                `watched` `mean_1`, `sd_1` and so on, of each layer's outputs, as
                `LayerStatistics` has them.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        parts = {
            part: datasets.load(self.dataset, data_dir, part)
            for part in ("train", "test")
        }
        scaled = {part: datasets.scale(data, "unit") for part, data in parts.items()}
        # Section 6.2: mean-centred, by the mean of what it is trained on.
        order = np.random.default_rng(0).permutation(len(scaled["train"]))
        train, validation = order[: self.samples], order[self.samples :]
        mean = scaled["train"][train].mean(axis=0)
        x, x_test = (scaled[part] - mean for part in ("train", "test"))
        y, y_test = (parts[part].y for part in ("train", "test"))
        measured_on = x[train[:_MEASURED_ON]]

        def build(method: str, seed: int) -> keras.Model:
            model = network(
                x.shape[1],
                self.hidden,
                parts["train"].num_classes,
                "softmax",
                self.dropout,
            )
            initialize(model, method, measured_on, seed)
            return model

        def batches(seeds: Sequence[int]) -> tuple[Any, Any]:
            samples = np.tile(train, (len(seeds), 1))
            trained: SeedBatches
            if self.distorted:
                digits = scaled["train"]
                trained = DistortedBatches(digits, y, seeds, samples, BATCH, mean)
            else:
                trained = SeedBatches(x, y, seeds, samples, BATCH, drop_remainder=True)
            return trained, (x[validation], y[validation])

        callbacks: list[keras.callbacks.Callback] = [Testing(x_test, y_test)]
        if self.watched:
            callbacks.append(LayerStatistics(x[validation[:_MEASURED_ON]]))
        trainer.train(
            build,
            [{"method": run["method"], "seed": run["seed"]} for run in missing],
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.SGD(0.001, momentum=0.9),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            epochs=self.rows_per_run,
            callbacks=callbacks,
            progress=progress,
        )


class Testing(keras.callbacks.Callback):
    """Logs of every member of a population how it does on test data.

    Args:
        x: Samples.
        y: Their classes.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Keeps the data."""
        super().__init__()
        self._data = x, y

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `test_loss` and `test_accuracy`."""
        self.model.evaluate(*self._data, batch_size=_VALIDATION_BATCH, verbose=0)
        scores = self.model.member_metrics.result()
        _log(
            self.model,
            {f"test_{name}": values for name, values in scores.items()},
            logs,
        )


class LayerStatistics(DeadUnitMonitor):
    """Logs mean and standard deviation of each layer's outputs in training.

    They are of the steps of an epoch, which TensorFlow alone shows. On other backends
    they are of some samples, after each epoch.

    Args:
        x: The samples.
    """

    def __init__(self, x: np.ndarray) -> None:
        """Watches all layers, and says nothing."""
        in_graph = keras.backend.backend() == "tensorflow"
        super().__init__(None if in_graph else x, on_collapse=None)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `mean_1`, `sd_1` and so on."""
        super().on_epoch_end(epoch, logs)
        values: dict[str, Any] = {}
        for number, layer in enumerate(self.activity, 1):
            values |= {f"mean_{number}": layer.mean, f"sd_{number}": layer.sd}
        _log(self.model, values, logs)


def _log(
    population: Population, values: Mapping[str, Any], logs: dict[str, Any] | None
) -> None:
    for name, of_members in values.items():
        array = keras.ops.convert_to_numpy(of_members)
        population.log_members(name, array)
        if logs is not None:
            logs[name] = float(array.mean())
