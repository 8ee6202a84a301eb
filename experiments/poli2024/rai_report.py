"""The report of what Lu et al. say of networks that are born dead, or collapse."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.engine.frame import Results
from experiments.poli2024.born_dead import METHODS, POINTS, bounds
from experiments.poli2024.born_dead import Cell as BornDead
from experiments.poli2024.collapse import BATCH, CONSTANT, EVERY, SAMPLES
from experiments.poli2024.collapse import Cell as Collapse
from experiments.poli2024.residual_report import MANY
from experiments.reporting import verdicts
from experiments.reporting.comparison import read_published
from experiments.reporting.panels import save
from experiments.reporting.report import Claim, Part, Table, claims_table

SHOWN = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of hidden layers that the table has."""

INFORMATIVE = (0.05, 0.95)
"""Bounds are judged where the upper is at least this and the lower at most that:
elsewhere hardly any network is born dead, or nearly all are, by both."""

ALL = 0.99
"""Part of the networks from which they are as good as all."""

_PUBLISHED = Path(__file__).parent / "published" / "collapse.csv"

Curves = Mapping[tuple[str, int], pd.DataFrame]
"""By method and width, what is dead behind each layer."""


def report(results: Results, folder: Path) -> list[Part]:
    """How many networks are born dead and how many collapse, by width and depth.

    Args:
        results: Of cells of `born_dead` and of `collapse`.
        folder: Where the picture goes.
    """
    frame = results.frame
    curves = _curves(frame[frame["kind"] == "born dead"], results.cells)
    parts: list[Part] = []
    claims: list[Claim] = []
    if curves:
        claims += [
            *_of_bounds(curves),
            *_of_depth(curves),
            *_of_rai(curves),
            *_of_units(curves),
        ]
        parts += [_born_dead(curves), _picture(curves, folder / "born-dead.png")]
    cells = [cell for cell in results.cells if isinstance(cell, Collapse)]
    table, of_collapse = _collapse(frame[frame["kind"] == "collapse"], cells)
    claims += of_collapse
    if table.rows:
        parts.append(table)
    if claims:
        parts.insert(0, claims_table("What Lu et al. and the letter say", claims))
    return [*parts, _note(results.cells)]


def _note(cells: Sequence[Any]) -> str:
    low, high = INFORMATIVE
    drawn = max((c.networks for c in cells if isinstance(c, BornDead)), default=0)
    epochs = max((c.epochs for c in cells if isinstance(c, Collapse)), default=0)
    seeds = max((c.seeds for c in cells if isinstance(c, Collapse)), default=0)
    return (
        "Of Lu et al. the abstract is at hand, and two numbers. "
        f"Born dead: {drawn:,} networks of one input from -√3 to √3 for each method "
        f"and width, followed layer by layer; a network is dead where its slope is 0 "
        f"at all of {POINTS} inputs, a unit where its output is. Bounds are for "
        "symmetric weights without biases, and derived here. They are judged at those "
        f"depths of the table at which the upper is at least {low:.0%} and the lower "
        f"at most {high:.0%}, each by the exact interval of 95 % after Bonferroni, "
        "which holds however much points of one width have in common: they failed if "
        "one interval lies outside. Sooner and later are judged by log-rank tests of "
        "the layers behind which networks died. Units are of all layers, and their "
        "mean is judged by Student's t over networks. "
        f"Collapse: {seeds} networks of each method, Adam at 0.001, batches of {BATCH} "
        f"of {SAMPLES:,} samples, {epochs} epochs; a network has collapsed where its "
        f"outputs vary by less than {CONSTANT:.0%} of the target at the end. Widths "
        "and depths for targets other than |x| are chosen here. Intervals in the table "
        "are Wilson's, 95 %; methods are compared seed by seed, by the sign test of "
        "the seeds that one of them alone collapses with (McNemar)."
    )


# Born dead


def _curves(drawn: pd.DataFrame, cells: Sequence[Any]) -> Curves:
    """Returns what is dead, of networks that were followed to the last layer."""
    curves = {}
    for cell in [c for c in cells if isinstance(c, BornDead)]:
        rows = verdicts.finished(drawn[drawn["width"] == cell.width], cell.depth)
        for method, of_method in rows.groupby("method"):
            curve = of_method.assign(layers=of_method["epoch"] + 1)
            curves[str(method), cell.width] = curve.set_index("layers")
    return curves


def _widths(curves: Curves, *methods: str) -> list[int]:
    """Returns the widths that all of some methods have."""
    widths = sorted({width for _, width in curves})
    return [w for w in widths if all((method, w) in curves for method in methods)]


