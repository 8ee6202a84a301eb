"""Poli & Yilmaz (2024), section 2.1: a negative mean in tanh networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import sklearn.datasets

from experiments.engine import trainer
from experiments.engine.ledger import Ledger
from experiments.poli2024 import learning_rates
from experiments.poli2024.methods import start
from keras_inits import calibration
from keras_inits.population import ENGINE, MemberLearningRates, SeedBatches
from keras_inits.utils.validation import unknown

NAME = "poli-tanh"
"""Of the experiment, and of its folder and its CSV file."""

LAGRANGIAN = {
    "lagrangian_lr after glorot": "glorot",
    "lagrangian_lr after yilmaz_poli": "yilmaz_poli",
}
"""Methods whose last layer starts by `lagrangian_lr`, and how the others start."""

COMPARED = ("yilmaz_poli", "glorot", "he", "lecun", "ortho", *LAGRANGIAN)
"""Of `methods.METHODS`, and all of `LAGRANGIAN`."""

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
"""Learning rates of Adam to choose from."""

UNITS, BATCH = 32, 32
"""Of each hidden layer, and samples of a batch."""

_LIVES, _SEEN, _SENSORS, _MOST = 80, 30, 14, 125.0

Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Inputs, targets `(samples, 1)`, and the group of each sample, numbered from 0."""


def remaining_life(seed: int = 0) -> Samples:
    """Draws sensors of machines that wear out, and the cycles that are left to each.

    A documented stand-in for turbofan engines: 80 machines live for 150 to 300 cycles,
    and are seen 30 times, at equal distances. Wear grows as
    `w = (exp(3 t / life) - 1) / (e**3 - 1)`, and 14 sensors show
    `offset + slope w + 0.3 curve w**2 + 0.1 noise`, with offsets of every machine and
    slopes and curves of every sensor. The target is what is left of the life, at most
    125 cycles, as is done with engines, which do not show their wear when they are new.

    Args:
        seed: A seed.

    Returns:
        Sensors `(samples, 14)`, targets, and machines.
    """
    random = np.random.default_rng(seed)
    slopes, curves = random.normal(size=(2, _SENSORS))
    x, y = [], []
    for _ in range(_LIVES):
        life = random.integers(150, 301)
        at = np.linspace(0, life, _SEEN, endpoint=False)
        wear = np.expm1(3 * at / life)[:, None] / np.expm1(3)
        offset = 0.1 * random.normal(size=_SENSORS)
        noise = 0.1 * random.normal(size=(len(at), _SENSORS))
        x.append(offset + slopes * wear + 0.3 * curves * wear**2 + noise)
        y.append(np.minimum(life - at, _MOST)[:, None])
    return np.concatenate(x), np.concatenate(y), np.repeat(np.arange(_LIVES), _SEEN)


def diabetes() -> Samples:
    """Returns scikit-learn's table: ten features, and the progression of a disease.

    Every sample is a patient, and a group of its own.
    """
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    return x, y[:, None], np.arange(len(x))


DATA = {"diabetes": diabetes, "remaining life": remaining_life}


