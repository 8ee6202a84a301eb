"""Every published table and figure that can be run again, by name, and at what size."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments import (
    figures,
    lee,
    matrices,
    relu_range,
    relu_range_report,
    skorski,
    skorski_report,
    tables,
)
from experiments.lee import Cell, Protocol
from experiments.report import Table
from keras_inits.utils.validation import unknown

PRESETS = {
    "smoke": "embedded digits, few epochs and seeds: the whole catalogue in minutes",
    "desk": "two cores, hours",
    "paper": "everything in the paper, ten seeds",
}

Part = str | Table | Path


@dataclass(frozen=True)
class Experiment:
    """A published table or figure.

    Args:
        what: What it shows.
        source: Paper and table or figure.
        show: Function of the evidence and a folder for pictures that returns the
            parts of a report.
        cells: What to train, by preset; nothing for what is computed at once.
        seeds: Number of seeds by preset; ten by default, two for `smoke`.
        others: Protocols whose results are shown beside those of the default one.
    """

    what: str
    source: str
    show: Callable[[tables.Evidence, Path], list[Part]]
    cells: Mapping[str, Sequence[Cell]] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    others: Sequence[Protocol] = ()


@dataclass(frozen=True)
class Study:
    """An experiment whose cells have methods, seeds and scores of their own.

    Args:
        what: What it shows.
        source: Where its question is from.
        show: Function of the rows that the ledger has of all runs, and of a folder
            for pictures, that returns the parts of a report.
        cells: What to run, by preset. Each has a `dataset`, an `activation` and
            `hidden`, lists its `runs()`, and does those that a ledger lacks with
            `run(ledger, data_dir)`, which returns 0 if there are none.
    """

    what: str
    source: str
    show: Callable[[Sequence[Mapping[str, Any]], Path], list[Part]]
    cells: Mapping[str, Sequence[Any]]


_WIDTHS = tuple(range(2, 11))
_EARLY = (0, 10, 50, 200)  # steps of gradient descent
_TURNED = Protocol(zero_transpose=not Protocol().zero_transpose)

EXPERIMENTS = {
    "lee-table1": Experiment(
        "no or one hidden layer, all samples and 4, 2 or 1 a class",
        "Lee et al. (2024), Table 1",
        figures.table,
        {
            "smoke": lee.table1(["digits"], [2, 4], [2, 4]),
            "desk": lee.table1(wide_epochs=[10]),
            "paper": lee.table1(),
        },
        others=[_TURNED],
    ),
    "lee-table2": Experiment(
        "120 hidden layers of 10 and 6 units in turn, by activation",
        "Lee et al. (2024), Table 2",
        figures.table,
        {
            "smoke": lee.table2(["digits"], epochs=3, depth=20),
            "desk": lee.table2(),
            "paper": lee.table2(),
        },
        others=[_TURNED],
    ),
    "lee-fig1": Experiment(
        "the matrix of 20 x 40, and what the paper proves of such matrices",
        "Lee et al. (2024), Figure 1, Lemma 2, Theorem 2 and Corollary 1",
        matrices.figure1,
    ),
    "lee-fig2": Experiment(
        "positive entries of W x, against Gaussian and orthogonal matrices",
        "Lee et al. (2024), Figure 2",
        matrices.figure2,
    ),
    "lee-fig3": Experiment(
        "accuracy over depth and over epochs",
        "Lee et al. (2024), Figure 3",
        figures.figure3,
        {
            "smoke": lee.figure3(["digits"], [1, 5], [10], epochs=3),
            "desk": lee.figure3(),
            "paper": lee.figure3(),
        },
        {"smoke": 2, "desk": 5},
    ),
    "lee-fig4": Experiment(
        "two hidden layers of a few units, MNIST",
        "Lee et al. (2024), Figure 4",
        figures.heat_maps,
        {
            "smoke": lee.two_layers("digits", (2, 4), 3),
            "desk": lee.two_layers("mnist", (2, 4, 6, 8, 10), 10),
            "paper": lee.two_layers("mnist", _WIDTHS, 10),
        },
        {"smoke": 2, "desk": 3},
    ),
    "lee-fig5": Experiment(
        "two hidden layers of a few units, Fashion MNIST, one epoch",
        "Lee et al. (2024), Figure 5",
        figures.heat_maps,
        {
            "smoke": lee.two_layers("digits", (2, 4), 1),
            "desk": lee.two_layers("fashion_mnist", (2, 4, 6, 8, 10), 1),
            "paper": lee.two_layers("fashion_mnist", _WIDTHS, 1),
        },
        {"smoke": 2, "desk": 3},
    ),
    "lee-tabular": Experiment(
        "tables of few features: Wine Quality, 120 layers, and Iris, 200 layers",
        "Lee et al. (2024), section 4.4",
        figures.table,
        {
            "smoke": [Cell("iris", depth=20, epochs=5)],
            "desk": lee.tabular(),
            "paper": lee.tabular(),
        },
    ),
}

STUDIES = {
    "skorski-hessian": Study(
        "Hessian norms of layers, and the learning rates that they allow",
        "Skorski (2020), Theorems 1 and 2, Corollaries 1 and 2",
        skorski_report.show,
        {
            "smoke": skorski.cells("digits", [3], [8], steps=(0, 20), samples=64),
            "desk": [
                *skorski.cells("mnist", [2, 5, 20, 50], [16, 64], steps=_EARLY),
                *skorski.cells("mnist", [2, 5], [256], steps=_EARLY),
            ],
            "paper": skorski.cells(
                "mnist",
                [2, 3, 5, 10, 20, 30, 50],
                [8, 32, 128, 512],
                seeds=5,
                steps=(0, 10, 50, 100, 200),
                samples=256,
            ),
        },
    ),
    "relu-range": Study(
        "which ranges of weights train at which rates, ReLU and sigmoid",
        "a question on U[-1, 1], and its answer",
        relu_range_report.show,
        {
            "smoke": relu_range.cells(
                "digits", [1, 3], seeds=2, measured=2, samples=500, epochs=10
            ),
            "desk": [
                *relu_range.cells("digits", range(1, 11), measured=5, epochs=20),
                *relu_range.cells(
                    "mnist", range(1, 11), measured=5, samples=4000, epochs=8
                ),
            ],
            "paper": [
                *relu_range.cells("digits", range(1, 11), epochs=100),
                *relu_range.cells("mnist", range(1, 11), samples=20000),
            ],
        },
    ),
}
"""Questions that are answered by measuring, beside the tables and figures."""

ALL: Mapping[str, Experiment | Study] = {**EXPERIMENTS, **STUDIES}


def find(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """Returns `known[name]`, or says what there is.

    Examples:
        >>> find("preset", "smok", PRESETS)
        Traceback (most recent call last):
        ...
        ValueError: Unknown preset. Did you mean 'smoke'? Received: preset=smok
    """
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def cells(
    experiment: str,
    preset: str,
    datasets: Sequence[str] = (),
    activations: Sequence[str] = (),
    hidden: Sequence[str] = (),
    epochs: int | None = None,
) -> list[Any]:
    """Returns the cells of an experiment at a preset, narrowed as asked.

    Raises:
        ValueError: If there is no such experiment, preset or cell.

    Examples:
        >>> [cell.dataset for cell in cells("lee-table2", "desk", activations=["relu"])]
        ['mnist', 'fashion_mnist']
    """
    find("preset", preset, PRESETS)
    chosen = list(find("experiment", experiment, ALL).cells.get(preset, ()))
    if epochs and experiment in STUDIES:
        raise ValueError(
            "The size of a study is that of its preset; `epochs` must be left out. "
            f"Received: experiment={experiment}, epochs={epochs}"
        )
    wanted = {"dataset": datasets, "activation": activations, "hidden": hidden}
    for name, values in wanted.items():
        there = {getattr(cell, name) for cell in chosen}
        for value in values:
            if value not in there:
                raise unknown(name, value, sorted(there))
        if values:
            chosen = [cell for cell in chosen if getattr(cell, name) in values]
    return [cell.at(epochs) for cell in chosen] if epochs else chosen


def seeds(experiment: str, preset: str) -> int:
    """Returns the number of seeds of an experiment at a preset.

    Examples:
        >>> seeds("lee-table2", "desk"), seeds("lee-table2", "smoke")
        (10, 2)
    """
    found = find("experiment", experiment, EXPERIMENTS).seeds
    return found.get(preset, 2 if preset == "smoke" else 10)
