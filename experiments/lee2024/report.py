"""What the report of a table or figure of Lee et al. (2024) shows."""

import functools
import statistics
from collections.abc import Callable
from pathlib import Path

from experiments.engine.frame import Results
from experiments.lee2024 import claims
from experiments.lee2024.accuracies import (
    Accuracies,
    accuracies,
    compared,
    other_choices,
)
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS
from experiments.reporting import comparison, panels
from experiments.reporting.comparison import TRAINED
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd

Judge = Callable[[Accuracies], list[Claim]]
"""Returns what the paper says in words of a table or figure, and what became of it."""


def table(experiment: str, judge: Judge) -> Callable[[Results, Path], list[Part]]:
    """Returns the report of a table, whose published numbers have its name."""
    return functools.partial(_table, experiment, judge)


def _table(experiment: str, judge: Judge, results: Results, folder: Path) -> list[Part]:
    """Ours beside the published numbers, claims, who wins, and learning curves."""
    ours = accuracies(results)
    rows = compared(ours, experiment)
    beside, sentence = comparison.beside_published(rows, METHODS)
    parts: list[Part | None] = [sentence, *_claims(judge, ours), *beside]
    parts += [comparison.winners(rows), *other_choices(ours, experiment)]
    deep = {
        f"{cell.dataset}, {cell.activation}": lines
        for cell in ours.cells
        for lines in [_by_method(ours, cell)]
        if lines and not cell.reported
    }
    if deep:
        parts.append(panels.curves(deep, "epoch", folder / "curves.png"))
    return [*(part for part in parts if part), _protocol(ours)]


def figure3(results: Results, folder: Path) -> list[Part]:
    """Accuracy over depth, for each width, and over epochs, for each depth."""
    ours = accuracies(results)
    over_depth: dict[str, panels.Lines] = {}
    over_epochs: dict[str, panels.Lines] = {}
    lines, trained = [], []
    for cell in ours.cells:
        final = {m: ours.scores(cell, cell.epochs, m) for m in METHODS}
        widths = " and ".join(map(str, cell.widths))
        name = f"{cell.dataset}, depth {cell.depth}, {widths} units a layer"
        scores = [list(final[method].values()) for method in METHODS]
        lines.append([name, *map(mean_sd, scores)])
        counts = [str(sum(v > TRAINED for v in of)) if of else "" for of in scores]
        trained.append([name, *counts])
        if len(cell.widths) > 1:
            heading = f"{cell.dataset}, {cell.depth} layers of 10 and 6 units"
            over_epochs[heading] = _by_method(ours, cell)
            continue
        heading = f"{cell.dataset}, {cell.widths[0]} units a layer"
        panel = over_depth.setdefault(heading, {})
        for method, by_seed in final.items():
            if by_seed:
                panel.setdefault(method, {})[cell.depth] = list(by_seed.values())
    title = f"Validation accuracy (%) after {ours.cells[0].epochs} epochs"
    seeds = max(cell.seeds for cell in ours.cells)
    of = f"Seeds of {seeds} that train: more than {TRAINED:g} % after them"
    return [
        *_claims(claims.figure3, ours),
        panels.curves(over_depth, "hidden layers", folder / "depth.png", log=True),
        panels.curves(over_epochs, "epoch", folder / "epochs.png"),
        Table(title, ["", *METHODS], lines),
        Table(of, ["", *METHODS], trained),
        _protocol(ours),
    ]


def heat_maps(claimed: str, judge: Judge) -> Callable[[Results, Path], list[Part]]:
    """Returns the report of heat maps, of which the paper prints two numbers."""
    return functools.partial(_heat_maps, claimed, judge)


def _heat_maps(
    claimed: str, judge: Judge, results: Results, folder: Path
) -> list[Part]:
    """Accuracy for all pairs of widths, a heat map for each method."""
    ours = accuracies(results)
    maps = {}
    lowest = []
    for method in METHODS:
        means = {
            cell.widths: statistics.fmean(scores.values())
            for cell in ours.cells
            if (scores := ours.scores(cell, cell.epochs, method))
        }
        maps[method] = means
        if means:
            worst = min(means, key=lambda widths: means[widths])
            lowest.append(f"{method} {means[worst]:.1f} at {worst[0]} and {worst[1]}")
    cell = ours.cells[0]
    epochs = "1 epoch" if cell.epochs == 1 else f"{cell.epochs} epochs"
    title = f"{cell.dataset}, {epochs}: mean validation accuracy (%)"
    return [
        panels.heat_maps(maps, title, folder / "heat-maps.png"),
        f"Lowest accuracy (%) of each method: {'; '.join(lowest)}.",
        claimed,
        *_claims(judge, ours),
        _protocol(ours),
    ]


def _claims(judge: Judge, ours: Accuracies) -> list[Part]:
    """Returns a table of claims, if any can be judged."""
    judged = judge(ours)
    return [claims_table("What the paper says in words", judged)] if judged else []


def _by_method(ours: Accuracies, cell: Cell) -> panels.Lines:
    """Returns the accuracies of all seeds by method and epoch."""
    lines: panels.Lines = {}
    for method in METHODS:
        for curve in ours.by_seed(cell, method).values():
            for epoch, value in curve.items():
                lines.setdefault(method, {}).setdefault(epoch, []).append(value)
    return lines


def _protocol(ours: Accuracies) -> str:
    seeds = max(cell.seeds for cell in ours.cells)
    fields = ", ".join(f"{name} = {v}" for name, v in vars(ours.protocol).items())
    return f"Seeds 0 to {seeds - 1}. Protocol: {fields}."
