"""What the methods of Lee et al. (2024) reach, out of rows of results."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from experiments.engine.frame import Results, key
from experiments.lee2024.cells import IMAGES, Cell
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.reporting import comparison
from experiments.reporting.comparison import Compared
from experiments.reporting.guide import Network
from experiments.reporting.report import Table

Curves = dict[str, dict[int, float]]
"""Validation accuracy (%) by key of a run and by epoch, counted from 1."""


@dataclass(frozen=True)
class Accuracies:
    """Validation accuracies (%) of cells under one protocol.

    Args:
        cells: The rows of the table, or networks of the figure.
        curves: Of all runs, those of other protocols included.
        protocol: How the networks were trained.
    """

    cells: Sequence[Cell]
    curves: Curves = field(repr=False)
    protocol: Protocol = Protocol()

    @property
    def rows(self) -> list[tuple[Cell, int]]:
        """The cells, each with the epochs after which it is reported."""
        return [(cell, epochs) for cell in self.cells for epochs in cell.reports]

    def by_seed(self, cell: Cell, method: str) -> dict[int, dict[int, float]]:
        """Returns the accuracy by seed and by epoch, counted from 1."""
        curves = {
            seed: self.curves.get(
                key(cell.description(method, seed, self.protocol)), {}
            )
            for seed in range(cell.seeds)
        }
        return {seed: curve for seed, curve in curves.items() if curve}

    def scores(self, cell: Cell, epochs: int, method: str) -> dict[int, float]:
        """Returns the accuracy of each seed that has come so far."""
        return {
            seed: curve[epochs]
            for seed, curve in self.by_seed(cell, method).items()
            if epochs in curve
        }

    def label(self, cell: Cell, epochs: int) -> str:
        """Names what sets a row apart from the others of its table."""
        parts = {
            "activation": cell.activation,
            "hidden": f"{cell.hidden} units",
            "samples_per_class": f"{cell.samples_per_class or 'all'} a class",
        }
        named = [
            text
            for name, text in parts.items()
            if len({getattr(other, name) for other in self.cells}) > 1
        ]
        if len({row_epochs for _, row_epochs in self.rows}) > 1 or not named:
            named.append(f"{epochs} epochs")
        return ", ".join(named)


def accuracies(results: Results) -> Accuracies:
    """Returns the accuracies under the first protocol of the cells."""
    curves = {
        run: {epoch: 100 * value for epoch, value in curve.items()}
        for run, curve in results.curves("val_accuracy").items()
    }
    return Accuracies(results.cells, curves, results.cells[0].protocols[0])


CHANCES = {"iris": (0.0, 55.0), "wine_quality": (35.0, 50.0)}
"""Where networks score (%) that answer one class alone, where classes are not ten of
one size: of Iris a third, of Wine Quality the largest, and what few samples vary."""


def published(experiment: str) -> list[dict[str, str]]:
    """Returns the numbers that the paper prints, a dictionary for each.

    Examples:
        >>> len(published("lee-table1")), len(published("lee-table2"))
        (384, 80)
    """
    folder = Path(__file__).parent / "published"
    return comparison.read_published(folder / f"{experiment}.csv")


def published_value(
    experiment: str, cell: Cell, epochs: int, method: str
) -> float | None:
    """Returns the published accuracy (%) of a cell, `None` if there is none.

    Examples:
        >>> published_value("lee-table2", Cell("mnist"), 10, "proposed")
        86.7
    """
    row = {
        # The paper does not say which wine.
        "dataset": cell.dataset.partition("/")[0],
        "activation": cell.activation,
        "hidden": cell.hidden,
        "samples_per_class": cell.samples_per_class or "all",
        "epochs": epochs,
        "method": method,
    }
    return comparison.published_value(published(experiment), row)


_INITIALIZERS = {
    "proposed": "lee_qr",
    "xavier": "glorot_uniform",
    "he": "he_uniform",
    "zero": "ZerO(transpose=True)",
    "identity": "rectangular_identity",
    "gsm": "GSM(submatrix=HeUniform())",
}
"""What initializes as a method does here under the default protocol, but for names that
are the same."""

_PIXELS = {"raw": "0..255", "unit": "0..1", "standard": "standardised"}


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    ours = accuracies(results)
    turned = replace(ours, protocol=replace(ours.protocol, zero_transpose=False))

    def scores(cell: Cell, epochs: int) -> dict[str, dict[int, float]]:
        of = {
            _INITIALIZERS.get(method, method): ours.scores(cell, epochs, method)
            for method in METHODS
        }
        of["zer_o"] = turned.scores(cell, epochs, "zero")
        return {name: by_seed for name, by_seed in of.items() if by_seed}

    return [
        Network(
            cell.activation if cell.depth else "softmax",
            "no hidden layer"
            if not cell.depth
            else f"{cell.depth} x {' and '.join(map(str, cell.widths))} units",
            ", ".join(
                [
                    cell.dataset,
                    _PIXELS[ours.protocol.scaling]
                    if cell.dataset in IMAGES
                    else "as it is",
                    *(
                        [f"samples a class: {cell.samples_per_class}"]
                        if cell.samples_per_class
                        else []
                    ),
                    f"{epochs} epochs" if epochs > 1 else "1 epoch",
                ]
            ),
            scores(cell, epochs),
            trained=comparison.TRAINED if cell.dataset in IMAGES else None,
        )
        for cell, epochs in ours.rows
    ]


def compared(ours: Accuracies, experiment: str) -> list[Compared]:
    """Returns the rows of a table, with the published numbers."""
    return [
        Compared(
            cell.dataset,
            ours.label(cell, epochs),
            {method: ours.scores(cell, epochs, method) for method in METHODS},
            {
                method: value
                for method in METHODS
                for value in [published_value(experiment, cell, epochs, method)]
                if value is not None
            },
            CHANCES.get(cell.dataset.partition("/")[0], comparison.CHANCE),
        )
        for cell, epochs in ours.rows
    ]


def other_choices(ours: Accuracies, experiment: str) -> list[Table]:
    """Shows what the other protocols give, for the methods that they change.

    Returns:
        A table for each protocol of which something was run.
    """
    tables = []
    others = dict.fromkeys(p for cell in ours.cells for p in cell.protocols)
    for other in others:
        theirs = replace(ours, protocol=other)
        lines: dict[str, dict[str, tuple[str, str]]] = {}
        for cell, epochs in ours.rows:
            for method in _changed(cell, ours.protocol, other):
                scores = theirs.scores(cell, epochs, method)
                value = published_value(experiment, cell, epochs, method)
                if scores and value is not None:
                    label = f"{cell.dataset}, {ours.label(cell, epochs)}"
                    entry = comparison.entry(list(scores.values()), value)
                    lines.setdefault(label, {})[method] = entry
        if not lines:
            continue
        methods = [m for m in METHODS if any(m in line for line in lines.values())]
        choice = ", ".join(
            f"{name} = {value}"
            for name, value in vars(other).items()
            if value != getattr(ours.protocol, name)
        )
        entries = [[line.get(m, ("", "")) for m in methods] for line in lines.values()]
        tables.append(
            Table(
                f"With {choice}: ours ± sd, published (difference)",
                ["", *methods],
                [
                    [label, *(text for text, _ in line)]
                    for label, line in zip(lines, entries, strict=True)
                ],
                [["", *(mark for _, mark in line)] for line in entries],
            )
        )
    return tables


def _changed(cell: Cell, one: Protocol, other: Protocol) -> list[str]:
    """Returns the methods that train otherwise under another protocol."""
    return [
        method
        for method in METHODS
        if cell.description(method, 0, one) != cell.description(method, 0, other)
    ]
