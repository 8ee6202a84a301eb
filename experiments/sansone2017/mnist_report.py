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
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from experiments.sansone2017 import augmentation, views
from experiments.sansone2017.methods import PAPER
from experiments.sansone2017.mnist import Cell

ITERATIONS = 900_000
"""Those of the paper."""

CONVERGING = 20_000
"""Iterations after which it is judged who has converged faster, or those of a shorter
run. The mean over a run would punish a start with a higher loss."""

DRIFTED = 0.1
"""Mean output below which a layer of logistic units has drifted to 0: it starts at a
half."""

OBSERVED = 90_000
"""Iterations over which the paper observes layers."""

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
    decided = verdicts.have_all(done, PAPER, cell.seeds)
    parts: list[Part] = [_table(number, cell, done)]
    claims: list[Claim] = []
    if decided and number != 2:  # The paper shows no curves of Table 2.
        claims += _convergence(number, cell, done)
    panels = {
        "training objective (log)": views.lines(frame, "loss"),
        "validation objective (log)": views.lines(frame, "val_loss"),
        "test error (%, log)": views.lines(frame, "error"),
    }
    parts.append(views.learning_curves(panels, "iteration", folder / "curves.png"))
    if cell.watched:
        claims += _drift(cell, done) if decided else []
        parts.append(_layers(cell, frame, folder / "layers.png"))
    if cell.distorted:
        parts.append(augmentation.picture(folder / "digits.png"))
    if decided and number in _TANH:
        claims.append((_TANH[number], "networks of tanh are not run here", None))
    if claims:
        parts.insert(0, claims_table("What the paper says in words", claims))
    whole = cell.rows_per_run * cell.iterations_per_epoch
    own = cell.dataset == "mnist" and cell.hidden in _WIDTHS
    size = "as many as in the paper"
    if whole < ITERATIONS:
        size = f"a beginning of the paper's {ITERATIONS:,}: numbers cannot be compared"
    if not own:
        size += "; other layers or digits than the paper's: orders hold for these alone"
    distorted = ", from digits that are not distorted" if cell.distorted else ""
    parts.append(
        f"{whole:,} iterations, {size}. Layers of {cell.shape} units. Momentum 0.9, "
        "rate 0.001, batches of 50, a sixth of the train part to validate on, "
        f"{verdicts.seeds(cell.seeds)}. Pixels lie in [0, 1] less the mean of each. EP "
        "takes the mean of each pixel and the mean of their variances; the softmax has "
        f"it as other layers have; lsuv measures one variance a layer{distorted}. The "
        "test error is that of the epoch with the lowest validation objective. p by "
        "paired t-tests over seeds."
    )
    return parts


def _table(number: int, cell: Cell, done: pd.DataFrame) -> Table:
    published = {
        row["method"]: row
        for row in read_published(_PUBLISHED)
        if row["table"] == str(number) and cell.dataset == "mnist"
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
                f"{known['test_error']}{spread}" if known else "",
                f"{statistics.median(after):,.0f}" if len(after) else "",
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
    if not len(logs):
        return ""
    spread = f" (x/ {np.exp(logs.std(ddof=1)):.2f})" if len(logs) > 1 else ""
    return f"{np.exp(logs.mean()):.3g}{spread}"


def _convergence(number: int, cell: Cell, frame: pd.DataFrame) -> list[Claim]:
    """Judges how fast methods converge, and how much their seeds differ."""
    at = frame[frame["iteration"] <= CONVERGING]["iteration"].max()
    logs = frame[frame["iteration"] == at].assign(log=lambda rows: np.log(rows["loss"]))
    by_run = logs.set_index(["method", "seed"])["log"].unstack()
    section = "6.2" if number == 1 else "6.3"
    claims: list[Claim] = []
    for method in ("ortho+EP", "random+EP"):
        rivals = ("lecun", "glorot", "ortho", "lsuv")
        gaps = {r: (by_run.loc[r] - by_run.loc[method]).to_numpy() for r in rivals}
        texts = [
            f"{rival}'s is {np.exp(of.mean()):.2f} times as high (p = "
            f"{verdicts.p_value(of):.3f})"
            for rival, of in gaps.items()
        ]
        claims.append(
            (
                f"{section}: {method} converges faster than all others (training "
                f"objective after {at:,} iterations)",
                ", ".join(texts),
                verdicts.above_zero(list(gaps.values())),
            )
        )
    if number == 1:
        of_seeds = {method: by_run.loc[method].to_numpy() for method in PAPER}
        spreads = [f"{name} {of.std(ddof=1):.3f}" for name, of in of_seeds.items()]
        claims.append(
            (
                "6.2: random+EP varies least between seeds (sd of the logarithm of the "
                "same)",
                ", ".join(spreads),
                verdicts.least_spread(of_seeds, "random+EP"),
            )
        )
    return claims


def _drift(cell: Cell, frame: pd.DataFrame) -> list[Claim]:
    """Judges whether the last hidden layer drifts to 0.

    It does where it has in all seeds. That it does not is known when the run is as
    long as the paper has observed it.
    """
    name = f"mean_{len(cell.hidden)}"
    seen = frame[frame["iteration"] <= OBSERVED]
    lowest = seen.groupby(["method", "seed"], sort=False)[name].min().unstack()
    drifted = (lowest < DRIFTED).sum(axis=1)
    seeds = lowest.shape[1]
    over = frame["iteration"].max() >= OBSERVED
    text = ", ".join(
        f"{method} {lowest.loc[method].median():.2f} ({drifted[method]} of {seeds})"
        for method in PAPER
    )

    def drifts(method: str) -> bool | None:
        if drifted[method] == seeds:
            return True
        return False if over and not drifted[method] else None

    of_ours = [drifts(method) for method in PAPER[3:]]
    stays = None if None in of_ours else True
    claims: list[Claim] = [
        (
            f"6.3: the last hidden layer drifts to 0 under {method} (its lowest mean, "
            f"median of seeds; in brackets those below {DRIFTED:g})",
            text,
            drifts(method),
        )
        for method in PAPER[:3]
    ]
    claims.append(
        (
            "6.3: and not under lsuv, ortho+EP and random+EP",
            text,
            False if True in of_ours else stays,
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


_TANH = {
    2: "6.2: with dropout logistic networks are as good as tanh (reference 59: 1.60 %)",
    4: "6.3: random+EP is close to tanh (reference 62, run again by the paper: 0.62 %)",
}
"""By table, what the paper says of networks of tanh."""

_PUBLISHED = Path(__file__).parent / "published" / "test-errors.csv"
