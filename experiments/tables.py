"""The papers' tables: ours from the ledger, beside the published numbers."""

import csv
import functools
import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from experiments.ledger import Ledger
from experiments.lee import METHODS, Cell, Protocol
from experiments.report import Table, mean_sd

CHANCE = (9.0, 12.0)
"""Where a network of ten classes scores (%) that answers one class alone."""

_SEEDS_OF_THE_PAPER = 10
_SIGNS = 2**16  # All of them up to 16 seeds; for more, so many at random.
_ROUNDING = 0.05  # The paper prints one decimal.
_EXPORTED = {"fashion_mnist": "fmnist"}
_MARKS = {"inside": "✓", "outside": "✗", "chance": "○", "": ""}


@functools.cache
def published(experiment: str) -> list[dict[str, str]]:
    """Returns the numbers that the paper prints, a dictionary for each.

    Examples:
        >>> len(published("lee-table1")), len(published("lee-table2"))
        (384, 80)
    """
    path = Path(__file__).parent / "published" / f"{experiment}.csv"
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def printed(
    numbers: Iterable[Mapping[str, str]], cell: Cell, epochs: int, method: str
) -> float | None:
    """Returns the published accuracy (%) of a cell, `None` if there is none.

    Examples:
        >>> printed(published("lee-table2"), Cell("mnist"), 10, "proposed")
        86.7
    """
    here = {
        "dataset": cell.dataset,
        "activation": cell.activation,
        "hidden": cell.hidden,
        "samples_per_class": str(cell.samples_per_class or "all"),
        "epochs": str(epochs),
        "method": method,
    }
    found = [
        float(line["val_accuracy"])
        for line in numbers
        if all(here[name] == value for name, value in line.items() if name in here)
    ]
    return found[0] if found else None


@dataclass(frozen=True)
class Evidence:
    """What the ledger has of an experiment at a preset.

    Args:
        experiment: Name in the catalogue.
        preset: Of the catalogue.
        cells: The rows of the table, or networks of the figure.
        seeds: Number of seeds; those from 0 on are looked for.
        protocol: How the networks were trained.
        ledger: Where the curves are.
        others: Protocols to show beside it.
    """

    experiment: str
    preset: str
    cells: Sequence[Cell]
    seeds: int
    protocol: Protocol
    ledger: Ledger
    others: Sequence[Protocol] = ()

    @property
    def places(self) -> list[tuple[Cell, int]]:
        """The cells, each with the epochs after which it is reported."""
        return [
            (cell, epochs)
            for cell in self.cells
            for epochs in cell.reported or (cell.epochs,)
        ]

    def curves(self, cell: Cell, method: str) -> dict[int, dict[int, float]]:
        """Returns the validation accuracy (%) by seed and by epoch, counted from 1."""
        key = cell, method
        if key not in self._read:
            found = {
                seed: {
                    row["epoch"] + 1: 100 * row["val_accuracy"]
                    for row in self.ledger.curve(cell.run(method, seed, self.protocol))
                    if "val_accuracy" in row
                }
                for seed in range(self.seeds)
            }
            self._read[key] = {seed: curve for seed, curve in found.items() if curve}
        return self._read[key]

    @functools.cached_property
    def _read(self) -> dict[tuple[Cell, str], dict[int, dict[int, float]]]:
        return {}

    def scores(self, cell: Cell, epochs: int, method: str) -> dict[int, float]:
        """Returns the validation accuracy (%) of each seed that has come so far."""
        return {
            seed: curve[epochs]
            for seed, curve in self.curves(cell, method).items()
            if epochs in curve
        }

    def tidy(self) -> list[dict[str, Any]]:
        """Returns a row for each cell, reported epoch, method and seed that was run."""
        return [
            {
                "experiment": self.experiment,
                "preset": self.preset,
                "dataset": _EXPORTED.get(cell.dataset, cell.dataset),
                "activation": cell.activation,
                "hidden": cell.hidden,
                "samples_per_class": cell.samples_per_class or "all",
                "method": method,
                "epochs": epochs,
                "seed": seed,
                "val_accuracy": f"{value:.2f}",
            }
            for cell, epochs in self.places
            for method in METHODS
            for seed, value in self.scores(cell, epochs, method).items()
        ]


