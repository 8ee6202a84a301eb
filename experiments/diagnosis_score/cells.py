"""Networks that `diagnose` predicts, and that are then trained."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import datasets, networks
from experiments.engine.ledger import Ledger
from keras_inits import Population, diagnose
from keras_inits.diagnostics import Objective
from keras_inits.population import ENGINE, MemberLearningRates

STEPS, BATCH, SAMPLES = 224, 32, 512  # Four epochs of the digits.
RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OPTIMIZERS = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}

DIAGNOSIS = 1
"""Revision of what `diagnose` predicts; another makes other runs."""

INITIALIZERS: dict[str, Any] = {
    **{
        name: name
        for name in (
            "he_normal",
            "glorot_uniform",
            "lecun_normal",
            "orthogonal",
            "lee_qr",
            "zer_o",
            "yilmaz_poli",
            "random_ep",
            "random_normal",
        )
    },
    # Configs: of one object, layers of one shape would get the same weights.
    "N(0, 1)": {"class_name": "RandomNormal", "config": {"stddev": 1.0}},
    "U(-1, 1)": {
        "class_name": "RandomUniform",
        "config": {"minval": -1.0, "maxval": 1.0},
    },
}

# The thresholds of `diagnose` were chosen on the first half.
ARCHITECTURES: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "fitted": [
        ("relu", (64, 64)),
        ("relu", (32,) * 20),
        ("relu", networks.alternating(60)),
        ("tanh", (24, 24)),
        ("tanh", networks.alternating(30)),
        ("sigmoid", (32,) * 4),
        ("selu", (32,) * 3),
    ],
    "held out": [
        ("relu", (24,)),
        ("relu", (48,) * 8),
        ("relu", networks.alternating(40)),
        ("tanh", (32,) * 6),
        ("tanh", networks.alternating(16)),
        ("sigmoid", (40,) * 2),
        ("selu", (24,) * 12),
    ],
}


@dataclass(frozen=True)
class Cell:
    """A network on the digits, under all initializers, optimizers and rates.

    Args:
        half: A key of `ARCHITECTURES`.
        activation: Of the hidden layers.
        widths: Of the hidden layers.
    """

    half: str
    activation: str
    widths: tuple[int, ...]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return "digits"

    @property
    def hidden(self) -> str:
        """The hidden layers, in short.

        Examples:
            >>> Cell("fitted", "relu", (10, 6, 10)).hidden
            '3 of 10-6'
        """
        return f"{len(self.widths)} of {'-'.join(map(str, dict.fromkeys(self.widths)))}"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        return [
            {
                "experiment": "diagnose-score",
                "dataset": self.dataset,
                "half": self.half,
                "activation": self.activation,
                "hidden": self.hidden,
                "initializer": initializer,
                "optimizer": optimizer,
                "learning_rate": rate,
                "steps": STEPS,
                "batch_size": BATCH,
                "engine": ENGINE,
                "diagnosis": DIAGNOSIS,
            }
            for optimizer in OPTIMIZERS
            for initializer in INITIALIZERS
            for rate in RATES
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Predicts which networks will train, and trains them.

        Args:
            missing: Descriptions of networks that the ledger does not have.
            ledger: Gets `will_train`, and `accuracy` on the training samples.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        data = datasets.load(self.dataset, data_dir)
        x, y = datasets.scale(data, "unit"), data.y
        initializers = dict.fromkeys(run["initializer"] for run in missing)
        will_train = _predict(initializers, functools.cache(self._build), x, y)
        for optimizer in OPTIMIZERS:
            runs = [run for run in missing if run["optimizer"] == optimizer]
            if not runs:
                continue
            names = ("initializer", "learning_rate")
            population = Population(
                lambda initializer, learning_rate: self._build(initializer),
                [{name: run[name] for name in names} for run in runs],
            )
            rates = MemberLearningRates([run["learning_rate"] for run in runs])
            population.compile(
                OPTIMIZERS[optimizer](rates),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            keras.utils.set_random_seed(1)
            shown = [progress] if progress is not None else []
            epochs = round(STEPS * BATCH / len(x))
            population.fit(x, y, BATCH, epochs, verbose=0, callbacks=shown)
            population.evaluate(x, y, batch_size=len(x), verbose=0)
            values: dict[str, Any] = {
                "will_train": [
                    will_train[run["initializer"], optimizer, run["learning_rate"]]
                    for run in runs
                ],
                "accuracy": np.asarray(population.member_metrics.result()["accuracy"]),
            }
            ledger.record([ledger.begin(run) for run in runs], 0, values)

    def _build(self, initializer: str) -> keras.Model:
        keras.utils.set_random_seed(0)
        return networks.feedforward(
            64, 10, self.widths, INITIALIZERS[initializer], self.activation
        )


def _predict(
    initializers: Iterable[str],
    network: Callable[[str], keras.Model],
    x: np.ndarray,
    y: np.ndarray,
) -> dict[tuple[str, str, float], bool]:
    """Returns what `diagnose` predicts for each initializer, optimizer and rate."""
    weights = {name: network(name).get_weights() for name in initializers}
    model = network(next(iter(weights)))
    chosen = np.linspace(0, len(x) - 1, SAMPLES).astype(int)
    # One for all, so that its products are compiled once.
    loss = "sparse_categorical_crossentropy"
    objective = Objective(model, x[chosen], y[chosen], loss)
    will_train = {}
    for name, values in weights.items():
        model.set_weights(values)
        diagnosis = diagnose(objective, steps=STEPS, advice=False)
        for optimizer, make in OPTIMIZERS.items():
            for rate in RATES:
                prediction = diagnosis.at(rate, make()).will_train
                will_train[name, optimizer, rate] = prediction
    return will_train


def cells(
    architectures: Mapping[str, Sequence[tuple[str, tuple[int, ...]]]] = ARCHITECTURES,
) -> list[Cell]:
    """Returns a cell for each network.

    Examples:
        >>> len(cells())
        14

    Args:
        architectures: Activation and widths by half.
    """
    return [
        Cell(half, activation, widths)
        for half, networks_of_half in architectures.items()
        for activation, widths in networks_of_half
    ]
