"""The report of residual ReLU networks: which units are dead, and what they learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.engine.frame import Results
from experiments.poli2024.residual import (
    COMPARED,
    LOOKED_AT,
    NEAR_DEAD,
    Cell,
    Start,
)
from experiments.reporting import verdicts
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd

OURS = "yilmaz_poli"
OTHERS = tuple(method for method in COMPARED if method != OURS)

MANY = 0.1
"""Part of the units from which they are a significant proportion."""


def report(results: Results, folder: Path) -> list[Part]:
    """Dead and near-dead units at the start and in training, and accuracies.

    Args:
        results: Of `Start`s and `Cell`s.
        folder: Where the picture goes.
    """
    starts = [cell for cell in results.cells if isinstance(cell, Start)]
    trained = [cell for cell in results.cells if isinstance(cell, Cell)]
    claims: list[Claim] = []
    rows = []
    profiles: dict[str, dict[str, list[float]]] = {}
    for start in starts:
        frame = _of(results.frame, start)
        if not len(frame):
            continue
        by_run = frame.groupby(["method", "seed"])
        means = {q: by_run[q].mean().unstack() for q in ("dead", "near_dead")}
        first = frame[frame["epoch"] == 0]
        firsts = first.set_index(["method", "seed"])["near_dead"].unstack()
        profiles[start.name] = {}
        for method in [m for m in COMPARED if m in means["dead"].index]:
            rows.append(
                [
                    f"{start.name.removeprefix('start, ')}: {method}",
                    _percent(firsts, method),
                    _percent(means["dead"], method),
                    _percent(means["near_dead"], method),
                ]
            )
            of_method = frame[frame["method"] == method]
            by_layer = of_method.groupby("epoch")["near_dead"].mean()
            profiles[start.name][method] = (100 * by_layer).tolist()
        if verdicts.have_all(frame, list(COMPARED), start.seeds):
            claims += _of_start(start, firsts, means)
    parts: list[Part] = []
    if rows:
        columns = [
            "",
            "near dead, first layer (%)",
            "dead, mean of layers (%)",
            "near dead, mean of layers (%)",
        ]
        parts.append(Table("At the start", columns, rows))
        parts.append(_picture(profiles, folder / "near-dead.png"))
    table, of_training = _training(results.frame, trained)
    if table.rows:
        parts.append(table)
    claims += of_training
    if claims:
        parts.insert(0, claims_table("What the letter says", claims))
    parts.append(
        f"A unit is a channel of a ReLU layer, looked at on {LOOKED_AT} images that "
        "are not trained on; it is near dead where it is active, at any place, on less "
        f"than {NEAR_DEAD:.0%} of them. Trained with Adam at 0.001, batches of 128. "
        "All "
        "layers start by the method, the last one too, and biases at 0 (RAI draws "
        "them). To look at units normalization is by the images that are looked at. p "
        "by paired t-tests over seeds."
    )
    return parts


def _of(frame: pd.DataFrame, cell: Start | Cell) -> pd.DataFrame:
    """Returns the rows of a cell's runs that are finished."""
    kind = "start" if isinstance(cell, Start) else "trained"
    rows = frame[frame["kind"] == kind]
    for name in ("dataset", "layers", "width", "scaling", "normalized"):
        rows = rows[rows[name] == getattr(cell, name)]
    return verdicts.finished(rows, cell.rows_per_run)


def _percent(by_seed: pd.DataFrame, method: str) -> str:
    return mean_sd(verdicts.of_seeds(100 * by_seed, method))


def _gaps(by_seed: pd.DataFrame, rivals: Sequence[str]) -> list[np.ndarray]:
    """Returns by how much ours is above each other, seed by seed."""
    return [(by_seed.loc[OURS] - by_seed.loc[rival]).to_numpy() for rival in rivals]


def _of_start(
    start: Start, firsts: pd.DataFrame, means: dict[str, pd.DataFrame]
) -> list[Claim]:
    near = means["near_dead"]
    shown = ", ".join(
        f"{method} {100 * near.loc[method].mean():.1f} %" for method in COMPARED
    )
    name = start.form
    claims: list[Claim] = [
        (
            f"2.2: a negative mean exacerbates the problem of dead units, {name} (near "
            "dead at the start, mean of layers)",
            shown,
            verdicts.above_zero(_gaps(near, OTHERS)),
        )
    ]
    if start.scaling == "unit" and not start.normalized:
        first = firsts.loc[OURS].to_numpy()
        he = means["dead"].loc["he"].to_numpy()
        claims += [
            (
                f"2.2: with positive inputs most units of the first layer are dead or "
                f"near dead with it, {name}",
                f"{100 * first.mean():.1f} %",
                verdicts.within(first, 0.5, np.inf),
            ),
            (
                f"2.2: with a mean of 0 a significant proportion is born dead, {name} "
                f"(he, mean of layers, at least {MANY:.0%})",
                f"{100 * he.mean():.1f} %",
                verdicts.within(he, MANY, np.inf),
            ),
        ]
    return claims


def _training(frame: pd.DataFrame, cells: Sequence[Cell]) -> tuple[Table, list[Claim]]:
    rows, claims = [], list[Claim]()
    for cell in cells:
        done = _of(frame, cell)
        last = done[done["epoch"] == cell.epochs - 1]
        if not len(last):
            continue
        by_seed = {
            name: last.set_index(["method", "seed"])[name].unstack()
            for name in ("val_accuracy", "dead", "near_dead")
        }
        rows += [
            [
                f"{cell.name}: {method}",
                *(_percent(values, method) for values in by_seed.values()),
            ]
            for method in COMPARED
            if method in by_seed["dead"].index
        ]
        if verdicts.have_all(last, list(COMPARED), cell.seeds):
            accuracy = by_seed["val_accuracy"]
            claims.append(
                (
                    f"2.2: and so it scores poorly, {cell.name} (test accuracy after "
                    f"{cell.epochs} epochs, lower than all others)",
                    ", ".join(
                        f"{m} {100 * accuracy.loc[m].mean():.1f} %" for m in COMPARED
                    ),
                    verdicts.above_zero([-gap for gap in _gaps(accuracy, OTHERS)]),
                )
            )
    columns = ["", "test accuracy (%)", "dead (%)", "near dead (%)"]
    return Table("Trained, after the last epoch", columns, rows), claims


def _picture(profiles: dict[str, dict[str, list[float]]], path: Path) -> Path:
    """Draws how many units are near dead at the start, layer by layer."""
    columns = min(4, len(profiles))
    rows = -(-len(profiles) // columns)
    figure = Figure(figsize=(3.3 * columns + 1.4, 2.9 * rows), layout="constrained")
    grid: Any = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (name, methods) in zip(grid.ravel(), profiles.items(), strict=False):
        for index, method in enumerate(COMPARED):
            if method in methods:
                layers = range(1, len(methods[method]) + 1)
                axes.plot(layers, methods[method], color=f"C{index}", label=method)
        network, _, rest = name.removeprefix("start, ").partition(" channels, ")
        axes.set_title(f"{network.split(',')[0]}\n{rest}", loc="left", fontsize=8)
        axes.set_ylim(-3, 103)
    for axes in grid.ravel()[len(profiles) :]:
        axes.remove()
    for axes in grid[-1]:
        axes.set_xlabel("ReLU layer")
    for axes in grid[:, 0]:
        axes.set_ylabel("near dead (%)")
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path)
    return path
