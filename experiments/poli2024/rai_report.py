"""The report of what Lu et al. say of networks that are born dead, or collapse."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import scipy.stats
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.engine.frame import Results
from experiments.poli2024.born_dead import METHODS, bounds
from experiments.poli2024.collapse import CONSTANT
from experiments.poli2024.collapse import Cell as Collapse
from experiments.reporting.comparison import read_published
from experiments.reporting.report import Claim, Part, Table, claims_table

SHOWN = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of hidden layers that the table has."""

_PUBLISHED = Path(__file__).parent / "published" / "collapse.csv"
_CONFIDENCE = 0.95


def report(results: Results, folder: Path) -> list[Part]:
    """How many networks are born dead and how many collapse, by width and depth.

    Args:
        results: Of cells of `born_dead` and of `collapse`.
        folder: Where the picture goes.
    """
    frame = results.frame.assign(layers=results.frame["epoch"] + 1)
    drawn = frame[frame["kind"] == "born dead"]
    trained = frame[frame["kind"] == "collapse"]
    parts: list[Part] = []
    claims: list[Claim] = []
    if len(drawn):
        claims += _born_dead_claims(drawn)
        parts += [_born_dead(drawn), _picture(drawn, folder / "born-dead.png")]
    if len(trained):
        table, of_collapse = _collapse(trained)
        claims += of_collapse
        parts.append(table)
    networks = int(drawn["networks"].max()) if len(drawn) else 0
    epochs = [cell.epochs for cell in results.cells if isinstance(cell, Collapse)]
    return [
        claims_table("What Lu et al. and the letter say", claims),
        *parts,
        f"Born dead: {networks:,} networks of one input from -√3 to √3 for each width, "
        "drawn once; a network is dead where its slope is 0 for all inputs, a unit "
        "where its output is. Bounds are for symmetric weights without biases. "
        f"Collapse: Adam at 0.001, batches of 128 of 3,000 samples, "
        f"{max(epochs, default=0)} epochs; a network has collapsed where its outputs "
        f"vary by less than {CONSTANT:.0%} of the target at the end. Intervals are "
        "Wilson's, 95 %.",
    ]


def _born_dead(drawn: pd.DataFrame) -> Table:
    by = drawn.set_index(["method", "width", "layers"])[["dead_networks", "dead_units"]]
    parts = by.to_dict("index")
    rows = []
    for width in sorted(drawn["width"].unique()):
        for layers in [n for n in SHOWN if n <= drawn["layers"].max()]:
            low, high = bounds(int(width), layers)
            he, rai = (parts[method, width, layers] for method in METHODS)
            rows.append(
                [
                    f"{width:.0f} units, {layers} layers",
                    f"{100 * he['dead_networks']:.1f}",
                    f"{100 * low:.1f} to {100 * high:.1f}",
                    f"{100 * rai['dead_networks']:.1f}",
                    f"{100 * he['dead_units']:.1f}",
                    f"{100 * rai['dead_units']:.1f}",
                ]
            )
    columns = ["", "he", "bounds", "rai", "units, he", "units, rai"]
    return Table("Born dead (%), networks and units of the last layer", columns, rows)


