"""Pictures that any experiment may have: curves and heat maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

Lines = dict[str, dict[int, list[float]]]
"""By method and by epoch or depth, the values of all seeds."""


def curves(
    panels: Mapping[str, Lines], across: str, path: Path, log: bool = False
) -> Path:
    """Draws validation accuracy: the mean of each method over seeds, and quartiles.

    Args:
        panels: By heading, what each method reached, of all seeds.
        across: What the horizontal axis is.
        path: The PNG file to write.
        log: Whether it is logarithmic. Defaults to `False`.
    """
    columns = min(len(panels), 5 if len(panels) > 4 else 2)
    rows = -(-len(panels) // columns)
    width = 3.6 if columns > 2 else 4.6
    figure = Figure(figsize=(width * columns + 1.4, 3.2 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    methods = dict.fromkeys(method for lines in panels.values() for method in lines)
    looks = {method: (f"C{i}", "osv^D*Px"[i % 8]) for i, method in enumerate(methods)}
    for axes, (heading, lines) in zip(all_axes, panels.items(), strict=False):
        for method, scores in lines.items():
            points = sorted(scores)
            color, marker = looks[method]
            mean = [np.mean(scores[point]) for point in points]
            every = max(1, len(points) // 20)
            axes.plot(points, mean, color=color, marker=marker, ms=4, markevery=every)
            axes.fill_between(
                points,
                *([np.percentile(scores[p], q) for p in points] for q in (25, 75)),
                color=color,
                alpha=0.13,
                lw=0,
            )
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_ylim(0, 100)
        axes.set_xlabel(across)
        if log:
            axes.set_xscale("log")
            ticks = sorted({point for scores in lines.values() for point in scores})
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.minorticks_off()
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in all_axes[len(panels) :]:
        axes.remove()
    for axes in all_axes[::columns]:
        axes.set_ylabel("validation accuracy (%)\nmean and quartiles of seeds")
    handles = [
        Line2D([], [], color=color, marker=marker, ms=4, label=method)
        for method, (color, marker) in looks.items()
    ]
    figure.legend(handles=handles, frameon=False, loc="outside right upper")
    figure.savefig(path)
    return path


def save(figure: Figure, path: Path, handles: Sequence[Artist] = ()) -> Path:
    """Writes a picture, with a legend beside its panels.

    Args:
        figure: It.
        path: The PNG file to write.
        handles: What the legend has, with labels. Defaults to what is drawn in the
            first panel.
    """
    figure.legend(
        handles=list(handles) or figure.axes[0].get_legend_handles_labels()[0],
        frameon=False,
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path)
    return path


def heat_maps(
    maps: Mapping[str, Mapping[tuple[int, ...], float]], title: str, path: Path
) -> Path:
    """Draws a quantity in percent over two widths, a heat map for each method.

    Args:
        maps: By method, the value at each pair of widths (first layer, second).
        title: Heading of the picture.
        path: The PNG file to write.
    """
    first, second = (
        sorted({widths[i] for values in maps.values() for widths in values})
        for i in range(2)
    )
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.subplots(2, 4, sharex=True, sharey=True)
    for axes, (method, values) in zip(grid.ravel(), maps.items(), strict=False):
        image = np.array([[values.get((a, b), np.nan) for b in second] for a in first])
        drawn = axes.imshow(image, origin="lower", vmin=0, vmax=100, cmap="viridis")
        for (a, b), value in np.ndenumerate(image):
            if np.isfinite(value):
                color = "white" if value < 60 else "black"
                axes.text(
                    b, a, f"{value:.0f}", ha="center", va="center", color=color, size=8
                )
        axes.set_xticks(range(len(second)), [str(n) for n in second])
        axes.set_yticks(range(len(first)), [str(n) for n in first])
        axes.set_title(method, loc="left", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("units, second layer")
    for axes in grid[:, 0]:
        axes.set_ylabel("units, first layer")
    figure.colorbar(drawn, ax=grid, shrink=0.6, label="%")
    figure.suptitle(title, fontsize=11)
    figure.savefig(path)
    return path
