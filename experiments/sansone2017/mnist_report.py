"""The report of MNIST with logistic networks: Tables 1 to 4, Figures 5 to 7."""

import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.engine.frame import Results
from experiments.reporting import verdicts
from experiments.reporting.comparison import read_published
from experiments.reporting.guide import Network
from experiments.reporting.report import Part, Table, claims_table, mean_sd
from experiments.sansone2017 import augmentation, mnist_claims, views
from experiments.sansone2017.methods import PAPER, REGISTERED
from experiments.sansone2017.mnist import Cell

ITERATIONS = 900_000
"""Those of the paper."""

TRAINED = 50.0
"""Accuracy (%) above which a network counts as trained."""

_WIDTHS = ((800,), (2500, 2000, 1500, 1000, 500))
"""Hidden layers of the paper."""


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
    whole = cell.rows_per_run * cell.iterations_per_epoch
    own = cell.dataset == "mnist" and cell.hidden in _WIDTHS
    comparable = own and whole >= ITERATIONS
    parts: list[Part] = [_table(number, cell, done, comparable)]
    panels = {
        "training objective (log)": views.lines(frame, "loss"),
        "validation objective (log)": views.lines(frame, "val_loss"),
        "test error (%, log)": views.lines(frame, "error"),
    }
    parts.append(views.learning_curves(panels, "iteration", folder / "curves.png"))
    if cell.watched:
        parts.append(_layers(cell, frame, folder / "layers.png"))
    if cell.distorted:
        parts.append(augmentation.picture(folder / "digits.png"))
    if verdicts.have_all(done, PAPER, cell.seeds):
        claims = mnist_claims.judged(number, cell, done, comparable)
        parts.insert(0, claims_table("What the paper says in words", claims))
    size = "as many as in the paper"
    if whole < ITERATIONS:
        size = f"a beginning of the paper's {ITERATIONS:,}: numbers cannot be compared"
    if not own:
        size += "; other layers or digits than the paper's: orders hold for these alone"
    distorted = ", from digits that are not distorted" if cell.distorted else ""
    parts.append(
        f"{whole:,} iterations, {size}. Layers of {cell.shape} units. Momentum 0.9, "
        "rate 0.001, batches of 50, a sixth of the train part to validate on, "
        f"{verdicts.seeds(done['seed'])}. Pixels lie in [0, 1] less the mean of each. "
        "EP takes the mean of each pixel and the mean of their variances; the softmax "
        f"has it as other layers have; lsuv measures one variance a layer{distorted}. "
        "The test error is that of the epoch with the lowest validation objective. p "
        "by paired t-tests over seeds."
    )
    return parts


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    (cell,) = results.cells
    chosen = verdicts.chosen(verdicts.finished(results.frame, cell.rows_per_run))
    scores: dict[str, dict[int, float]] = {}
    for row in chosen[chosen["method"].isin(REGISTERED)].to_dict("records"):
        of_method = scores.setdefault(REGISTERED[row["method"]], {})
        of_method[row["seed"]] = 100 * row["test_accuracy"]
    dropout = ", with dropout" if cell.dropout else ""
    distorted = ", distorted" if cell.distorted else ""
    return [
        Network(
            "sigmoid",
            f"{cell.shape} units{dropout}",
            f"{cell.dataset}{distorted}, 0..1 less its mean, {cell.iterations:,} steps "
            "of SGD at 0.001, momentum 0.9",
            scores,
            trained=TRAINED,
        )
    ]


def _table(number: int, cell: Cell, done: pd.DataFrame, comparable: bool) -> Table:
    published = {
        row["method"]: row
        for row in read_published(PUBLISHED)
        if row["table"] == str(number) and comparable
    }
    rows = []
    chosen = verdicts.chosen(done)
    last = done[done["epoch"] == cell.rows_per_run - 1]
    for method in dict.fromkeys([*done["method"], *published]):
        of_method = chosen[chosen["method"] == method]
        known = published.get(method, {})
        spread = f" ± {known['sd']}" if known.get("sd") else ""
        after = of_method["iteration"]
        rows.append(
            [
                method,
                mean_sd(of_method["error"].tolist(), digits=2),
                *([f"{known['test_error']}{spread}" if known else ""] * comparable),
                f"{statistics.median(after):,.0f}" if len(after) else "",
                _decades(last[last["method"] == method]["loss"]),
                _decades(of_method["val_loss"]),
            ]
        )
    columns = [
        "",
        "test error (%)",
        *(["published"] * comparable),
        "chosen after (median)",
        "training objective at the end",
        "validation objective, lowest",
    ]
    return Table(f"Table {number}, {cell.name}", columns, rows)


def _decades(values: Any) -> str:
    """Formats a geometric mean, and the spread of seeds about it as a factor."""
    logs = np.log(np.asarray(values, dtype=float))
    if not len(logs):
        return ""
    spread = f" (x/ {np.exp(logs.std(ddof=1)):.2f})" if len(logs) > 1 else ""
    return f"{np.exp(logs.mean()):.3g}{spread}"


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


PUBLISHED = Path(__file__).parent / "published" / "test-errors.csv"
