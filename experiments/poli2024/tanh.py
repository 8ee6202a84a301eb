"""Poli & Yilmaz (2024), section 2.1: a negative mean in tanh networks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import sklearn.datasets
from matplotlib.figure import Figure

from experiments.engine import trainer
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.poli2024.methods import METHODS, start
from experiments.reporting import verdicts
from experiments.reporting.guide import Network
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from keras_inits import suitability
from keras_inits.population import ENGINE, SeedBatches
from keras_inits.utils.validation import unknown

COMPARED = ("yilmaz_poli", "glorot", "he", "lecun", "ortho")
"""Of `METHODS`."""

UNITS, BATCH = 32, 32
"""Of each hidden layer, and samples of a batch."""

NEAR, AS_FAST = 1.05, 1.2
"""Factors within which an error is as low as another, and a training as fast."""

_LIVES, _SENSORS, _MOST = 80, 14, 125.0


def remaining_life(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draws sensors of machines that wear out, and the cycles that are left to each.

    A documented stand-in for turbofan engines: 80 machines live for 150 to 300 cycles,
    and are seen at every fifth. Wear grows as `w = (exp(3 t / life) - 1) / (e**3 - 1)`,
    and 14 sensors show `offset + slope w + 0.3 curve w**2 + 0.1 noise`, with offsets of
    every machine and slopes and curves of every sensor. The target is what is left of
    the life, at most 125 cycles, as is done with engines, which do not show their wear
    when they are new.

    Args:
        seed: A seed.

    Returns:
        Sensors `(samples, 14)` and targets `(samples, 1)`.
    """
    random = np.random.default_rng(seed)
    slopes, curves = random.normal(size=(2, _SENSORS))
    x, y = [], []
    for _ in range(_LIVES):
        life = random.integers(150, 301)
        at = np.arange(0, life, 5)
        wear = np.expm1(3 * at / life)[:, None] / np.expm1(3)
        offset = 0.1 * random.normal(size=_SENSORS)
        noise = 0.1 * random.normal(size=(len(at), _SENSORS))
        x.append(offset + slopes * wear + 0.3 * curves * wear**2 + noise)
        y.append(np.minimum(life - at, _MOST)[:, None])
    return np.concatenate(x), np.concatenate(y)


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's table: ten features, and the progression of a disease."""
    x, y = sklearn.datasets.load_diabetes(return_X_y=True)
    return x, y[:, None]


DATA = {"diabetes": diabetes, "remaining life": remaining_life}


