"""Sansone & De Natale (2017): networks of logistic units."""

from experiments.experiment import Experiment
from experiments.sansone2017 import (
    copy_memory,
    cost,
    mnist_report,
    penn_treebank,
    penn_treebank_report,
    theory,
    xor,
)
from experiments.sansone2017.methods import PAPER
from experiments.sansone2017.mnist import Cell
from experiments.sansone2017.start import Start

_SOURCE = "Sansone & De Natale (2017)"

_PYRAMID = (2500, 2000, 1500, 1000, 500)
_NARROWER = (500, 400, 300, 200, 100)
"""A fifth of the pyramid, for machines without an accelerator."""

_LANGUAGE_MODELS = (("logistic", 200), ("lstm", 190))
_DESK_METHODS = (*PAPER, "yilmaz_poli")

_MEASURED = [
    Start("mnist", _PYRAMID),
    *(Start("mnist", (units,) * 30) for units in (2, 10, 100)),
]

_PAPER: dict[str, list[cost.Trained]] = {
    "Table 1": [Cell((800,), mnist_report.ITERATIONS)],
    "Table 2": [Cell((800,), mnist_report.ITERATIONS, 0.5)],
    "Table 3": [Cell(_PYRAMID, mnist_report.ITERATIONS, watched=True)],
    "Table 4": [Cell(_PYRAMID, mnist_report.ITERATIONS, distorted=True, watched=True)],
    "Figure 8": [copy_memory.Cell("logistic", 100), copy_memory.Cell("lstm", 52)],
    "Table 5": [penn_treebank.Cell(*sizes) for sizes in _LANGUAGE_MODELS],
    "Table 6": [penn_treebank.Cell(*sizes, dropout=0.5) for sizes in _LANGUAGE_MODELS],
}
_COSTS = [cost.Cell(title, cell) for title, cells in _PAPER.items() for cell in cells]

EXPERIMENTS = (
    Experiment(
        "sansone-theory",
        "entropy and its bound, variances and gradients of logistic layers",
        f"{_SOURCE}, Figures 2 and 3, theorem 1, section 5, appendices A and B",
        theory.report,
        {
            "smoke": [Start("digits", (30, 20, 10), 2), Start("digits", (10,) * 10, 2)],
            "desk": _MEASURED,
            "paper": _MEASURED,
        },
    ),
    Experiment(
        "sansone-xor",
        "XOR with two hidden logistic units, by initialization",
        f"{_SOURCE}, Figure 4",
        xor.report,
        {
            "smoke": [xor.Cell(iterations=500, seeds=3)],
            # More than the paper's ten: they decide little.
            "desk": [xor.Cell(seeds=40)],
            "paper": [xor.Cell()],
        },
    ),
    Experiment(
        "sansone-table1",
        "MNIST, 800 logistic units",
        f"{_SOURCE}, Table 1 and Figure 5 (a, d)",
        mnist_report.report(1),
        {
            "smoke": [Cell((30,), 200, seeds=2, dataset="digits")],
            "desk": [Cell((800,), 10_000)],
            "paper": _PAPER["Table 1"],
        },
        networks=mnist_report.networks,
    ),
    Experiment(
        "sansone-table2",
        "MNIST, 800 logistic units with dropout",
        f"{_SOURCE}, Table 2",
        mnist_report.report(2),
        {
            "smoke": [Cell((30,), 200, 0.5, seeds=2, dataset="digits")],
            "desk": [Cell((800,), 10_000, 0.5)],
            "paper": _PAPER["Table 2"],
        },
        networks=mnist_report.networks,
    ),
    Experiment(
        "sansone-table3",
        "MNIST, five layers of logistic units",
        f"{_SOURCE}, Table 3 and Figures 5 (b, e) and 6",
        mnist_report.report(3),
        {
            "smoke": [Cell((30, 20, 10), 200, watched=True, seeds=2, dataset="digits")],
            "desk": [Cell(_NARROWER, 20_000, watched=True)],
            "paper": _PAPER["Table 3"],
        },
        networks=mnist_report.networks,
    ),
    Experiment(
        "sansone-table4",
        "MNIST distorted, five layers of logistic units",
        f"{_SOURCE}, Table 4 and Figures 5 (c, f) and 7",
        mnist_report.report(4),
        {
            "smoke": [
                Cell(
                    (30, 20, 10),
                    200,
                    distorted=True,
                    watched=True,
                    seeds=2,
                    dataset="digits",
                )
            ],
            # Distorting costs as much as training: fewer iterations.
            "desk": [Cell(_NARROWER, 5_000, distorted=True, watched=True)],
            "paper": _PAPER["Table 4"],
        },
        networks=mnist_report.networks,
    ),
    Experiment(
        "sansone-copy",
        "copy memory, logistic recurrent networks beside LSTM",
        f"{_SOURCE}, Figure 8",
        copy_memory.report,
        {
            "smoke": [
                copy_memory.Cell("logistic", 10, 5, 400, seeds=2),
                copy_memory.Cell("lstm", 6, 5, 400, seeds=2),
            ],
            # A third and a tenth of the delay, and half of the units.
            "desk": [
                copy_memory.Cell(kind, units, delay, 20_000)
                for delay in (30, 10)
                for kind, units in (("logistic", 50), ("lstm", 26))
            ],
            "paper": _PAPER["Figure 8"],
        },
    ),
    *(
        Experiment(
            f"sansone-table{number}",
            f"Penn Treebank, logistic recurrent networks beside LSTM{what}",
            f"{_SOURCE}, Table {number}",
            penn_treebank_report.report(number),
            {
                "smoke": [
                    penn_treebank.Cell(
                        kind, units, 50, dropout, seeds=2, dataset="markov"
                    )
                    for kind, units in (("logistic", 8), ("lstm", 7))
                ],
                # Half a pass through the text, one seed: --seeds adds others.
                "desk": [
                    penn_treebank.Cell(
                        kind, units, 1_160, dropout, _DESK_METHODS, seeds=1
                    )
                    for kind, units in _LANGUAGE_MODELS
                ],
                "paper": _PAPER[f"Table {number}"],
            },
        )
        for number, dropout, what in ((5, 0.0, ""), (6, 0.5, ", with dropout"))
    ),
    Experiment(
        "sansone-cost",
        "memory and hours of the paper's sizes",
        f"{_SOURCE}, Tables 1 to 6 and Figure 8",
        cost.report,
        {
            "smoke": [
                cost.Cell(
                    "Table 1", Cell((30,), 200, seeds=2, dataset="digits"), rounds=2
                )
            ],
            "desk": _COSTS,
            "paper": _COSTS,
        },
    ),
)