def _born_dead_claims(drawn: pd.DataFrame) -> list[Claim]:
    he = drawn[drawn["method"] == "he"]
    outside, tested = 0, 0
    for _, row in he.iterrows():
        low, high = bounds(int(row["width"]), int(row["layers"]))
        least, most = _interval(row["dead_networks"], int(row["networks"]))
        tested += 1
        outside += least > high + 1e-12 or most < low - 1e-12
    last = drawn[drawn["layers"] == drawn["layers"].max()]
    dead = last.set_index(["method", "width"])["dead_networks"]
    widths = sorted(last["width"].unique())
    narrow, wide = widths[0], widths[-1]
    first = he[(he["layers"] == 1)].set_index("width")["dead_units"]
    deepest = last[last["method"] == "he"].set_index("width")["dead_units"]
    layers = int(last["layers"].max())
    # Of so many intervals a twentieth may miss by chance.
    return [
        (
            "Lu et al., theorem 3.4: the chance that a symmetric network is born dead "
            "is between the bounds, at every width and depth",
            f"outside of them, by more than chance, {outside} of {tested}",
            outside <= tested * (1 - _CONFIDENCE),
        ),
        (
            f"Lu et al.: it goes to 1 with depth, the sooner the narrower ({layers} "
            "layers)",
            ", ".join(f"{w:.0f} units {100 * dead['he', w]:.1f} %" for w in widths),
            bool(dead["he", narrow] > 0.99 and dead["he", narrow] > dead["he", wide]),
        ),
        (
            f"Lu et al.: RAI has fewer ({layers} layers)",
            ", ".join(f"{w:.0f} units {100 * dead['rai', w]:.1f} %" for w in widths),
            all(dead["rai", w] <= dead["he", w] for w in widths)
            and any(dead["rai", w] < dead["he", w] for w in widths),
        ),
        (
            "The letter, of Lu et al.: with a mean of zero a significant part of the "
            "units is born dead (units of the first and of the last layer)",
            ", ".join(
                f"{w:.0f} wide {100 * first[w]:.0f} and {100 * deepest[w]:.0f} %"
                for w in widths
            ),
            bool((deepest > 0.1).all()),
        ),
    ]


def _interval(part: float, count: int) -> tuple[float, float]:
    test = scipy.stats.binomtest(round(part * count), count)
    interval = test.proportion_ci(_CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def _collapse(trained: pd.DataFrame) -> tuple[Table, list[Claim]]:
    published = {(r["target"], r["method"]): r for r in read_published(_PUBLISHED)}
    last = trained[trained["epoch"] == trained["epochs"] - 1]
    rows, claims = [], list[Claim]()
    for target, of_target in last.groupby("target", sort=False):
        ends = {
            method: (of_method["spread"] < CONSTANT).to_numpy()
            for method, of_method in of_target.groupby("method")
        }
        for method in METHODS:
            count = len(ends[method])
            least, most = _interval(float(ends[method].mean()), count)
            known = published.get((str(target), method), {})
            rows.append(
                [
                    str(target),
                    method,
                    f"{100 * ends[method].mean():.1f} ({100 * least:.1f} to "
                    f"{100 * most:.1f})",
                    known.get("percent", ""),
                    str(count),
                ]
            )
        table = [[int(e.sum()), int((~e).sum())] for e in (ends[m] for m in METHODS)]
        p = float(scipy.stats.fisher_exact(table).pvalue)
        fewer = ends["rai"].mean() < ends["he"].mean()
        claims.append(
            (
                f"Lu et al.: with RAI fewer networks collapse on {target}",
                f"{100 * ends['he'].mean():.1f} % with He, "
                f"{100 * ends['rai'].mean():.1f} % with RAI (p = {p:.2g})",
                bool(fewer) if p < 1 - _CONFIDENCE else None,
            )
        )
    columns = ["", "method", "collapsed (%)", "published", "networks"]
    return Table("Collapsed when trained", columns, rows), claims


def _picture(drawn: pd.DataFrame, path: Path) -> Path:
    """Draws how many are born dead over depth, by width, between the bounds."""
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    panels: Sequence[Any] = figure.subplots(1, 2, sharey=True)
    widths = sorted(int(width) for width in drawn["width"].unique())
    for axes, method, title in zip(
        panels, METHODS, ("He, and its bounds", "RAI"), strict=True
    ):
        for index, width in enumerate(widths):
            chosen = drawn[(drawn["method"] == method) & (drawn["width"] == width)]
            layers, dead = chosen["layers"], 100 * chosen["dead_networks"]
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
    figure.legend(
        [Line2D([], [], color=f"C{index}") for index in range(len(widths))],
        [f"{width} units" for width in widths],
        frameon=False,
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path)
    return path
