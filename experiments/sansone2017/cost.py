"""What the paper's own sizes cost: steps measured, memory counted, hours from both."""

import dataclasses
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Claim, Part, Table, claims_table
from experiments.sansone2017 import copy_memory, mnist, penn_treebank, recurrent

_LSTM_TIME = {"Table 5": "77.0 / 28.7 = 2.7", "Table 6": "80.0 / 32.3 = 2.5"}
_CLEARLY = 1.2
"""Times as long as which something takes clearly longer."""

Trained = mnist.Cell | copy_memory.Cell | penn_treebank.Cell


@dataclass(frozen=True)
class Cell:
    """The first steps of what a preset trains.

    Args:
        title: What it is the cost of.
        trained: A cell of that preset.
        rounds: Executions to measure, after the first, which compiles.
    """

    title: str
    trained: Trained
    rounds: int = 9

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.title}, {self.trained.name}"

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self._measured.dataset

    @property
    def _measured(self) -> Trained:
        """What is measured: steps on words that are drawn cost as much as on a text."""
        if self.trained.dataset == "ptb":
            return dataclasses.replace(self.trained, dataset="uniform")
        return self.trained

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return 1

    @property
    def networks(self) -> int:
        """Networks that are trained in all."""
        return len(self.trained.describe())

    @property
    def at_once(self) -> int:
        """Networks of a step."""
        alone = isinstance(self.trained, penn_treebank.Cell)
        return 1 if alone else self.networks

    @property
    def steps(self) -> int:
        """Steps of all trainings, one after another."""
        epochs = self.networks // self.at_once * self.trained.rows_per_run
        return epochs * self.trained.iterations_per_epoch

    @property
    def operations(self) -> float:
        """Operations of a step in products of matrices.

        Two for each weight and each sample of a batch, forwards, and twice as many
        backwards.
        """
        return 6.0 * self.at_once * _weights_times_samples(self.trained)

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of the one run."""
        return [
            {
                "experiment": "sansone-cost",
                "of": self.name,
                "rounds": self.rounds,
                "epochs": 1,
                "seed": 0,
            }
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures the first steps, and breaks off.

        Args:
            missing: The description.
            ledger: Gets `seconds_per_step`, `bytes` of weights, gradients and
                optimizer, and `cores` that it may run on.
            data_dir: Folder of prepared data.
            progress: Not shown: it takes a minute.
        """
        timer = Timer(self.rounds)
        try:
            self._measured.train(
                self._measured.describe(), Ledger(":memory:"), data_dir, timer
            )
        except Measured:
            pass
        for run in missing:
            values = {
                "seconds_per_step": [timer.seconds_per_step],
                "bytes": [float(timer.bytes)],
                "cores": [float(len(os.sched_getaffinity(0)))],
            }
            ledger.record([ledger.begin(run)], 0, values, sum(timer.seconds))


class Measured(Exception):
    """Enough has been measured."""


