"""Lee et al. (2024): numbers of its tables by plain `fit`, beside the population's."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import scipy.stats

from experiments.engine import datasets
from experiments.engine.frame import Results, key
from experiments.engine.ledger import Ledger
from experiments.engine.ledger_callback import LedgerCallback
from experiments.lee2024.accuracies import published_value
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.reporting.report import Part, Table, mean_sd
from experiments.reporting.statistics import sign_flip_p
from keras_inits.inspection.batches import map_arrays
from keras_inits.population import SeedBatches
from keras_inits.population.batches import PER_SEED

ABOVE_CHANCE = 12.5
"""Accuracy (%) above which a network of ten classes has learnt something."""

_CHOICE_SEED = 2024
_ROUNDING = 0.05
_VALIDATION_BATCH = 1000


@dataclass(frozen=True)
class PlainFit:
    """One number of a table: a population, and each of its members alone.

    Args:
        cell: The number's row, with its method alone under one protocol.
    """

    cell: Cell

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.cell.name}, {self.cell.methods[0]}"

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.cell.dataset

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.cell.rows_per_run

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, and of each of them alone."""
        members = self.cell.describe()
        return members + [_alone(member) for member in members]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet.

        Args:
            missing: Descriptions.
            ledger: Where the curves go.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        alone = [run for run in missing if run == _alone(run)]
        together = [run for run in missing if run != _alone(run)]
        if together:
            self.cell.train(together, ledger, data_dir, progress)
        for run in alone:
            self._fit(run, ledger, data_dir, progress)

    def _fit(
        self,
        run: Mapping[str, Any],
        ledger: Ledger,
        data_dir: str | None,
        progress: keras.callbacks.Callback | None,
    ) -> None:
        """Trains one network, as whoever has Keras alone would."""
        cell, (protocol,) = self.cell, self.cell.protocols
        dataset = datasets.load(cell.dataset, data_dir)
        x = datasets.scale(dataset, protocol.scaling)
        samples, held_out = datasets.hold_out(
            dataset.y, run["seed"], protocol.held_out, cell.samples_per_class
        )
        keras.backend.clear_session()
        keras.utils.set_random_seed(run["seed"])
        model = cell.build(dataset, run["method"], protocol)
        model.compile(
            keras.optimizers.Adam(protocol.learning_rate),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        batches = SeedBatches(
            x,
            dataset.y,
            [run["seed"]],
            [samples],
            protocol.batch_size,
            drop_remainder=protocol.drop_remainder,
        )
        callbacks = [LedgerCallback(ledger, [ledger.begin(run)])]
        model.fit(
            _of_one_seed(batches, cell.epochs),
            shuffle=False,  # They are.
            steps_per_epoch=len(batches),
            validation_data=(x[held_out], dataset.y[held_out]),
            validation_batch_size=_VALIDATION_BATCH,
            validation_freq=list(cell.reported) or 1,
            epochs=cell.epochs,
            callbacks=[*callbacks, *([progress] if progress is not None else [])],
            verbose=0,
        )


def _of_one_seed(batches: SeedBatches, epochs: int) -> Iterator[Any]:
    """Yields the batches of all epochs, without the axis of seeds."""
    for epoch in range(epochs):
        batches.start_epoch(epoch)
        for step in range(len(batches)):
            inputs, targets = batches[step]
            yield map_arrays(lambda array: array[:, 0], (inputs[PER_SEED], targets))


def number(cell: Cell, method: str, seeds: int) -> PlainFit:
    """Returns one number of a row of a table, under the default protocol."""
    return PlainFit(
        replace(cell, methods=(method,), seeds=seeds, protocols=(Protocol(),))
    )


def numbers(
    cells: Sequence[Cell], count: int, seeds: int, above: float = 0.0
) -> list[PlainFit]:
    """Chooses published numbers at random, once for ever.

    Args:
        cells: The rows of a table.
        count: How many to choose.
        seeds: Number of seeds.
        above: They are printed as more than this (%).

    Examples:
        >>> from experiments.lee2024.cells import table2
        >>> for number in numbers(table2(), 2, seeds=5, above=12.5):
        ...     print(number.name)
        mnist, selu, 10-6x120, zero
        fashion_mnist, selu, 10-6x120, zero
    """
    printed = [
        PlainFit(replace(cell, methods=(method,), seeds=seeds, protocols=(Protocol(),)))
        for cell in cells
        for method in METHODS
        if (_published(cell, method) or 0.0) > above
    ]
    random = np.random.default_rng(_CHOICE_SEED)
    chosen = random.choice(len(printed), count, replace=False)
    return [printed[place] for place in sorted(chosen)]


def report(results: Results, folder: Path) -> list[Part]:
    """Sets what plain `fit` gives beside what the population does, seed by seed.

    Args:
        results: Of `PlainFit` cells.
        folder: Where pictures would go.
    """
    curves = results.curves("val_accuracy")

    def accuracy(run: Mapping[str, Any]) -> float | None:
        value = curves.get(key(run), {}).get(run["epochs"])
        return None if value is None else 100 * value

    lines, styles, agree, paired = [], [], 0, 0
    for cell in [number.cell for number in results.cells]:
        both = [(accuracy(run), accuracy(_alone(run))) for run in cell.describe()]
        pairs = np.array([pair for pair in both if None not in pair], dtype=float)
        if len(pairs) < 2:
            continue
        together, alone = pairs.T
        gaps = together - alone
        spread = math.sqrt((together.var(ddof=1) + alone.var(ddof=1)) / len(pairs))
        reach = float(scipy.stats.t.ppf(0.975, 2 * len(pairs) - 2)) * spread
        inside = abs(gaps.mean()) <= reach + _ROUNDING
        agree += inside
        paired += len(pairs)
        value = _published(cell, cell.methods[0])
        samples = cell.samples_per_class or "all"
        lines.append(
            [
                f"Table {cell.table}: {cell.name}, {samples} a class, "
                f"{cell.epochs} epochs",
                cell.methods[0],
                "" if value is None else f"{value:.1f}",
                mean_sd(together.tolist()),
                mean_sd(alone.tolist()),
                f"{np.abs(gaps).max():.2f}",
                f"{sign_flip_p(gaps):.2f}",
                "agrees" if inside else "differs",
            ]
        )
        styles.append([""] * 7 + ["inside" if inside else "outside"])
    columns = [
        "",
        "method",
        "published",
        "population ± sd",
        "plain fit ± sd",
        "largest difference of a seed",
        "p (paired)",
        "",
    ]
    return [
        f"{agree} of {len(lines)} numbers agree: the means of population and plain fit "
        "differ by no more than the seeds' spread explains (95 %, two samples), from "
        f"{paired} pairs of trainings with the same weights, samples and order. They "
        f"were chosen at random (seed {_CHOICE_SEED}) before any was trained, six of "
        f"Table 1, and six of those that Table 2 prints above {ABOVE_CHANCE} %.",
        Table("Validation accuracy (%)", columns, lines, styles),
        "Populations and plain fit do the same steps to rounding; where thousands of "
        "them amplify it, a seed ends elsewhere.",
    ]


def _alone(member: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the description of what a member is when it is trained alone."""
    return {**member, "engine": "fit"}


def _published(cell: Cell, method: str) -> float | None:
    return published_value(f"lee-table{cell.table}", cell, cell.epochs, method)
