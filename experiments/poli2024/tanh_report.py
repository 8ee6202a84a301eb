"""The report of tanh networks: whether a negative mean helps or harms."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.engine.frame import Results
from experiments.poli2024.learning_rates import rate_text
from experiments.poli2024.methods import METHODS
from experiments.poli2024.tanh import (
    BATCH,
    COMPARED,
    LAGRANGIAN,
    RATES,
    UNITS,
    Cell,
    build,
)
from experiments.reporting import verdicts
from experiments.reporting.guide import Network
from experiments.reporting.panels import save
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from keras_inits import suitability

NEAR, AS_FAST = 1.05, 1.2
"""Factors within which an error is as low as another, and a training as fast."""


def report(results: Results, folder: Path) -> list[Part]:
    """Errors and epochs by method, and whether a negative mean helps or harms.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    frame = results.frame
    rows, claims = [], list[Claim]()
    for cell in results.cells:
        done = _judged(frame, cell)
        if not len(done):
            continue
        at_lowest = verdicts.chosen(done)
        of_seeds = at_lowest.set_index(["method", "seed"])
        lowest, when = (of_seeds[name].unstack() for name in ("val_loss", "epoch"))
        rates = at_lowest.groupby("method")["learning_rate"].first()
        soon = _epochs(done, lowest)
        for method in [m for m in COMPARED if m in lowest.index]:
            rows.append(
                [
                    f"{cell.name}: {method}",
                    rate_text(rates[method], RATES),
                    mean_sd(verdicts.of_seeds(lowest, method), digits=3),
                    f"{np.median(verdicts.of_seeds(when, method)) + 1:.0f}",
                    f"{np.median(verdicts.of_seeds(soon, method)):.0f}"
                    if method in soon.index
                    else "",
                ]
            )
        everything = {(m, s) for m in COMPARED for s in cell.judged_seeds}
        if everything <= set(of_seeds.index):
            claims += _claims(cell, lowest, soon)
    columns = [
        "",
        "learning rate",
        "squared error, held out, lowest",
        "in epoch (median)",
        f"epochs to within {NEAR - 1:.0%} of Glorot's lowest (median)",
    ]
    parts: list[Part] = [Table("Tanh networks, regression", columns, rows)]
    if claims:
        parts.insert(0, claims_table("What the letter says", claims))
    parts.append(_picture(results, folder / "curves.png"))
    model = build(10, 2, "glorot", 0)
    misfits = suitability.misfits(model, "yilmaz_poli")
    of = results.cells[0]
    epochs = " or ".join(str(n) for n in sorted({c.epochs for c in results.cells}))
    parts.append(
        f"Hidden layers of {UNITS} tanh units, one output; Adam, batches of {BATCH}, "
        "inputs and targets of variance 1. A fifth of the patients of diabetes are "
        "held out, and a fifth of the machines of remaining life, which is drawn: 80 "
        "machines that wear out, 14 sensors. Each method has the learning rate with "
        f"the lowest error, the mean of {of.choosing} seeds, of "
        f"{', '.join(f'{rate:g}' for rate in RATES)}, and is judged with "
        f"{of.seeds} others; of a run it is the lowest error of {epochs} epochs, "
        "and where that is of the last, more epochs may lower it. "
        "What is not reached counts as the last epoch. Intervals are Student's, 90 %, "
        "of ratios by seed; a range is held where it has all of one. lagrangian_lr is "
        "a reconstruction, and sets the last layer alone. "
        f"`initialize` warns beforehand: {misfits[0]}"
    )
    return parts


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    scores: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for cell in results.cells:
        of_cell = scores.setdefault((cell.task, cell.depth), {})
        for row in verdicts.chosen(_judged(results.frame, cell)).to_dict("records"):
            if row["method"] in METHODS:
                by_seed = of_cell.setdefault(METHODS[row["method"]], {})
                by_seed[row["seed"]] = row["val_loss"]
    return [
        Network(
            "tanh",
            f"{cell.depth} x {UNITS} units",
            f"{cell.task}, standardised, a regression at each one's best rate",
            scores[cell.task, cell.depth],
            "squared error",
            lower=True,
            digits=3,
        )
        for cell in results.cells
    ]


def _judged(frame: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """Returns the rows of runs of a cell that are finished, and chose no rate."""
    of_cell = (frame["task"] == cell.task) & (frame["depth"] == cell.depth)
    return verdicts.finished(frame[of_cell & frame["rate"].isna()], cell.rows_per_run)


def _epochs(done: pd.DataFrame, lowest: pd.DataFrame) -> pd.DataFrame:
    """Returns after how many epochs a run is near the lowest error of Glorot's."""
    if "glorot" not in lowest.index:
        return pd.DataFrame()
    aims = lowest.loc["glorot"].dropna() * NEAR
    done = done[done["seed"].isin(aims.index)]
    aim = done["seed"].map(aims.to_dict())
    there = done["epoch"].where(done["val_loss"] <= aim, done["epoch"].max()) + 1
    return there.groupby([done["method"], done["seed"]]).min().unstack()


def _claims(cell: Cell, lowest: pd.DataFrame, soon: pd.DataFrame) -> list[Claim]:
    def ratio(values: pd.DataFrame, to: str) -> np.ndarray:
        both = values.loc["yilmaz_poli"] / values.loc[to]
        return np.log(both.to_numpy(dtype=float))

    def shown(logs: np.ndarray) -> str:
        low, high = np.exp(verdicts.ends(logs))
        return f"{math.exp(logs.mean()):.2f} times ({low:.2f} to {high:.2f})"

    epochs, errors = ratio(soon, "glorot"), ratio(lowest, "glorot")
    claims: list[Claim] = [
        (
            f"2.1: no speed up, {cell.name} (epochs, by those of Glorot; not fewer by "
            f"more than a factor of {AS_FAST:g})",
            shown(epochs),
            verdicts.within(epochs, -math.log(AS_FAST), math.inf),
        ),
        (
            f"2.1: no harm, {cell.name} (lowest error, by that of Glorot; not higher "
            f"by more than {NEAR - 1:.0%})",
            shown(errors),
            verdicts.within(errors, -math.inf, math.log(NEAR)),
        ),
    ]
    for method in LAGRANGIAN:
        errors = ratio(lowest, method)
        claims.append(
            (
                f"2.1: the same error as with {method}, {cell.name} (lowest, by that; "
                f"within {NEAR - 1:.0%})",
                shown(errors),
                verdicts.within(errors, -math.log(NEAR), math.log(NEAR)),
            )
        )
    return claims


def _picture(results: Results, path: Path) -> Path:
    """Draws the errors on what is held out over epochs, by method and network."""
    cells, frame = results.cells, results.frame
    figure = Figure(figsize=(3.3 * len(cells) + 1.4, 3.2), layout="constrained")
    panels = figure.subplots(1, len(cells), squeeze=False)[0]
    for axes, cell in zip(panels, cells, strict=True):
        done = _judged(frame, cell)
        for index, method in enumerate(COMPARED):
            of_method = done[done["method"] == method]
            if len(of_method):
                median = of_method.groupby("epoch")["val_loss"].median()
                axes.plot(median.index + 1, median, color=f"C{index}", label=method)
        axes.set_yscale("log")
        axes.set_title(cell.name, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
    panels[0].set_ylabel("squared error, held out\nmedian over seeds")
    return save(figure, path)
