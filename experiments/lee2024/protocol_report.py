"""The report of `lee-protocol`: what was chosen, how sure, and how good it is."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from experiments.lee2024 import plots
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.lee2024.protocol_comparison import Comparison, Number
from experiments.reporting.report import Part, Table, mean_sd

DECIDED = 0.95
"""Share of resamples from which the numbers are said to decide a field."""

_COMPARED = {
    "Table 1": "of Table 1 no hidden layer and one of 16 units, with 4, 2 and 1 "
    "samples a class after 10 and 100 epochs and with all samples after 10 (not 512 "
    "units and 100 epochs on all samples, which cost too much)",
    "Table 2": "of Table 2 ReLU, GELU and tanh (not SELU, for its cost, and sigmoid, "
    "under which the paper prints chance throughout)",
}
_RUNNERS_UP = 4
_FARTHEST = 20


def parts(
    choosing: Comparison,
    held_out: Comparison,
    ranked: Sequence[Protocol],
    shares: Mapping[tuple[str, Any], float],
    former: Protocol,
    folder: Path,
) -> list[Part]:
    """Returns the parts of the report, with a picture and a CSV of all numbers.

    Args:
        choosing: With the numbers that the protocol was chosen on.
        held_out: With the others.
        ranked: All protocols, the nearest first.
        shares: Of resamples in which a value is that of the nearest protocol, by name
            and value of a field.
        former: A protocol to show beside it.
        folder: Where picture and CSV go.
    """
    best = ranked[0]
    halves = {"choosing": choosing, "held out": held_out}
    names = list(dict.fromkeys(name for name, _ in shares))
    chosen = ", ".join(f"{name} = {getattr(best, name)}" for name in names)
    sure = {
        name: max(share for (of, _), share in shares.items() if of == name)
        for name in names
    }
    decided = [name for name in names if sure[name] >= DECIDED]
    left_open = [name for name in names if name not in decided]
    numbers = pd.DataFrame(_rows(halves, best, former))
    numbers.to_csv(folder / "numbers.csv", index=False, lineterminator="\n")
    return [
        f"Nearest of {len(ranked)} protocols: {chosen}. On the half of the cells "
        f"that it was chosen on its distance is {choosing.distance(best):.2f} "
        f"({len(choosing.numbers)} numbers); on the half that no choice was made "
        f"on it is {held_out.distance(best):.2f} ({len(held_out.numbers)} numbers), "
        f"where that of the former default is {held_out.distance(former):.2f}.",
        f"The numbers decide {_listed(decided)}: one value is that of the nearest "
        f"protocol in {DECIDED:.0%} or more of all resamples of the cells that it "
        f"was chosen on. They leave open {_listed(left_open)}.",
        "The distance to a number is |ours - published| / (0.5 + 1.96 sd sqrt(1/n "
        f"+ 1/10)), at most 5, with the mean and sd over n = {choosing.seeds} "
        "seeds in percentage points; that of a protocol is the mean over numbers. "
        "A protocol that agrees with the paper to its own spread is at 1 or less. "
        + _by_likelihood(choosing, ranked, names),
        f"Compared are {'; '.join(_COMPARED[table] for table in choosing.tables)}. "
        "The cells were split once, at random, within each kind of hidden layers.",
        _fields(choosing, held_out, ranked, shares),
        _compared(choosing, held_out, ranked, former, list(dict(shares))),
        *_zero(halves, best),
        _by_method(halves, best),
        plots.numbers(
            halves,
            {"chosen": best, "former default": former},
            folder / "numbers.png",
        ),
        _farthest(halves, best),
        folder / "numbers.csv",
    ]


def _by_likelihood(
    choosing: Comparison, ranked: Sequence[Protocol], names: Sequence[str]
) -> str:
    """Tells what would be nearest by a measure that does not reward noise."""
    likeliest = min(ranked, key=choosing.surprise)
    other = [
        f"{name} = {getattr(likeliest, name)}"
        for name in names
        if getattr(likeliest, name) != getattr(ranked[0], name)
    ]
    which = f"one with {', '.join(other)}" if other else "the same protocol"
    return (
        "By likelihood, which a wide spread costs (Student's t with four degrees of "
        f"freedom, its scale the denominator over 1.96), the nearest is {which}."
    )


def _fields(
    choosing: Comparison,
    held_out: Comparison,
    ranked: Sequence[Protocol],
    shares: Mapping[tuple[str, Any], float],
) -> Table:
    best = ranked[0]
    lines, styles = [], []
    for (name, value), share in shares.items():
        nearest = next(p for p in ranked if getattr(p, name) == value)
        alone = replace(best, **{name: value})
        chosen = getattr(best, name) == value
        lines.append(
            [
                f"{name} = {value}",
                f"{share:.0%}",
                f"{choosing.distance(nearest):.2f}",
                f"{choosing.distance(alone):.2f}",
                f"{held_out.distance(alone):.2f}",
                "chosen" if chosen else "",
            ]
        )
        styles.append(["inside" if chosen else ""] * 6)
    columns = [
        "choice",
        "share of resamples",
        "choosing: nearest with it",
        "choosing: chosen but for it",
        "held out: chosen but for it",
        "",
    ]
    return Table("Distance, by field", columns, lines, styles)


def _compared(
    choosing: Comparison,
    held_out: Comparison,
    ranked: Sequence[Protocol],
    former: Protocol,
    choices: Sequence[tuple[str, Any]],
) -> Table:
    names = list(dict.fromkeys(name for name, _ in choices))
    best = ranked[0]

    def changed(other: Protocol) -> str:
        return ", ".join(
            f"{name} = {getattr(other, name)}"
            for name in names
            if getattr(other, name) != getattr(best, name)
        )

    # How near one gets on the half held out, on which nothing is chosen.
    floor = min(ranked, key=held_out.distance)
    shown = {
        "chosen": best,
        **{
            f"{rank}. {changed(protocol)}": protocol
            for rank, protocol in enumerate(ranked[1 : 1 + _RUNNERS_UP], 2)
        },
        f"former default: {changed(former)}": former,
        f"nearest to the held-out half itself: {changed(floor) or 'chosen'}": floor,
    }
    lines = [
        [
            text,
            f"{choosing.distance(protocol):.2f}",
            f"{held_out.distance(protocol):.2f}",
            str(
                1
                + sorted(map(held_out.distance, ranked)).index(
                    held_out.distance(protocol)
                )
            )
            if protocol in ranked
            else "",
        ]
        for text, protocol in shown.items()
    ]
    columns = ["protocol", "choosing", "held out", f"rank of {len(ranked)} held out"]
    return Table("Distance on the half chosen on, and on the other", columns, lines)


def _tables(halves: Mapping[str, Comparison]) -> list[str]:
    return halves["choosing"].tables


def _zero(halves: Mapping[str, Comparison], best: Protocol) -> list[str | Table]:
    """Shows ZerO's orientation and scale for each table."""
    lines, means = [], {}
    scales: tuple[Literal["paper", "notebook"], ...] = ("paper", "notebook")
    for transpose, scale in itertools.product((True, False), scales):
        other = replace(best, zero_transpose=transpose, zero_scale=scale)
        line = [f"zero_transpose = {transpose}, zero_scale = {scale}"]
        for table, (half, comparison) in itertools.product(
            _tables(halves), halves.items()
        ):
            mean = _mean(comparison, other, table, "zero")
            means[table, half, transpose, scale] = mean
            line.append(f"{mean:.2f}")
        lines.append(line)
    nearest = {
        table: min(
            (True, False),
            key=lambda transpose: min(
                means[table, "choosing", transpose, scale] for scale in scales
            ),
        )
        for table in _tables(halves)
    }
    texts = [f"{table} to zero_transpose = {value}" for table, value in nearest.items()]
    columns = [
        "",
        *(f"{t}, {half}" for t, half in itertools.product(_tables(halves), halves)),
    ]
    title = "Distance of the column zero alone, all else as chosen"
    differ = len(set(nearest.values())) > 1
    if len(nearest) == 1:
        return [Table(title, columns, lines)]
    sentence = f"ZerO is nearest in {' and in '.join(texts)}: the tables " + (
        "differ, and no one protocol fits both."
        if differ
        else "agree on its orientation."
    )
    return [Table(title, columns, lines), sentence]


