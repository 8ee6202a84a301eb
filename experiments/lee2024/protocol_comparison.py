"""How far protocols are from the published numbers: which, in which half, how far."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from experiments.engine.frame import key
from experiments.lee2024.accuracies import Curves, published_value
from experiments.lee2024.cells import Cell, table1, table2
from experiments.lee2024.protocol import METHODS, Protocol

_SPLIT_SEED = 2024


def cells(of_tables: Sequence[int] = (1, 2)) -> list[Cell]:
    """Returns the cells whose published numbers are compared: minutes each, or less.

    Of Table 1 no hidden layer and one of 16 units: with few samples after 10 and 100
    epochs, which are as many steps; with all samples after 10 epochs alone. A layer of
    512 units costs thirty times as much as one of 16. Of Table 2 three activations of
    five; under sigmoid the paper prints chance throughout.

    Examples:
        >>> len(cells()), len(cells([1]))
        (22, 16)

    Args:
        of_tables: Table 1 takes half an hour on two cores, Table 2 an hour and more.
    """
    narrow = [cell for cell in table1() if cell.hidden != "512"]
    first = [
        *(cell for cell in narrow if cell.samples_per_class),
        *(replace(cell, epochs=10) for cell in narrow if not cell.samples_per_class),
    ]
    second = [
        cell
        for activation in ("relu", "gelu", "tanh")
        for cell in table2()
        if cell.activation == activation
    ]
    return [*(first if 1 in of_tables else []), *(second if 2 in of_tables else [])]


def halves(all_cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Splits cells at random into those to choose on and those held out.

    It is one split for ever, and half of each kind of hidden layers is on either side.

    Examples:
        >>> [len(half) for half in halves(cells())]
        [11, 11]
    """
    random = np.random.default_rng(_SPLIT_SEED)
    choosing: list[Cell] = []
    for group in by_hidden(all_cells):
        picked = random.permutation(len(group))[: len(group) // 2]
        choosing += [group[index] for index in sorted(picked)]
    return choosing, [cell for cell in all_cells if cell not in choosing]


@dataclass(frozen=True)
class Number:
    """A published number.

    Args:
        table: Where it is published, `"Table 1"` or `"Table 2"`.
        cell: Its row.
        epochs: After which the network is validated.
        method: Its column.
        published: Validation accuracy (%).
    """

    table: str
    cell: Cell
    epochs: int
    method: str
    published: float


class Comparison:
    """How far protocols are from the published numbers of some cells.

    The distance to a number is `|ours - published| / (0.5 + 1.96 sd sqrt(1 / n +
    1 / 10))`, at most 5, where ours is the mean and `sd` the standard deviation over
    `n` seeds, in percentage points: half a point, and the 95 % interval of a mean of
    ten seeds, as the paper's is. That of a protocol is the mean over the numbers.

    Args:
        cells: The cells.
        seeds: Number of seeds.
        curves: Of all runs.
    """

    def __init__(self, cells: Sequence[Cell], seeds: int, curves: Curves) -> None:
        """Collects the published numbers."""
        self.cells, self.seeds, self.curves = list(cells), seeds, curves
        self.numbers = [
            Number(table, cell, epochs, method, published)
            for cell in cells
            for epochs in cell.reports
            for method in METHODS
            for name, table in (("lee-table1", "Table 1"), ("lee-table2", "Table 2"))
            for published in [published_value(name, cell, epochs, method)]
            if published is not None and table == f"Table {cell.table}"
        ]
        self.tables = list(dict.fromkeys(number.table for number in self.numbers))
        self._gaps: dict[str, tuple[float, float]] = {}
        self._of_protocol: dict[Protocol, np.ndarray] = {}

    def ours(self, number: Number, protocol: Protocol) -> list[float]:
        """Returns the validation accuracy (%) of each seed.

        Raises:
            ValueError: If there is none of one.
        """
        scores = []
        for seed in range(self.seeds):
            run = number.cell.description(number.method, seed, protocol)
            curve = self.curves.get(key(run), {})
            if number.epochs not in curve:
                raise ValueError(
                    "There must be results of all that is compared. "
                    f"Received: results without {run}"
                )
            scores.append(curve[number.epochs])
        return scores

    def distances(self, protocol: Protocol) -> np.ndarray:
        """Returns the distance of a protocol to each number."""
        gaps, widths = self._all_gaps(protocol)
        return np.minimum(gaps / widths, 5.0)

    def distance(self, protocol: Protocol) -> float:
        """Returns the distance of a protocol."""
        return float(self.distances(protocol).mean())

    def surprise(self, protocol: Protocol) -> float:
        """Returns the negative log-likelihood of the numbers, but for a constant.

        By Student's t with four degrees of freedom, of the gap in units of `s`, that
        of the distance over 1.96: the mean of `log(s) + 5 / 2 log(1 + (gap / s)**2 /
        4)`. Unlike the distance it also costs a protocol that its seeds differ.
        """
        gaps, widths = self._all_gaps(protocol)
        scales = widths / 1.96
        return float(np.mean(np.log(scales) + 2.5 * np.log1p((gaps / scales) ** 2 / 4)))

    def _all_gaps(self, protocol: Protocol) -> np.ndarray:
        """Returns how far each number is off, and the interval, `(2, numbers)`."""
        if protocol not in self._of_protocol:
            self._of_protocol[protocol] = np.transpose(
                [self._gap(number, protocol) for number in self.numbers]
            )
        return self._of_protocol[protocol]

    def _gap(self, number: Number, protocol: Protocol) -> tuple[float, float]:
        """Returns how far a number is off, and the interval that it should be in."""
        run = number.cell.description(number.method, 0, protocol)
        about = repr((run, number.epochs))
        if about not in self._gaps:
            ours = self.ours(number, protocol)
            sd = statistics.stdev(ours) if len(ours) > 1 else 0.0
            width = 0.5 + 1.96 * sd * (1 / len(ours) + 1 / 10) ** 0.5
            self._gaps[about] = abs(statistics.fmean(ours) - number.published), width
        return self._gaps[about]


def by_hidden(all_cells: Iterable[Cell]) -> list[list[Cell]]:
    """Groups cells by their hidden layers."""
    groups: dict[str, list[Cell]] = {}
    for cell in all_cells:
        groups.setdefault(cell.hidden, []).append(cell)
    return list(groups.values())
