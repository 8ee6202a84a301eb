"""The picture of `lee-protocol`."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.lee2024.protocol import METHODS, Protocol
from experiments.lee2024.protocol_comparison import Comparison, Number

_COLORS = {method: f"C{index}" for index, method in enumerate(METHODS)}
_MARKERS = {"choosing": ("o", ""), "held out": ("D", "white")}


def numbers(
    halves: Mapping[str, Comparison], protocols: Mapping[str, Protocol], path: Path
) -> Path:
    """Draws ours over the published numbers, by protocol and hidden layers."""
    hidden = {cell.hidden for cell in halves["choosing"].cells}
    panels = {
        "0": "Table 1, no hidden layer",
        "16": "Table 1, 16 units",
        "10-6x120": "Table 2, 120 layers",
    }
    panels = {name: title for name, title in panels.items() if name in hidden}
    figure = Figure(figsize=(12, 4 * len(protocols) + 0.5), layout="constrained")
    grid = figure.subplots(
        len(protocols), len(panels), squeeze=False, sharex=True, sharey=True
    )
    for (title, protocol), axes_row in zip(protocols.items(), grid, strict=True):
        for (shown, table), axes in zip(panels.items(), axes_row, strict=True):
            axes.plot([0, 100], [0, 100], color="0.6", lw=1, zorder=0)
            for half, comparison in halves.items():
                for number in comparison.numbers:
                    if number.cell.hidden == shown:
                        ours = comparison.ours(number, protocol)
                        _point(axes, number, ours, half)
            axes.set_title(f"{title}: {table}", loc="left", fontsize=11)
            axes.set_aspect("equal")
            axes.spines[["top", "right"]].set_visible(False)
        axes_row[0].set_ylabel("ours (%), ± sd over seeds")
    for axes in grid[-1]:
        axes.set_xlabel("published (%)")
    for method, color in _COLORS.items():
        grid[0, 0].plot([], [], "o", color=color, label=method)
    for half, (marker, face) in _MARKERS.items():
        label = {"choosing": "chosen on", "held out": "held out"}[half]
        grid[0, 0].plot([], [], marker, color="k", mfc=face or "k", label=label)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=9)
    figure.savefig(path)
    return path


def _point(axes: Any, number: Number, ours: Sequence[float], half: str) -> None:
    color, (marker, face) = _COLORS[number.method], _MARKERS[half]
    axes.errorbar(
        number.published,
        statistics.fmean(ours),
        statistics.stdev(ours) if len(ours) > 1 else 0.0,
        fmt=marker,
        color=color,
        mfc=face or color,
        ms=5,
        lw=0.8,
    )