def _born_dead(curves: Curves) -> Table:
    rows = []
    for width in _widths(curves):
        of_width = {m: curves[m, width] for m in METHODS if (m, width) in curves}
        depth = min(len(curve) for curve in of_width.values())
        for layers in [number for number in SHOWN if number <= depth]:
            low, high = bounds(width, layers)
            shown = {
                quantity: [
                    f"{100 * of_width[method][quantity].loc[layers]:.1f}"
                    if method in of_width
                    else ""
                    for method in METHODS
                ]
                for quantity in ("dead_networks", "dead_units")
            }
            he, rai = shown["dead_networks"]
            rows.append(
                [
                    f"{width} units, {layers} layer{'s' if layers > 1 else ''}",
                    he,
                    f"{100 * low:.1f} to {100 * high:.1f}",
                    rai,
                    *shown["dead_units"],
                ]
            )
    columns = ["", "he", "bounds", "rai", "units, he", "units, rai"]
    return Table("Born dead (%), networks and units of all layers", columns, rows)


def _of_bounds(curves: Curves) -> list[Claim]:
    """Judges the bounds at all points where they say something, at once."""
    least_high, most_low = INFORMATIVE
    points = []
    for width in _widths(curves, "he"):
        for layers in [n for n in SHOWN if n in curves["he", width].index]:
            low, high = bounds(width, layers)
            if high >= least_high and low <= most_low:
                points.append((width, layers, low, high))
    outside, halves = [], []
    for width, layers, low, high in points:
        dead, networks = _count(curves["he", width], layers)
        error = verdicts.SIGNIFICANT / len(points)
        interval = scipy.stats.binomtest(dead, networks).proportion_ci(1 - error)
        halves.append((interval.high - interval.low) / 2)
        if interval.low > high or interval.high < low:
            outside.append(f"{width} units {layers} layers")
    if not points:
        return []
    return [
        (
            "Derived here: the chance that a symmetric network is born dead is between "
            "the bounds",
            f"outside at {', '.join(outside) or 'none'} of {len(points)} widths and "
            f"depths, by intervals of up to ±{100 * max(halves):.0f} points",
            not outside,
        )
    ]


def _of_depth(curves: Curves) -> list[Claim]:
    """Judges that deep networks die, and the sooner the narrower."""
    widths = _widths(curves, "he")
    if not widths:
        return []
    of_he = [curves["he", width] for width in widths]
    layers = len(of_he[0])
    dead, networks = _count(of_he[0], layers)
    p = float(scipy.stats.binomtest(dead, networks, ALL).pvalue)
    claims: list[Claim] = [
        (
            "Lu et al., abstract: a deep ReLU network is dead in the end (he, "
            f"{widths[0]} units, {layers} layers: more than {ALL:.0%})",
            f"{100 * dead / networks:.1f} %",
            verdicts.held([dead > ALL * networks], [p]),
        )
    ]
    if len(widths) > 1:
        pairs = zip(of_he[:-1], of_he[1:], strict=True)
        claims.append(
            (
                "Derived here: the narrower, the sooner (he, each width and the next)",
                _shown(curves, "he", widths),
                _all_sooner([_sooner(narrow, wide) for narrow, wide in pairs]),
            )
        )
    return claims


def _of_rai(curves: Curves) -> list[Claim]:
    widths = _widths(curves, *METHODS)
    if not widths:
        return []
    return [
        (
            "Lu et al., abstract: RAI prevents it (later or more rarely than with he, "
            "at each width)",
            _shown(curves, "rai", widths),
            _all_sooner([_sooner(curves["he", w], curves["rai", w]) for w in widths]),
        )
    ]


def _of_units(curves: Curves) -> list[Claim]:
    widths = _widths(curves, "he")
    if not widths:
        return []
    last = [curves["he", width].iloc[-1] for width in widths]
    layers, p = len(curves["he", widths[0]]), []
    for row in last:
        error = row["dead_units_sd"] / np.sqrt(row["networks"])
        distance = abs(row["dead_units"] - MANY)
        # Of networks that are all alike nothing is left to chance.
        t = distance / error if error > 0 else np.inf
        p.append(float(2 * scipy.stats.t.sf(t, row["networks"] - 1)))
    return [
        (
            "2.2 of the letter: with a mean of 0 a significant proportion of the "
            f"neurons of a ReLU network are born dead (he, {layers} layers, at least "
            f"{MANY:.0%} at each width)",
            ", ".join(
                f"{width} units {100 * row['dead_units']:.0f} %"
                for width, row in zip(widths, last, strict=True)
            ),
            verdicts.held([row["dead_units"] > MANY for row in last], p),
        )
    ]


def _count(curve: pd.DataFrame, layers: int) -> tuple[int, int]:
    """Returns how many networks are dead behind so many layers, and of how many."""
    networks = int(curve["networks"].loc[layers])
    return round(curve["dead_networks"].loc[layers] * networks), networks


