"""Pictures of `relu-range`: who trains at which rate, and what doubled weights do."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.relu_range.cells import INITIALIZERS, RATES, key, kinds
from experiments.reporting.statistics import Rows, median, where

Growth = tuple[np.ndarray, tuple[float, float] | None]
"""Points of layers and log2 of a growth; slope and intercept of a line, if any."""


def rates(rows: Rows, limits: Mapping[Any, float], path: Path) -> Path:
    """Draws accuracy over initializer and rate, with the predicted boundary."""
    panels, depths = kinds(rows), sorted({row["depth"] for row in rows})
    size = (1.5 * len(depths) + 3.4, 1.9 * len(panels) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(
        len(panels), len(depths), squeeze=False, sharex=True, sharey=True
    )
    logs = np.log10(RATES)
    colors = matplotlib.colormaps["viridis"]
    for axes_row, (activation, loss) in zip(grid, panels, strict=True):
        for axes, depth in zip(axes_row, depths, strict=True):
            cell = where(rows, activation=activation, loss=loss, depth=depth)
            for index, name in enumerate(INITIALIZERS):
                selected = where(cell, initializer=name)
                for x, rate in zip(logs, RATES, strict=True):
                    scores = [row["accuracy"] for row in where(selected, rate=rate)]
                    if scores:
                        color = colors(np.mean(scores))
                        axes.bar(x, 1, 1, index - 0.5, color=color)
                known = {key(row): limits.get(key(row), np.nan) for row in selected}
                limit = median([v for v in known.values() if np.isfinite(v)])
                if np.isfinite(limit):
                    edge = np.clip(np.log10(limit), logs[0] - 0.5, logs[-1] + 0.5)
                    axes.plot([edge] * 2, [index - 0.5, index + 0.5], "r", lw=3)
            axes.set_xlim(logs[0] - 0.55, logs[-1] + 0.55)
            axes.set_title(f"{depth} hidden", loc="left", fontsize=9)
        axes_row[0].set_yticks(range(len(INITIALIZERS)), list(INITIALIZERS))
        axes_row[0].set_ylabel(f"{activation}\n{loss}", fontsize=9)
    for axes in grid[-1]:
        axes.set_xticks(logs, [f"{x:.0f}" for x in logs])
        axes.set_xlabel("log10 of the rate", fontsize=9)
    drawn = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 100), colors)
    figure.colorbar(drawn, ax=grid, label="accuracy (%)", shrink=0.6)
    figure.suptitle(path.stem.removeprefix("map-"), fontsize=11)
    figure.savefig(path)
    return path


def growth(panels: Mapping[str, Mapping[str, Growth]], path: Path) -> Path:
    """Draws how much quantities grow over the number of layers, with their lines."""
    figure = Figure(figsize=(3.6 * len(panels), 3.8), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, (heading, panel) in zip(grid, panels.items(), strict=True):
        ends = np.array([2.0, 3.0])
        for color, (what, (points, line)) in enumerate(panel.items()):
            shift = 0.15 * (color - 1)  # So that they do not hide each other.
            style = {"color": f"C{color}", "alpha": 0.5}
            axes.plot(points[:, 0] + shift, points[:, 1], ".", label=what, **style)
            if line is not None:
                ends = np.array([points[:, 0].min(), points[:, 0].max()])
                axes.plot(ends, line[0] * ends + line[1], color=f"C{color}")
        axes.plot(ends, ends, "--", color="black", lw=1, label="2^d")
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_xlabel("layers d")
        axes.set_yscale("symlog", linthresh=10)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0].set_ylabel("log2 of the growth when\nall weights double")
    figure.legend(
        *grid[0].get_legend_handles_labels(),
        frameon=False,
        loc="outside lower center",
        ncols=4,
    )
    figure.savefig(path)
    return path