@dataclass(frozen=True)
class Cell:
    """Tanh networks on a table: some seeds choose learning rates, others are judged.

    All methods at all of `RATES` are trained as one population with the first seeds.
    Each method then has the rate with the lowest mean error, and is trained with other
    seeds, which are those of the report. Every seed holds out a fifth of the groups.

    Args:
        task: A key of `DATA`.
        depth: Number of hidden layers.
        epochs: Passes through the samples.
        choosing: Seeds that choose the rate.
        seeds: Seeds that are judged.
    """

    task: str
    depth: int
    epochs: int = 100
    choosing: int = 2
    seeds: int = 10
    dataset: str = ""

    def __post_init__(self) -> None:
        """Checks the task."""
        if self.task not in DATA:
            raise unknown("task", self.task, DATA)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.task}, {self.depth} layers"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    @property
    def judged_seeds(self) -> range:
        """Those that are judged, which follow those that choose."""
        return range(self.choosing, self.choosing + self.seeds)

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those that choose first."""
        judged = [
            self._description(m, s, None) for s in self.judged_seeds for m in COMPARED
        ]
        return [*self._choosing(), *judged]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what is missing: first what chooses the rates.

        Args:
            missing: Descriptions of members.
            ledger: Gets the mean squared error in training and on what is held out, of
                targets of variance 1, and `learning_rate`.
            data_dir: Not needed: tables are embedded, or drawn.
            progress: Shows how far the training is.
        """
        choosing = [run for run in missing if run["rate"] is not None]
        judged = [run for run in missing if run["rate"] is None]
        if choosing:
            self._train(choosing, [run["rate"] for run in choosing], ledger, progress)
        if judged:
            best = self.best_rates(ledger)
            of_runs = [best[run["method"]] for run in judged]
            self._train(judged, of_runs, ledger, progress)

    def best_rates(self, ledger: Ledger) -> dict[str, float]:
        """Returns of each method the rate with the lowest error."""
        rows = learning_rates.choosing(self, NAME, ledger)
        rows = rows.assign(score=-rows["val_loss"].groupby(level=0).transform("min"))
        return learning_rates.best(rows[rows["epoch"] == self.epochs - 1], "score")

    def _choosing(self) -> list[dict[str, Any]]:
        return [
            self._description(method, seed, rate)
            for seed in range(self.choosing)
            for method in COMPARED
            for rate in RATES
        ]

    def _description(
        self, method: str, seed: int, rate: float | None
    ) -> dict[str, Any]:
        chosen = {"of": list(RATES), "by_seeds": self.choosing}
        return {
            "experiment": NAME,
            "task": self.task,
            "held_out": "a fifth of the groups",
            "depth": self.depth,
            "width": UNITS,
            "batch_size": BATCH,
            "method": method,
            "rate": rate,
            "chosen": chosen if rate is None else None,
            "epochs": self.epochs,
            "seed": seed,
            "engine": ENGINE,
        }

    def _train(
        self,
        runs: Sequence[Mapping[str, Any]],
        rates: Sequence[float],
        ledger: Ledger,
        progress: keras.callbacks.Callback | None,
    ) -> None:
        *table, groups = DATA[self.task]()
        x, y = (standard(values) for values in table)

        def initialized(method: str, seed: int) -> keras.Model:
            model = build(x.shape[1], self.depth, LAGRANGIAN.get(method, method), seed)
            if method in LAGRANGIAN:
                training, _ = split(groups, seed)
                calibration.lagrangian_lr(model, x[training], y[training])
            return model

        def batches(seeds: Sequence[int]) -> tuple[SeedBatches, SeedBatches]:
            training, held_out = zip(*(split(groups, s) for s in seeds), strict=True)
            return (
                SeedBatches(x, y, seeds, training, BATCH),
                SeedBatches(x, y, seeds, held_out, len(held_out[0]), shuffle=False),
            )

        trainer.train(
            initialized,
            [{"method": run["method"], "seed": run["seed"]} for run in runs],
            runs,
            ledger,
            batches,
            optimizer=keras.optimizers.Adam(MemberLearningRates(rates)),
            loss="mean_squared_error",
            epochs=self.epochs,
            callbacks=[learning_rates.Rates(rates)],
            progress=progress,
        )


def split(groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices of samples to train on, and those of a fifth of the groups.

    Args:
        groups: The group of each sample, numbered from 0.
        seed: A seed.
    """
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    held_out = np.isin(groups, order[: len(order) // 5])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def standard(values: np.ndarray) -> np.ndarray:
    """Moves and scales columns to a mean of 0 and a variance of 1."""
    return ((values - values.mean(axis=0)) / values.std(axis=0)).astype("float32")


def build(features: int, depth: int, method: str, seed: int) -> keras.Sequential:
    """Builds a tanh network that starts by a method in all of its layers.

    Args:
        features: Number of inputs.
        depth: Number of hidden layers.
        method: A key of `METHODS`.
        seed: A seed.
    """
    hidden = [
        keras.layers.Dense(UNITS, "tanh", name=f"hidden_{number}")
        for number in range(1, depth + 1)
    ]
    model = keras.Sequential([keras.Input((features,)), *hidden, keras.layers.Dense(1)])
    start(model, method, seed)
    return model