def _shown(curves: Curves, method: str, widths: Sequence[int]) -> str:
    """Says how many networks are dead behind the last layer, by width."""
    depth = len(curves[method, widths[0]])
    return f"behind {depth} layers " + ", ".join(
        f"{width} units {100 * curves[method, width]['dead_networks'].iloc[-1]:.1f} %"
        for width in widths
    )


def _sooner(ours: pd.DataFrame, others: pd.DataFrame) -> tuple[bool, float]:
    """Returns whether ours die sooner than others, and how likely that is by chance."""
    if not (ours["dead_networks"].any() or others["dead_networks"].any()):
        return False, 1.0
    test = scipy.stats.logrank(_lives(ours), _lives(others))
    return bool(test.statistic > 0), float(test.pvalue)


def _lives(curve: pd.DataFrame) -> scipy.stats.CensoredData:
    """Returns the layers behind which networks died; the end for those that did not."""
    dead, networks = zip(
        *(_count(curve, layers) for layers in curve.index), strict=True
    )
    died = np.repeat(curve.index.to_numpy(), np.diff(dead, prepend=0))
    return scipy.stats.CensoredData(
        uncensored=died, right=np.full(networks[-1] - dead[-1], curve.index[-1])
    )


def _all_sooner(tests: Sequence[tuple[bool, float]]) -> bool | None:
    ahead, p = zip(*tests, strict=True)
    return verdicts.held(ahead, p)


# Collapse


def _collapse(
    trained: pd.DataFrame, cells: Sequence[Collapse]
) -> tuple[Table, list[Claim]]:
    published = {(r["target"], r["method"]): r for r in read_published(_PUBLISHED)}
    rows, claims = [], list[Claim]()
    for cell in cells:
        done = verdicts.finished(trained[trained["target"] == cell.target], cell.epochs)
        done = done.assign(collapsed=done.get("spread", np.nan) < CONSTANT)
        halfway = done[done["epoch"] == cell.epochs // 2 // EVERY * EVERY - 1]
        last = done[done["epoch"] == cell.epochs - 1]
        for method in [m for m in METHODS if m in set(last["method"])]:
            ends = last[last["method"] == method]["collapsed"]
            before = halfway[halfway["method"] == method]["collapsed"]
            test = scipy.stats.binomtest(int(ends.sum()), len(ends))
            interval = test.proportion_ci(method="wilson")
            known = published.get((cell.target, method), {})
            rows.append(
                [
                    cell.target,
                    method,
                    f"{100 * before.mean():.1f}" if len(before) else "",
                    f"{100 * ends.mean():.1f} ({100 * interval.low:.1f} to "
                    f"{100 * interval.high:.1f})",
                    known.get("percent", ""),
                    str(len(ends)),
                ]
            )
        if verdicts.have_all(last, METHODS, cell.seeds):
            claims.append(_of_collapse(cell.target, last))
    columns = ["", "method", "halfway (%)", "collapsed (%)", "published", "networks"]
    return Table("Collapsed when trained", columns, rows), claims


def _of_collapse(target: str, last: pd.DataFrame) -> Claim:
    """Judges, seed by seed, that fewer collapse with RAI."""
    by_seed = last.set_index(["seed", "method"])["collapsed"].unstack()
    he_alone = int((by_seed["he"] & ~by_seed["rai"]).sum())
    rai_alone = int((by_seed["rai"] & ~by_seed["he"]).sum())
    p = verdicts.sign_test(he_alone, rai_alone)
    return (
        f"Lu et al.: with RAI fewer networks collapse on {target}",
        f"{100 * by_seed['he'].mean():.1f} % with He, "
        f"{100 * by_seed['rai'].mean():.1f} % with RAI (p = {p:.2g})",
        verdicts.held([he_alone > rai_alone], [p]),
    )


def _picture(curves: Curves, path: Path) -> Path:
    """Draws how many are born dead over depth, by width, between the bounds."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels: Sequence[Any] = figure.subplots(1, 2, sharey=True)
    widths = _widths(curves)
    for axes, method, title in zip(
        panels, METHODS, ("He, and its bounds", "RAI"), strict=True
    ):
        for index, width in enumerate(widths):
            if (method, width) not in curves:
                continue
            dead = 100 * curves[method, width]["dead_networks"]
            layers = dead.index
            color = f"C{index}"
            axes.plot(layers, dead, color=color)
            if method == "he":
                both = [bounds(width, int(number)) for number in layers]
                low, high = zip(*both, strict=True)
                axes.fill_between(
                    layers,
                    [100 * value for value in low],
                    [100 * value for value in high],
                    color=color,
                    alpha=0.2,
                    lw=0,
                )
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("hidden layers")
        axes.set_ylim(0, 100)
    panels[0].set_ylabel("networks that are born dead (%)")
    handles = [
        Line2D([], [], color=f"C{index}", label=f"{width} units")
        for index, width in enumerate(widths)
    ]
    return save(figure, path, handles)
