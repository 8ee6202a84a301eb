"""Ours beside the published numbers, and who wins."""

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from experiments.reporting.report import Table, mean_sd
from experiments.reporting.statistics import sign_flip_p

CHANCE = (9.0, 12.0)
"""Where a network of ten classes scores (%) that answers one class alone."""

PUBLISHED_SEEDS = 10
"""Seeds of which a published number is the mean."""

TRAINED = 20.0
"""Accuracy (%) above which a network of ten classes counts as one that trains."""

WIDEST = 10.0
"""Points on either side from which on an interval decides nothing."""

_ROUNDING = 0.05  # One decimal is published.
_MARKS = {"inside": "✓", "outside": "✗", "chance": "○", "wide": "?", "": ""}


@functools.cache
def read_published(path: Path) -> list[dict[str, str]]:
    """Returns published numbers, a dictionary for each; none if there is no file.

    Args:
        path: A CSV file; `val_accuracy` (%) is the number, the other columns say of
            what.
    """
    if not path.exists():
        return []
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def published_value(
    numbers: Iterable[Mapping[str, str]], row: Mapping[str, Any]
) -> float | None:
    """Returns the published accuracy (%) of a row, `None` if there is none.

    Args:
        numbers: From `read_published`.
        row: Of ours: the values of all columns of the published numbers, and maybe
            of others.

    Examples:
        >>> numbers = [{"dataset": "mnist", "epochs": "10", "val_accuracy": "86.7"}]
        >>> published_value(numbers, {"dataset": "mnist", "seed": 0, "epochs": 10})
        86.7
    """
    for number in numbers:
        about = {name: number[name] for name in number if name != "val_accuracy"}
        if all(str(row[name]) == value for name, value in about.items()):
            return float(number["val_accuracy"])
    return None


@dataclass(frozen=True)
class Compared:
    """A row of a published table: ours and theirs, by method.

    Args:
        dataset: Its table.
        label: What sets it apart from the other rows of its table.
        ours: Accuracy (%) by method and seed.
        published: Published mean (%) by method, of those that have one.
        chance: Where a network scores (%) that answers one class alone. Defaults to
            that of ten classes of one size.
    """

    dataset: str
    label: str
    ours: Mapping[str, Mapping[int, float]]
    published: Mapping[str, float]
    chance: tuple[float, float] = CHANCE


def agreement(
    ours: Sequence[float], published: float, chance: tuple[float, float] = CHANCE
) -> str:
    """Says whether a published mean of ten seeds is one that ours would predict.

    The interval is that of the mean of ten further seeds, at 95 %:
    `mean ± t sd sqrt(1 / n + 1 / 10)`, widened by the rounding of a published number.

    Args:
        ours: Accuracy (%) of each of `n` seeds.
        published: The published mean (%).
        chance: As in `Compared`.

    Returns:
        `"chance"` where ours and theirs are stuck on one class, `"outside"` where the
        published mean is not in the interval, `"wide"` where it is and the interval is
        more than `WIDEST` on either side, as of seeds of which some train and some do
        not, `"inside"` elsewhere, and `""` with fewer than two seeds.

    Examples:
        >>> agreement([86.0, 88.0, 87.0], 86.7)
        'inside'
        >>> agreement([11.3, 11.1, 11.2], 11.3)
        'chance'
        >>> agreement([11.3, 86.0, 87.0], 86.7)
        'wide'
    """
    n = len(ours)
    if n < 2:
        return ""
    low, high = chance
    if all(low <= value <= high for value in (*ours, published)):
        return "chance"
    width = scipy.stats.t.ppf(0.975, n - 1) * statistics.stdev(ours)
    width = width * math.sqrt(1 / n + 1 / PUBLISHED_SEEDS) + _ROUNDING
    if abs(statistics.fmean(ours) - published) > width:
        return "outside"
    return "wide" if width > WIDEST else "inside"


def entry(
    ours: Sequence[float],
    published: float | None,
    chance: tuple[float, float] = CHANCE,
) -> tuple[str, str]:
    """Returns the cell of a table that has ours over the published number.

    Args:
        ours: Accuracy (%) of each seed.
        published: The published mean (%), if there is one.
        chance: As in `Compared`.

    Returns:
        Its text, and the `agreement`, which is the style of the cell. Where the seeds
        differ by much, the text says how many train.

    Examples:
        >>> entry([86.0], 86.7)[0].splitlines()
        ['86.0', '86.7 (-0.7)']
    """
    parts, mark = [mean_sd(ours)], ""
    if published is not None:
        mark = agreement(ours, published, chance)
        gap = f" ({statistics.fmean(ours) - published:+.1f})" if ours else ""
        parts.append(f"{published:.1f}{gap} {_MARKS[mark]}".strip())
        trained = sum(value > max(TRAINED, chance[1]) for value in ours)
        if mark == "wide" or 0 < trained < len(ours):
            parts.append(f"{trained} of {len(ours)} train")
    return "\n".join(part for part in parts if part), mark