def _by_method(halves: Mapping[str, Comparison], best: Protocol) -> Table:
    lines = [
        [
            method,
            *(
                f"{_mean(comparison, best, table, method):.2f}"
                for table, comparison in itertools.product(
                    _tables(halves), halves.values()
                )
            ),
        ]
        for method in METHODS
    ]
    columns = [
        "",
        *(f"{t}, {half}" for t, half in itertools.product(_tables(halves), halves)),
    ]
    return Table("Distance of the chosen protocol, by method", columns, lines)


def _farthest(halves: Mapping[str, Comparison], best: Protocol) -> Table:
    differences = [
        (statistics.fmean(ours) - number.published, half, number, ours)
        for half, comparison in halves.items()
        for number in comparison.numbers
        for ours in [comparison.ours(number, best)]
    ]
    differences.sort(key=lambda difference: -abs(difference[0]))
    lines = [
        [
            f"{number.table}: {_label(number)}",
            number.method,
            mean_sd(ours),
            f"{number.published:.1f}",
            f"{gap:+.1f}",
            half,
        ]
        for gap, half, number, ours in differences[:_FARTHEST]
    ]
    columns = ["", "method", "ours ± sd", "published", "difference", "half"]
    return Table(f"The {_FARTHEST} numbers farthest off", columns, lines)


def _rows(
    halves: Mapping[str, Comparison], best: Protocol, former: Protocol
) -> list[dict[str, Any]]:
    """Returns a row for each number, with what both protocols give."""
    rows = []
    for half, comparison in halves.items():
        chosen, before = comparison.distances(best), comparison.distances(former)
        for index, number in enumerate(comparison.numbers):
            ours = comparison.ours(number, best)
            others = comparison.ours(number, former)
            cell = number.cell
            rows.append(
                {
                    "half": half,
                    "table": number.table,
                    "dataset": cell.dataset,
                    "activation": cell.activation,
                    "hidden": cell.hidden,
                    "samples_per_class": cell.samples_per_class or "all",
                    "epochs": number.epochs,
                    "method": number.method,
                    "published": number.published,
                    "seeds": len(ours),
                    "mean": f"{statistics.fmean(ours):.2f}",
                    "sd": f"{statistics.stdev(ours):.2f}" if len(ours) > 1 else "",
                    "distance": f"{chosen[index]:.3f}",
                    "former_mean": f"{statistics.fmean(others):.2f}",
                    "former_distance": f"{before[index]:.3f}",
                }
            )
    return rows


def _mean(comparison: Comparison, protocol: Protocol, table: str, method: str) -> float:
    distances = [
        distance
        for number, distance in zip(
            comparison.numbers, comparison.distances(protocol), strict=True
        )
        if number.table == table and number.method == method
    ]
    return statistics.fmean(distances) if distances else float("nan")


def _label(number: Number) -> str:
    cell = number.cell
    if number.table == "Table 2":
        return f"{cell.dataset}, {cell.activation}"
    samples = cell.samples_per_class or "all"
    return (
        f"{cell.dataset}, {cell.hidden} units, {samples} a class, "
        f"{number.epochs} epochs"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none of the fields"