def verdict(ours: Sequence[float], theirs: float) -> str:
    """Says whether a published mean of ten seeds is one that ours would predict.

    The interval is that of the mean of ten further seeds, at 95 %:
    `mean ± t sd sqrt(1 / n + 1 / 10)`, widened by the rounding of a printed number.

    Args:
        ours: Accuracy (%) of each of `n` seeds.
        theirs: The published mean (%).

    Returns:
        `"chance"` where ours and theirs are stuck on one class, `"inside"` or
        `"outside"` elsewhere, and `""` with fewer than two seeds.

    Examples:
        >>> verdict([86.0, 88.0, 87.0], 86.7)
        'inside'
        >>> verdict([11.3, 11.1, 11.2], 11.3)
        'chance'
    """
    low, high = CHANCE
    if ours and all(low <= value <= high for value in (*ours, theirs)):
        return "chance"
    n = len(ours)
    if n < 2:
        return ""
    width = scipy.stats.t.ppf(0.975, n - 1) * statistics.stdev(ours)
    width = width * math.sqrt(1 / n + 1 / _SEEDS_OF_THE_PAPER) + _ROUNDING
    inside = abs(statistics.fmean(ours) - theirs) <= width
    return "inside" if inside else "outside"


def beside_published(evidence: Evidence) -> tuple[list[Table], str]:
    """Sets ours beside the published numbers.

    Returns:
        A table for each data set, which has a row a network and a column a method:
        ours ± sd over seeds, the published number and the difference, and whether it
        lies inside; and the total in a sentence.
    """
    numbers = published(evidence.experiment)
    tables: list[Table] = []
    verdicts: list[str] = []
    for dataset in dict.fromkeys(cell.dataset for cell in evidence.cells):
        lines, styles = [], []
        for cell, epochs in evidence.places:
            if cell.dataset != dataset:
                continue
            line, style = [_describe(cell, epochs, evidence)], [""]
            for method in METHODS:
                ours = list(evidence.scores(cell, epochs, method).values())
                theirs = printed(numbers, cell, epochs, method)
                mark = verdict(ours, theirs) if theirs is not None else ""
                line.append(_entry(ours, theirs, mark))
                style.append(mark)
                if theirs is not None:
                    verdicts.append(mark)
            lines.append(line)
            styles.append(style)
        title = f"Validation accuracy (%), {dataset}: ours ± sd, published (difference)"
        tables.append(Table(title, ["", *METHODS], lines, styles))
    run = [mark for mark in verdicts if mark]
    agree = sum(mark in ("inside", "chance") for mark in run)
    total = (
        f"{agree} of {len(run)} published numbers lie inside the 95 % interval that "
        f"our seeds predict for a mean of ten ({run.count('chance')} of them are both "
        f"at chance); {len(verdicts) - len(run)} of {len(verdicts)} have not been run "
        "with enough seeds."
    )
    return tables, total if verdicts else ""


