"""KerasTuner over what the paper leaves open: the protocol nearest to its numbers."""

import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from experiments.engine.frame import Results, key
from experiments.lee2024 import protocol_report
from experiments.lee2024.accuracies import accuracies
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import Protocol
from experiments.lee2024.protocol_comparison import (
    Comparison,
    by_hidden,
    cells,
    halves,
)
from experiments.reporting.report import Part

SPACE: dict[str, tuple[Any, ...]] = {
    "scaling": ("raw", "unit", "standard"),
    "output": ("same", "glorot_uniform", "same_if_only"),
    "draws": ("independent", "one"),
    "signs": ("householder", "gram_schmidt"),
    "xavier": ("glorot_uniform", "glorot_normal"),
    "he": ("he_normal", "he_uniform"),
    "zero_scale": ("paper", "notebook"),
    "zero_transpose": (True, False),
    "gsm": ("positions", "middle", "he_submatrix"),
}
"""The fields that are searched.

Whether the last batch of an epoch is dropped is not among them: it changes one step of
595 where all samples train, and with a few samples there is no other batch.
"""

FORMER = Protocol(
    scaling="unit",
    output="same",
    draws="independent",
    signs="householder",
    xavier="glorot_normal",
    he="he_normal",
    zero_scale="paper",
    zero_transpose=False,
    gsm="positions",
)
"""The default until the search was over both tables, shown beside the chosen one."""

_RESAMPLES = 2000


class ProtocolTuner(keras_tuner.Tuner):
    """Finds the protocol whose results are nearest to published numbers.

    Args:
        comparison: With the numbers to choose on.
        oracle: What proposes protocols.
        **kwargs: Those of `keras_tuner.Tuner`.
    """

    def __init__(self, comparison: Comparison, oracle: Any, **kwargs: Any) -> None:
        """Declares the space."""
        self.comparison = comparison
        super().__init__(oracle, _protocol, **kwargs)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Returns the distance of a protocol."""
        return {"distance": self.comparison.distance(_protocol(trial.hyperparameters))}


def choose(comparison: Comparison) -> list[Protocol]:
    """Returns all protocols of the space, the nearest first.

    Args:
        comparison: With the numbers to choose on, and no others.
    """
    # A trial takes no time: none is worth keeping.
    with tempfile.TemporaryDirectory() as folder:
        tuner = ProtocolTuner(
            comparison,
            keras_tuner.oracles.GridSearchOracle(
                keras_tuner.Objective("distance", "min"), max_trials=None
            ),
            directory=folder,
        )
        tuner.search(verbose=0)
    trials = sorted(
        tuner.oracle.trials.values(), key=lambda trial: (trial.score, trial.trial_id)
    )
    return [_protocol(trial.hyperparameters) for trial in trials]


def shares(
    comparison: Comparison, protocols: Sequence[Protocol]
) -> dict[tuple[str, Any], float]:
    """Returns how often each value of each field is that of the nearest protocol.

    Cells are drawn anew with replacement, as many of each kind of hidden layers as
    there are; the share is that of such resamples. Where several protocols are equally
    near, each counts in part.
    """
    random = np.random.default_rng(0)
    distances = np.stack([comparison.distances(protocol) for protocol in protocols])
    of_cell = np.array([comparison.cells.index(n.cell) for n in comparison.numbers])
    groups = [
        [comparison.cells.index(cell) for cell in group]
        for group in by_hidden(comparison.cells)
    ]
    counts = np.zeros(len(protocols))
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([random.choice(group, len(group)) for group in groups])
        weights = np.bincount(drawn, minlength=len(comparison.cells))[of_cell]
        scores = distances @ weights / weights.sum()
        nearest = scores <= scores.min() + 1e-9
        counts += nearest / nearest.sum()
    counts /= _RESAMPLES
    return {
        (name, value): sum(
            float(count)
            for count, protocol in zip(counts, protocols, strict=True)
            if getattr(protocol, name) == value
        )
        for name, values in SPACE.items()
        for value in values
    }


def search_cells(seeds: int = 5) -> list[Cell]:
    """Returns what to train: of a network and a scale of inputs, all protocols.

    Args:
        seeds: Number of seeds.
    """
    initial = [name for name in SPACE if name != "scaling"]
    return [
        replace(cell, seeds=seeds, protocols=protocols)
        for scaling in SPACE["scaling"]
        for protocols in [
            tuple(
                Protocol(scaling=scaling, **dict(zip(initial, values, strict=True)))
                for values in itertools.product(*(SPACE[name] for name in initial))
            )
        ]
        for cell in cells()
    ]


def report(results: Results, folder: Path) -> list[Part]:
    """Chooses on one half of the cells, and compares on the other."""
    seeds = results.frame["seed"].nunique()
    tables = _whole_tables(results, seeds)
    curves = accuracies(results).curves
    choosing, held_out = (
        Comparison(half, seeds, curves) for half in halves(cells(tables))
    )
    ranked = choose(choosing)
    return protocol_report.parts(
        choosing, held_out, ranked, shares(choosing, ranked), FORMER, folder
    )


def _whole_tables(results: Results, seeds: int) -> list[int]:
    """Returns the numbers of the tables that have been trained for all protocols.

    Raises:
        ValueError: If there is none.
    """
    trained = set(results.frame.index)
    missing: dict[int, list[Any]] = {}
    for cell in results.cells:
        runs = replace(cell, seeds=seeds).describe()
        missing.setdefault(cell.table, []).extend(
            run for run in runs if key(run) not in trained
        )
    if all(missing.values()):
        raise ValueError(
            "There must be results of all that is compared, of one table at least. "
            f"Received: results without {next(iter(missing.values()))[0]}"
        )
    return [table for table, runs in missing.items() if not runs]


def _protocol(hp: Any) -> Protocol:
    # KerasTuner turns booleans into integers, under which the ledger has nothing.
    chosen = {
        name: type(values[0])(hp.Choice(name, values)) for name, values in SPACE.items()
    }
    return Protocol(**chosen)