def beside_published(
    rows: Sequence[Compared], methods: Sequence[str]
) -> tuple[list[Table], str]:
    """Sets ours beside the published numbers.

    Returns:
        A table for each data set, which has a row a network and a column a method:
        ours ± sd over seeds, the published number and the difference, and whether it
        lies inside; one of how many do, by method; and the same in a sentence. The
        latter two only where numbers were published.
    """
    tables: list[Table] = []
    marks: dict[str, list[str]] = {method: [] for method in methods}
    for dataset in dict.fromkeys(row.dataset for row in rows):
        lines, styles = [], []
        for row in rows:
            if row.dataset != dataset:
                continue
            entries = [
                entry(
                    list(row.ours[method].values()),
                    row.published.get(method),
                    row.chance,
                )
                for method in methods
            ]
            lines.append([row.label, *(text for text, _ in entries)])
            styles.append(["", *(mark for _, mark in entries)])
            for method, (_, mark) in zip(methods, entries, strict=True):
                if method in row.published:
                    marks[method].append(mark)
        title = f"Validation accuracy (%), {dataset}: ours ± sd, published (difference)"
        tables.append(Table(title, ["", *methods], lines, styles))
    every = [mark for of_method in marks.values() for mark in of_method]
    if not every:
        return tables, ""
    counts = {
        mark: [str(marks[method].count(mark)) for method in methods]
        for mark in ("inside", "chance", "outside", "wide")
    }
    lines = [
        ["inside", *counts["inside"]],
        ["both at chance", *counts["chance"]],
        ["outside", *counts["outside"]],
        ["share of these that agree", *(_share(marks[method]) for method in methods)],
        ["interval too wide", *counts["wide"]],
    ]
    tables.append(Table("Published numbers, by method", ["", *methods], lines))
    agree, decided = _agree(every)
    if every.count("") == len(every):
        return tables, f"None of {len(every)} numbers has been run with enough seeds."
    sentence = (
        f"{agree} of {decided} published numbers lie inside the 95 % interval that our "
        f"seeds predict for a mean of ten ({every.count('chance')} of them are both at "
        f"chance). {every.count('wide')} more lie inside one of more than "
        f"{WIDEST:g} points on either side, which decides nothing; "
        f"{every.count('')} of {len(every)} have not been run with enough seeds."
    )
    return tables, sentence


def _agree(marks: Sequence[str]) -> tuple[int, int]:
    """Returns how many published numbers agree, and how many are decided."""
    agree = marks.count("inside") + marks.count("chance")
    return agree, agree + marks.count("outside")


def _share(marks: Sequence[str]) -> str:
    agree, decided = _agree(marks)
    return f"{agree / decided:.0%}" if decided else ""


def winners(rows: Sequence[Compared]) -> Table | None:
    """Checks who wins each row: the paper's best method against ours, paired by seed.

    The test is the exact sign-flip test of the paired differences between the
    paper's best method and the best of the others in our results.

    Returns:
        A table, or `None` where no numbers were published or nothing was run.
    """
    lines, styles = [], []
    for row in rows:
        methods = list(row.published)
        if not methods or not all(row.ours[method] for method in methods):
            continue
        winner = max(methods, key=lambda method: row.published[method])
        means = {
            method: statistics.fmean(row.ours[method].values()) for method in methods
        }
        rival = max((m for m in methods if m != winner), key=lambda m: means[m])
        seeds = sorted(row.ours[winner].keys() & row.ours[rival].keys())
        gaps = np.array([row.ours[winner][s] - row.ours[rival][s] for s in seeds])
        p = sign_flip_p(gaps)
        if max(*means.values(), *row.published.values()) <= row.chance[1]:
            held = "all at chance"
        elif p < 0.05:
            held = "holds" if gaps.mean() > 0 else "does not hold"
        else:
            held = "undecided"
        lines.append(
            [
                f"{row.dataset}, {row.label}",
                f"{winner} {row.published[winner]:.1f}",
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
