"""What the report of a table or figure of Lee et al. (2024) shows."""

import statistics
from pathlib import Path

from experiments import plots, tables
from experiments.lee import METHODS, Cell
from experiments.report import Table, mean_sd
from experiments.tables import Evidence

_TRAINED = 20.0
_CLAIMED = (
    "Published (section 4.4): with 10 units a layer RAI and GSM train up to 50 layers "
    "and hardly at 100; with 4 units only the proposed method trains at 100; of 120 "
    "layers of 10 and 6 units only those of the proposed method and of ZerO train."
)
_LOWEST_PRINTED = {
    "lee-fig4": "Published (section 4.5): proposed 54.3 at 2 and 2; all others 10.",
    "lee-fig5": "Published (section 4.5): proposed 25 at 2 and 4; all others 10.",
}


def table(evidence: Evidence, folder: Path) -> list[str | Table | Path]:
    """Ours beside the published numbers, who wins each row, and learning curves."""
    beside, total = tables.beside_published(evidence)
    parts: list[str | Table | Path | None] = [total, *beside]
    parts += [tables.orders(evidence), tables.other_choices(evidence)]
    deep = {
        f"{cell.dataset}, {cell.activation}": _by_method(evidence, cell)
        for cell in evidence.cells
        if not cell.reported
    }
    if any(deep.values()):
        parts.append(plots.curves(deep, "epoch", folder / "curves.png"))
    return [part for part in parts if part]


def figure3(evidence: Evidence, folder: Path) -> list[str | Table | Path]:
    """Accuracy over depth, for each width, and over epochs, for each depth."""
    over_depth: dict[str, plots.Lines] = {}
    over_epochs: dict[str, plots.Lines] = {}
    lines, trained = [], []
    for cell in evidence.cells:
        final = {m: evidence.scores(cell, cell.epochs, m) for m in METHODS}
        widths = " and ".join(map(str, cell.widths))
        name = f"{cell.dataset}, depth {cell.depth}, {widths} units a layer"
        each = [list(final[method].values()) for method in METHODS]
        lines.append([name, *map(mean_sd, each)])
        counts = [str(sum(v > _TRAINED for v in own)) if own else "" for own in each]
        trained.append([name, *counts])
        if len(cell.widths) > 1:
            heading = f"{cell.dataset}, {cell.depth} layers of 10 and 6 units"
            over_epochs[heading] = _by_method(evidence, cell)
            continue
        heading = f"{cell.dataset}, {cell.widths[0]} units a layer"
        panel = over_depth.setdefault(heading, {})
        for method, scores in final.items():
            if scores:
                panel.setdefault(method, {})[cell.depth] = list(scores.values())
    title = f"Validation accuracy (%) after {evidence.cells[0].epochs} epochs"
    of = f"Seeds of {evidence.seeds} that train: more than {_TRAINED:g} % after them"
    return [
        plots.curves(over_depth, "hidden layers", folder / "depth.png", log=True),
        plots.curves(over_epochs, "epoch", folder / "epochs.png"),
        Table(title, ["", *METHODS], lines),
        Table(of, ["", *METHODS], trained),
        _CLAIMED,
    ]


def heat_maps(evidence: Evidence, folder: Path) -> list[str | Table | Path]:
    """Accuracy for all pairs of widths, a heat map for each method."""
    maps = {}
    lowest = []
    for method in METHODS:
        means = {
            cell.widths: statistics.fmean(scores.values())
            for cell in evidence.cells
            if (scores := evidence.scores(cell, cell.epochs, method))
        }
        maps[method] = means
        if means:
            worst = min(means, key=lambda widths: means[widths])
            lowest.append(f"{method} {means[worst]:.1f} at {worst[0]} and {worst[1]}")
    cell = evidence.cells[0]
    epochs = "1 epoch" if cell.epochs == 1 else f"{cell.epochs} epochs"
    title = f"{cell.dataset}, {epochs}: mean validation accuracy (%)"
    return [
        plots.heat_maps(maps, title, folder / "heat-maps.png"),
        f"Lowest accuracy (%) of each method: {'; '.join(lowest)}.",
        _LOWEST_PRINTED[evidence.experiment],
    ]


def _by_method(evidence: Evidence, cell: Cell) -> plots.Lines:
    """Returns the accuracies of all seeds by method and epoch."""
    lines: plots.Lines = {}
    for method in METHODS:
        for curve in evidence.curves(cell, method).values():
            for epoch, value in curve.items():
                lines.setdefault(method, {}).setdefault(epoch, []).append(value)
    return lines