class Timer(keras.callbacks.Callback):
    """Times executions, each of some steps, and breaks the training off.

    Args:
        rounds: Executions to time, after the first.
    """

    def __init__(self, rounds: int) -> None:
        """Has timed nothing."""
        super().__init__()
        self.rounds = rounds
        self.seconds: list[float] = []
        self.steps: list[int] = []
        self.bytes = 0
        self._last: tuple[float, int] | None = None

    @property
    def seconds_per_step(self) -> float:
        """Median over the executions."""
        return statistics.median(
            seconds / steps
            for seconds, steps in zip(self.seconds, self.steps, strict=True)
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes how long it took since the last."""
        now = time.perf_counter()
        if self._last is None:  # That one was compiled, too.
            self.bytes = _bytes(self.model)
        else:
            self.seconds.append(now - self._last[0])
            self.steps.append(batch - self._last[1])
        self._last = now, batch
        if len(self.seconds) == self.rounds:
            raise Measured


def _advantages(cells: Sequence[Cell], frame: pd.DataFrame) -> list[Claim]:
    """Judges section 6.5: how much longer an LSTM takes than logistic networks."""
    seconds: dict[str, dict[str, float]] = {}
    seconds_of = dict(frame["seconds_per_step"])
    for cell in cells:
        if isinstance(cell.trained, penn_treebank.Cell):
            of_table = seconds.setdefault(cell.title, {})
            of_table[cell.trained.kind] = float(seconds_of[cell.name])
    return [
        (
            f"6.5: recurrent logistic networks take clearly less time than LSTM, "
            f"{title} (the paper's: LSTM takes {_LSTM_TIME[title]} times as long)",
            f"a step of LSTM takes {of['lstm'] / of['logistic']:.2f} times as long; "
            "the softmax, which both have, takes the most of either",
            of["lstm"] / of["logistic"] > _CLEARLY,
        )
        for title, of in seconds.items()
        if len(of) == 2
    ]


def _bytes(model: keras.Model) -> int:
    gradients = model.trainable_variables
    kept = [*model.variables, *model.optimizer.variables, *gradients]
    return sum(int(np.prod(v.shape)) * np.dtype(v.dtype).itemsize for v in kept)


def _weights_times_samples(cell: Trained) -> int:
    """Returns weights that are multiplied, times samples that they are multiplied by.

    Examples:
        >>> _weights_times_samples(mnist.Cell((800,), 1000)) == 50 * 800 * 794
        True
    """
    if isinstance(cell, mnist.Cell):
        features, classes = {"mnist": (784, 10), "digits": (64, 10)}[cell.dataset]
        sizes = np.array([features, *cell.hidden, classes])
        return mnist.BATCH * int(np.sum(sizes[:-1] * sizes[1:]))
    gates = 4 if cell.kind == recurrent.LSTM else 1
    units = cell.units
    if isinstance(cell, copy_memory.Cell):
        words, batch = copy_memory.CHARACTERS, copy_memory.BATCH
        steps = cell.delay + 2 * copy_memory.REMEMBERED
    else:
        words, batch, steps = 10_000, penn_treebank.BATCH, penn_treebank.STEPS
    return batch * steps * (2 * gates * units * units + units * words)


def report(results: Results, folder: Path) -> list[Part]:
    """Sets memory and hours of each table side by side.

    Args:
        results: Of `Cell`s.
        folder: Where pictures would go.
    """
    frame = results.frame.set_index("of")
    rows = []
    hours = 0.0
    measured_cells = [cell for cell in results.cells if cell.name in frame.index]
    for cell in measured_cells:
        measured = frame.loc[cell.name]
        of_all = float(measured["seconds_per_step"]) * cell.steps / 3600
        hours += of_all
        rows.append(
            [
                cell.title,
                cell.trained.name,
                f"{cell.networks}" + ("" if cell.at_once > 1 else ", one by one"),
                f"{measured['bytes'] / 2**30:.2f}",
                f"{cell.operations / 1e9:.1f}",
                f"{measured['seconds_per_step']:.3f}",
                f"{cell.steps:,}",
                f"{of_all:,.0f}",
                f"{cell.operations * cell.steps / 1e13 / 3600:,.1f}",
            ]
        )
    number = int(frame["cores"].max())
    cores = f"{number} cores" if number > 1 else "one core"
    columns = [
        "",
        "what is trained",
        "networks",
        "memory (GiB)",
        "GFLOP a step",
        "seconds a step, measured",
        "steps",
        "hours here",
        "hours at 10 TFLOP/s",
    ]
    table: list[Part] = [Table("The preset `paper`", columns, rows)]
    claims = [*_advantages(measured_cells, frame)]
    if claims:
        table.insert(0, claims_table("What the paper says in words", claims))
    return [
        *table,
        f"{hours:,.0f} hours on {cores} of this machine, if nothing else runs. Memory "
        "is that of weights, gradients and optimizer; activations of a batch come on "
        "top. Seconds "
        "are the median of the first steps after those that are compiled; hours leave "
        "validation and test out. The last column is what the products of matrices "
        "take at 10 TFLOP/s, a rate to be set against that of a card: no GPU was "
        "measured.",
    ]