def orders(evidence: Evidence) -> Table | None:
    """Checks who wins each row: the paper's best method against ours, paired by seed.

    The test is the exact sign-flip test of the paired differences between the
    paper's best method and the best of the others in our results.

    Returns:
        A table, or `None` where the paper prints no numbers or nothing was run.
    """
    numbers = published(evidence.experiment)
    lines, styles = [], []
    for cell, epochs in evidence.places:
        theirs = {m: printed(numbers, cell, epochs, m) for m in METHODS}
        ours = {m: evidence.scores(cell, epochs, m) for m in METHODS}
        known = {m: value for m, value in theirs.items() if value is not None}
        if not known or not all(ours[m] for m in known):
            continue
        winner = max(known, key=lambda m: known[m])
        means = {m: statistics.fmean(ours[m].values()) for m in known}
        rival = max((m for m in known if m != winner), key=lambda m: means[m])
        seeds = sorted(ours[winner].keys() & ours[rival].keys())
        gaps = np.array([ours[winner][s] - ours[rival][s] for s in seeds])
        p = _sign_flip(gaps)
        if max(*means.values(), *known.values()) <= CHANCE[1]:
            held = "all at chance"
        elif p < 0.05:
            held = "holds" if gaps.mean() > 0 else "does not hold"
        else:
            held = "undecided"
        lines.append(
            [
                f"{cell.dataset}, {_describe(cell, epochs, evidence)}",
                f"{winner} {known[winner]:.1f}",
                f"{winner} {means[winner]:.1f}",
                f"{rival} {means[rival]:.1f}",
                f"{p:.3f}",
                held,
            ]
        )
        style = {"holds": "inside", "does not hold": "outside"}.get(held, "")
        styles.append([""] * 5 + [style])
    columns = ["", "best published", "ours", "our best other", "p (paired)", "order"]
    title = "Who wins each row"
    return Table(title, columns, lines, styles) if lines else None


def other_choices(evidence: Evidence) -> Table | None:
    """Shows what other protocols give, for the methods that they change.

    Returns:
        A table, or `None` where none of it was run.
    """
    numbers = published(evidence.experiment)
    lines, styles = [], []
    for other in evidence.others:
        changed = {
            name: value
            for name, value in vars(other).items()
            if value != getattr(evidence.protocol, name)
        }
        choice = ", ".join(f"{name} = {value}" for name, value in changed.items())
        theirs_too = replace(evidence, protocol=other)
        for (cell, epochs), method in itertools.product(evidence.places, METHODS):
            if cell.run(method, 0, other) == cell.run(method, 0, evidence.protocol):
                continue
            ours = list(theirs_too.scores(cell, epochs, method).values())
            theirs = printed(numbers, cell, epochs, method)
            if ours and theirs is not None:
                mark = verdict(ours, theirs)
                place = f"{cell.dataset}, {_describe(cell, epochs, evidence)}"
                lines.append([place, method, choice, _entry(ours, theirs, mark)])
                styles.append(["", "", "", mark])
    title = "Other choices: ours ± sd, published (difference)"
    return Table(title, ["", "method", "choice", ""], lines, styles) if lines else None


def _sign_flip(gaps: np.ndarray) -> float:
    """Returns the two-sided p of the mean of paired differences, over all signs."""
    if len(gaps) < 2 or not gaps.any():
        return 1.0
    test = scipy.stats.permutation_test(
        (gaps,),
        np.mean,
        permutation_type="samples",
        n_resamples=_SIGNS,
        vectorized=True,
        rng=0,
    )
    return float(test.pvalue)


def _describe(cell: Cell, epochs: int, evidence: Evidence) -> str:
    """Names what sets a row apart from the others of its table."""
    parts = {
        "activation": cell.activation,
        "hidden": f"{cell.hidden} units",
        "samples_per_class": f"{cell.samples_per_class or 'all'} a class",
    }
    named = [
        text
        for name, text in parts.items()
        if len({getattr(other, name) for other in evidence.cells}) > 1
    ]
    if len({e for _, e in evidence.places}) > 1 or not named:
        named.append(f"{epochs} epochs")
    return ", ".join(named)


def _entry(ours: Sequence[float], theirs: float | None, mark: str) -> str:
    parts = [mean_sd(ours)]
    if theirs is not None:
        gap = f" ({statistics.fmean(ours) - theirs:+.1f})" if ours else ""
        parts.append(f"{theirs:.1f}{gap} {_MARKS[mark]}".strip())
    return "\n".join(part for part in parts if part)
