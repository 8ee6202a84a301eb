"""The report of MNIST with logistic networks: Tables 1 to 4, Figures 5 to 7."""

import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.engine.frame import Results
from experiments.reporting.comparison import read_published
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from experiments.sansone2017 import augmentation, verdicts, views
from experiments.sansone2017.methods import PAPER
from experiments.sansone2017.mnist import Cell

ITERATIONS = 900_000
"""Those of the paper."""

DRIFTED = 0.1
"""Mean output below which a layer of logistic units has drifted to 0: it starts at a
half."""


def report(number: int) -> Callable[[Results, Path], list[Part]]:
    """Returns the report of one of the paper's tables."""
    return functools.partial(_report, number)


def _report(number: int, results: Results, folder: Path) -> list[Part]:
    """Test errors beside the published ones, learning curves, and what layers do."""
    (cell,) = results.cells
    frame = results.frame.assign(
        iteration=(results.frame["epoch"] + 1) * cell.iterations_per_epoch,
        error=100 * (1 - results.frame["test_accuracy"]),
    )
    done = verdicts.finished(frame, cell.rows_per_run)
    decided = verdicts.have_all(done, PAPER, cell.seeds)
    parts: list[Part] = [_table(number, cell, done)]
    claims = _convergence(cell, done) if decided else []
    panels = {
        "training objective (log)": views.lines(frame, "loss"),
        "validation objective (log)": views.lines(frame, "val_loss"),
        "test error (%)": views.lines(frame, "error"),
    }
    parts.append(views.learning_curves(panels, "iteration", folder / "curves.png"))
    if cell.watched:
        claims += _drift(cell, done) if decided else []
        parts.append(_layers(cell, frame, folder / "layers.png"))
    if cell.distorted:
        parts.append(augmentation.picture(folder / "digits.png"))
    if claims:
        parts.insert(0, claims_table("What the paper says in words", claims))
    whole = cell.rows_per_run * cell.iterations_per_epoch
    size = (
        "as many as in the paper"
        if whole >= ITERATIONS
        else f"a prefix of the paper's {ITERATIONS:,}: orders and curves can be "
        "compared with it, numbers cannot"
    )
    parts.append(
        f"{whole:,} iterations, {size}; layers of {cell.shape} units. Momentum 0.9, "
        "rate 0.001, batches of 50, a sixth of the train part to validate on, seeds 0 "
        f"to {cell.seeds - 1}. The test error is that of the epoch with the lowest "
        "validation objective. p by paired t-tests over seeds."
    )
    return parts


def _table(number: int, cell: Cell, done: pd.DataFrame) -> Table:
    published = {
        row["method"]: row
        for row in read_published(_PUBLISHED)
        if row["table"] == str(number) and cell.dataset == "mnist"
    }
    rows = []
    # The model is chosen on the validation objective.
    chosen = done.reset_index().loc[
        lambda rows: rows.groupby("run", sort=False)["val_loss"].idxmin()
    ]
    last = done[done["epoch"] == cell.rows_per_run - 1]
    for method in dict.fromkeys(done["method"]):
        of_method = chosen[chosen["method"] == method]
        known = published.get(method, {})
        spread = f" ± {known['sd']}" if known.get("sd") else ""
        rows.append(
            [
                method,
                mean_sd(of_method["error"].tolist()),
                f"{known['test_error']}{spread}" if known else "",
                f"{statistics.median(of_method['iteration']):,.0f}",
                _decades(last[last["method"] == method]["loss"]),
                _decades(of_method["val_loss"]),
            ]
        )
    columns = [
        "",
        "test error (%)",
        "published",
        "chosen after (median)",
        "training objective at the end",
        "validation objective, lowest",
    ]
    return Table(f"Table {number}, {cell.name}", columns, rows)


def _decades(values: Any) -> str:
    """Formats a geometric mean, and the spread of seeds about it as a factor."""
    logs = np.log(np.asarray(values, dtype=float))
    spread = np.exp(logs.std(ddof=1)) if len(logs) > 1 else 1.0
    return f"{np.exp(logs.mean()):.3g} (x/ {spread:.2f})"


def _convergence(cell: Cell, frame: pd.DataFrame) -> list[Claim]:
    """Judges how fast methods converge, and how much their seeds differ."""
    # The mean log over a run is lower for what falls sooner and for what falls deeper.
    logs = frame.assign(log=np.log(frame["loss"]))
    by_run = logs.groupby(["method", "seed"], sort=False)["log"].mean().unstack()
    claims: list[Claim] = []
    for method in ("ortho+EP", "random+EP"):
        for rivals in (("lecun", "glorot", "ortho"), ("lsuv",)):
            gaps = [(by_run.loc[r] - by_run.loc[method]).to_numpy() for r in rivals]
            texts = [
                f"{rival}'s is {np.exp(of.mean()):.2f} times as high (p = "
                f"{verdicts.p_value(of):.3f})"
                for rival, of in zip(rivals, gaps, strict=True)
            ]
            claims.append(
                (
                    f"{_section(cell)}: {method} converges faster than "
                    f"{', '.join(rivals)} (training objective, geometric mean of the "
                    "run)",
                    ", ".join(texts),
                    verdicts.above_zero(gaps),
                )
            )
    of_seeds = {method: by_run.loc[method].to_numpy() for method in PAPER}
    claims.append(
        (
            f"{_section(cell)}: random+EP varies least between seeds (sd of the same)",
            ", ".join(f"{name} {of.std(ddof=1):.3f}" for name, of in of_seeds.items()),
            verdicts.least_spread(of_seeds, "random+EP"),
        )
    )
    return claims


def _drift(cell: Cell, frame: pd.DataFrame) -> list[Claim]:
    """Judges whether the last hidden layer drifts to 0."""
    name = f"mean_{len(cell.hidden)}"
    lowest = frame.groupby(["method", "seed"], sort=False)[name].min().unstack()
    drifted = (lowest < DRIFTED).sum(axis=1)
    text = ", ".join(
        f"{method} {lowest.loc[method].median():.2f} ({drifted[method]} of "
        f"{lowest.shape[1]})"
        for method in PAPER
    )
    half = lowest.shape[1] / 2
    claims: list[Claim] = [
        (
            f"6.3: the last hidden layer drifts to 0 under {method} (its lowest mean, "
            f"median of seeds; in brackets those below {DRIFTED:g})",
            text,
            bool(drifted[method] > half),
        )
        for method in ("lecun", "glorot", "ortho")
    ]
    claims.append(
        (
            "6.3: and not under lsuv, ortho+EP and random+EP",
            text,
            all(drifted[method] <= half for method in PAPER[3:]),
        )
    )
    return claims


def _layers(cell: Cell, frame: pd.DataFrame, path: Path) -> Path:
    """Draws mean and standard deviation of every layer's outputs over iterations."""
    layers = range(1, len(cell.hidden) + 2)
    statistics_of: dict[str, dict[int, tuple[list[int], Any, Any]]] = {}
    for method in dict.fromkeys(frame["method"]):
        by_iteration = (
            frame[frame["method"] == method]
            .groupby("iteration")
            .mean(numeric_only=True)
        )
        statistics_of[method] = {
            layer: (
                by_iteration.index.tolist(),
                by_iteration[f"mean_{layer}"].to_numpy(),
                by_iteration[f"sd_{layer}"].to_numpy(),
            )
            for layer in layers
        }
    return views.layers(statistics_of, path)


def _section(cell: Cell) -> str:
    return "6.2" if len(cell.hidden) == 1 else "6.3"


_PUBLISHED = Path(__file__).parent / "published" / "test-errors.csv"
