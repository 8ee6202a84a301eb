"""Lee et al. (2024): orthogonal weights for deep and narrow ReLU networks."""

from collections.abc import Sequence
from dataclasses import replace

from experiments.experiment import Experiment
from experiments.lee2024 import (
    accuracies,
    claims,
    matrices,
    plain_fit,
    protocol_search,
    report,
)
from experiments.lee2024.cells import (
    Cell,
    figure3,
    table1,
    table2,
    tabular,
    two_layers,
)

_WIDTHS = tuple(range(2, 11))
_SOURCE = "Lee et al. (2024)"
_QUANTITIES = ("val_accuracy",)


_ANCHOR = [
    *plain_fit.numbers(table1(wide_epochs=[10]), 6, seeds=5),
    *plain_fit.numbers(table2(), 6, seeds=5, above=plain_fit.ABOVE_CHANCE),
]


def _seeds(seeds: int, cells: Sequence[Cell]) -> list[Cell]:
    return [replace(cell, seeds=seeds) for cell in cells]


EXPERIMENTS = (
    Experiment(
        "lee-table1",
        "no or one hidden layer, all samples and 4, 2 or 1 a class",
        f"{_SOURCE}, Table 1",
        report.table("lee-table1", claims.table1),
        {
            "smoke": _seeds(2, table1(["digits"], [2, 4], [2, 4])),
            "desk": table1(wide_epochs=[10]),
            "paper": table1(),
        },
        _QUANTITIES,
        networks=accuracies.networks,
    ),
    Experiment(
        "lee-table2",
        "120 hidden layers of 10 and 6 units in turn, by activation",
        f"{_SOURCE}, Table 2",
        report.table("lee-table2", claims.table2),
        {
            "smoke": _seeds(2, table2(["digits"], epochs=3, depth=20)),
            "desk": table2(),
            "paper": table2(),
        },
        _QUANTITIES,
        networks=accuracies.networks,
    ),
    Experiment(
        "lee-fig1",
        "the matrix of 20 x 40, and what the paper proves of such matrices",
        f"{_SOURCE}, Figure 1, Lemma 2, Theorem 2 and Corollary 1",
        matrices.figure1,
    ),
    Experiment(
        "lee-fig2",
        "positive entries of W x, against Gaussian and orthogonal matrices",
        f"{_SOURCE}, Figure 2",
        matrices.figure2,
    ),
    Experiment(
        "lee-fig3",
        "accuracy over depth and over epochs",
        f"{_SOURCE}, Figure 3",
        report.figure3,
        {
            "smoke": _seeds(2, figure3(["digits"], [1, 5], [10], epochs=3)),
            "desk": figure3(),
            "paper": figure3(),
        },
        _QUANTITIES,
        networks=accuracies.networks,
    ),
    Experiment(
        "lee-fig4",
        "two hidden layers of a few units, MNIST",
        f"{_SOURCE}, Figure 4",
        report.heat_maps(
            "Published (section 4.5): proposed 54.3 at 2 and 2; all others 10.",
            claims.figure4,
        ),
        {
            "smoke": _seeds(2, two_layers("digits", (2, 4), 3)),
            "desk": two_layers("mnist", (2, 4, 6, 8, 10), 10),
            "paper": two_layers("mnist", _WIDTHS, 10),
        },
        _QUANTITIES,
    ),
    Experiment(
        "lee-fig5",
        "two hidden layers of a few units, Fashion MNIST, one epoch",
        f"{_SOURCE}, Figure 5",
        report.heat_maps(
            "Published (section 4.5): proposed 25 at 2 and 4; all others 10.",
            claims.figure5,
        ),
        {
            "smoke": _seeds(2, two_layers("digits", (2, 4), 1)),
            "desk": two_layers("fashion_mnist", (2, 4, 6, 8, 10), 1),
            "paper": two_layers("fashion_mnist", _WIDTHS, 1),
        },
        _QUANTITIES,
    ),
    Experiment(
        "lee-tabular",
        "tables of few features: Wine Quality, 120 layers, and Iris, 200 layers",
        f"{_SOURCE}, section 4.4",
        report.table("lee-tabular", claims.tabular),
        {
            "smoke": _seeds(2, [Cell("iris", depth=20, epochs=5)]),
            "desk": tabular(),
            "paper": tabular(),
        },
        _QUANTITIES,
        networks=accuracies.networks,
    ),
    Experiment(
        "lee-plain-fit",
        "twelve numbers of the tables, by population and by plain fit",
        f"{_SOURCE}, Tables 1 and 2",
        plain_fit.report,
        {
            "smoke": [
                plain_fit.number(Cell("digits", depth=20, epochs=3), "proposed", 2)
            ],
            "desk": _ANCHOR,
            "paper": _ANCHOR,
        },
        _QUANTITIES,
    ),
    Experiment(
        "lee-protocol",
        "what the paper leaves open: the protocol nearest to its numbers",
        f"{_SOURCE}, Table 1",
        protocol_search.report,
        {"desk": protocol_search.search_cells()},
        _QUANTITIES,
        command="search lee-protocol",
    ),
)
