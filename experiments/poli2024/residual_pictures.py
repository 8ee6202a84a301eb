"""Pictures of residual ReLU networks: which channels are near dead, layer by layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.poli2024.residual import COMPARED, Networks
from experiments.reporting.panels import save

Known = Sequence[tuple[Networks, pd.DataFrame]]
"""Networks of one form, and the rows of their runs that are finished."""

_COLUMNS = 4


def near_dead(starts: Known, path: Path) -> Path:
    """Draws how many channels are near dead at the start, by method.

    Args:
        starts: Networks, a row for each run and layer.
        path: The PNG file to write.
    """
    figure, panels = _panels(starts)
    for axes, (_, rows) in zip(panels, starts, strict=True):
        for method, color in _colors(rows).items():
            by_layer = rows[rows["method"] == method].groupby("epoch")["near_dead"]
            parts = 100 * by_layer.mean()
            axes.plot(parts.index + 1, parts, color=color)
    return _finish(figure, path)


def epochs(trained: Known, path: Path) -> Path:
    """Draws how many channels are near dead after the first and the last epoch.

    Args:
        trained: Networks, a row for each run and epoch.
        path: The PNG file to write.
    """
    figure, panels = _panels(trained)
    for axes, (cell, rows) in zip(panels, trained, strict=True):
        layers = range(1, cell.relu_layers + 1)
        names = [f"near_dead_{number}" for number in layers]
        for epoch, style in ((0, ":"), (rows["epoch"].max(), "-")):
            for method, color in _colors(rows).items():
                chosen = (rows["method"] == method) & (rows["epoch"] == epoch)
                parts = 100 * rows[chosen][names].mean()
                axes.plot(layers, parts, style, color=color)
    styles = {"first epoch": ":", "last epoch": "-"}
    return _finish(figure, path, styles)


def _colors(rows: pd.DataFrame) -> dict[str, str]:
    known = set(rows["method"])
    return {m: f"C{index}" for index, m in enumerate(COMPARED) if m in known}


def _panels(known: Known) -> tuple[Figure, list[Any]]:
    columns = min(_COLUMNS, len(known))
    lines = -(-len(known) // columns)
    figure = Figure(figsize=(3.1 * columns + 1.4, 2.7 * lines), layout="constrained")
    grid: Any = figure.subplots(lines, columns, squeeze=False, sharey=True)
    panels = list(grid.ravel())
    for axes in panels[len(known) :]:
        axes.remove()
    panels = panels[: len(known)]
    for place, (axes, (cell, _)) in enumerate(zip(panels, known, strict=True)):
        title = f"{cell.network}\n{cell.data}\n{cell.normalization}"
        axes.set_title(title, loc="left", fontsize=8)
        axes.set_ylim(-3, 103)
        if place % columns == 0:
            axes.set_ylabel("near dead (%)")
        if place + columns >= len(known):
            axes.set_xlabel("ReLU layer")
    return figure, panels


def _finish(figure: Figure, path: Path, styles: Mapping[str, str] = {}) -> Path:  # noqa: B006
    handles = [
        Line2D([], [], color=f"C{index}", label=method)
        for index, method in enumerate(COMPARED)
    ]
    handles += [
        Line2D([], [], color="0.3", ls=style, label=epoch)
        for epoch, style in styles.items()
    ]
    return save(figure, path, handles)