@dataclass(frozen=True)
class Cell:
    """Tanh networks of one depth on a table, those of all methods as one population.

    Args:
        task: A key of `DATA`.
        depth: Number of hidden layers.
        epochs: Passes through the samples.
        seeds: Number of seeds, each with a fifth of the samples held out.
    """

    task: str
    depth: int
    epochs: int = 100
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

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those of a seed side by side."""
        return [
            {
                "experiment": "poli-tanh",
                "task": self.task,
                "depth": self.depth,
                "width": UNITS,
                "batch_size": BATCH,
                "method": method,
                "epochs": self.epochs,
                "seed": seed,
                "engine": ENGINE,
            }
            for seed in range(self.seeds)
            for method in COMPARED
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
            ledger: Gets the mean squared error in training and on what is held out, of
                targets of variance 1.
            data_dir: Not needed: tables are embedded, or drawn.
            progress: Shows how far the training is.
        """
        x, y = (standard(values) for values in DATA[self.task]())

        def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
            order = np.random.default_rng(seed).permutation(len(x))
            return order[len(x) // 5 :], order[: len(x) // 5]

        def batches(seeds: Sequence[int]) -> tuple[SeedBatches, SeedBatches]:
            training, held_out = zip(*map(split, seeds), strict=True)
            return (
                SeedBatches(x, y, seeds, training, BATCH),
                SeedBatches(x, y, seeds, held_out, len(x) // 5, shuffle=False),
            )

        trainer.train(
            lambda method, seed: build(x.shape[1], self.depth, method, seed),
            [{"method": run["method"], "seed": run["seed"]} for run in missing],
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.Adam(0.001),
            loss="mean_squared_error",
            epochs=self.epochs,
            progress=progress,
        )


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


def report(results: Results, folder: Path) -> list[Part]:
    """Errors and epochs by method, and whether a negative mean helps or harms.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    frame = results.frame
    rows, claims = [], list[Claim]()
    for cell in results.cells:
        chosen = (frame["task"] == cell.task) & (frame["depth"] == cell.depth)
        done = verdicts.finished(frame[chosen], cell.rows_per_run)
        if not len(done):
            continue
        lowest = done.groupby(["method", "seed"])["val_loss"].min().unstack()
        soon = _epochs(done, lowest)
        for method in [m for m in COMPARED if m in lowest.index]:
            rows.append(
                [
                    f"{cell.name}: {method}",
                    mean_sd(verdicts.of_seeds(lowest, method), digits=3),
                    f"{np.median(soon.loc[method]):.0f}"
                    if method in soon.index
                    else "",
                ]
            )
        if verdicts.have_all(done, ["yilmaz_poli", "glorot"], cell.seeds):
            claims += _claims(cell, lowest, soon)
    columns = [
        "",
        "squared error, held out, lowest",
        f"epochs to within {NEAR - 1:.0%} of Glorot's lowest (median)",
    ]
    parts: list[Part] = [Table("Tanh networks, regression", columns, rows)]
    if claims:
        parts.insert(0, claims_table("What the letter says", claims))
    parts.append(_picture(results, folder / "curves.png"))
    model = build(10, 2, "glorot", 0)
    misfits = suitability.misfits(model, "yilmaz_poli")
    parts.append(
        f"Hidden layers of {UNITS} tanh units, one output; Adam at 0.001, batches of "
        f"{BATCH}, a fifth of the samples held out, inputs and targets of variance 1. "
        "The series of remaining life is drawn: 80 machines that wear out, 14 sensors. "
        "What is not reached counts as the last epoch. Intervals are Student's, 90 %, "
        f"of ratios to Glorot by seed. `initialize` warns beforehand: {misfits[0]}"
    )
    return parts


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    scores: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    epochs = max((cell.epochs for cell in results.cells), default=0)
    for row in verdicts.finished(results.frame, epochs).to_dict("records"):
        of_task = scores.setdefault((row["task"], row["depth"]), {})
        by_seed = of_task.setdefault(METHODS[row["method"]], {})
        loss, seed = row["val_loss"], row["seed"]
        by_seed[seed] = min(loss, by_seed.get(seed, loss))
    return [
        Network(
            "tanh",
            f"{cell.depth} x {UNITS} units",
            f"{cell.task}, standardised, a regression",
            scores.get((cell.task, cell.depth), {}),
            "squared error",
            lower=True,
            digits=3,
        )
        for cell in results.cells
    ]


def _epochs(done: pd.DataFrame, lowest: pd.DataFrame) -> pd.DataFrame:
    """Returns after how many epochs a run is near the lowest error of Glorot's."""
    if "glorot" not in lowest.index:
        return pd.DataFrame()
    of_seed = lowest.loc["glorot"].to_dict()
    aim = done["seed"].map(of_seed) * NEAR
    there = done["epoch"].where(done["val_loss"] <= aim, done["epoch"].max()) + 1
    return there.groupby([done["method"], done["seed"]]).min().unstack()


def _claims(cell: Cell, lowest: pd.DataFrame, soon: pd.DataFrame) -> list[Claim]:
    def ratio(values: pd.DataFrame) -> np.ndarray:
        both = values.loc["yilmaz_poli"] / values.loc["glorot"]
        return np.log(both.to_numpy(dtype=float))

    def shown(logs: np.ndarray) -> str:
        low, high = np.exp(verdicts.ends(logs))
        return f"{math.exp(logs.mean()):.2f} times ({low:.2f} to {high:.2f})"

    epochs, errors = ratio(soon), ratio(lowest)
    return [
        (
            f"2.1: no speed up, {cell.name} (epochs, by those of Glorot; not fewer by "
            f"more than a factor of {AS_FAST:g})",
            shown(epochs),
            verdicts.within(epochs, -math.log(AS_FAST), math.inf),
        ),
        (
            f"2.1: no harm, {cell.name} (lowest error, by that of Glorot; not higher "
            f"by more than {NEAR - 1:.0%})",
            shown(errors),
            verdicts.within(errors, -math.inf, math.log(NEAR)),
        ),
    ]


def _picture(results: Results, path: Path) -> Path:
    """Draws the errors on what is held out over epochs, by method and network."""
    cells, frame = results.cells, results.frame
    figure = Figure(figsize=(3.3 * len(cells) + 1.4, 3.2), layout="constrained")
    panels = figure.subplots(1, len(cells), squeeze=False)[0]
    for axes, cell in zip(panels, cells, strict=True):
        chosen = (frame["task"] == cell.task) & (frame["depth"] == cell.depth)
        for index, method in enumerate(COMPARED):
            of_method = frame[chosen & (frame["method"] == method)]
            if len(of_method):
                median = of_method.groupby("epoch")["val_loss"].median()
                axes.plot(median.index + 1, median, color=f"C{index}", label=method)
        axes.set_yscale("log")
        axes.set_title(cell.name, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
    panels[0].set_ylabel("squared error, held out\nmedian over seeds")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path)
    return path
