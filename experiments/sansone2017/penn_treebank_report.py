"""The report of the language models: Tables 5 and 6."""

import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.engine.frame import Results
from experiments.reporting import verdicts
from experiments.reporting.comparison import read_published
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from experiments.sansone2017 import recurrent, views
from experiments.sansone2017.methods import METHODS, PAPER
from experiments.sansone2017.penn_treebank import (
    BATCH,
    CLIPNORM,
    ITERATIONS,
    MEASURED_ON,
    STEPS,
)
from experiments.sansone2017.recurrent import LSTM

COMPARABLE = 0.02
"""Part by which perplexities may differ that are called comparable: the paper's, 130.1
and 128.7, differ by 1.1 %."""

_PUBLISHED = Path(__file__).parent / "published" / "perplexities.csv"


def report(number: int) -> Callable[[Results, Path], list[Part]]:
    """Returns the report of one of the paper's tables."""
    return functools.partial(_report, number)


def _report(number: int, results: Results, folder: Path) -> list[Part]:
    """Perplexities beside the published ones, and learning curves."""
    cell, lstm = results.cells
    frame = results.frame.assign(
        iteration=(results.frame["epoch"] + 1) * cell.iterations_per_epoch,
        **{
            f"{part} perplexity": np.exp(results.frame[loss])
            for part, loss in (
                ("training", "loss"),
                ("validation", "val_loss"),
                ("test", "test_loss"),
            )
        },
    )
    ended = cell.iterations >= ITERATIONS and cell.dataset == "ptb"
    done = verdicts.finished(frame, cell.rows_per_run)
    chosen = verdicts.chosen(done)
    last = done[done["epoch"] == cell.rows_per_run - 1]
    claims: list[Part] = []
    if verdicts.have_all(chosen, (LSTM, *PAPER), cell.seeds):
        of_end = _claims(number, chosen, last, ended)
        claims = [claims_table("What the paper says in words", of_end)]
    whole = cell.rows_per_run * cell.iterations_per_epoch
    panels = {
        f"{part} perplexity (log)": views.lines(frame, f"{part} perplexity")
        for part in ("training", "validation", "test")
    }
    dropped = ""
    if cell.dropout:
        moved = recurrent.dropped_std(cell.dropout)
        dropped = (
            "With dropout the softmax of EP, whose weights are long, begins with "
            f"logits that move by a standard deviation of {moved:.1f} with what is "
            "dropped: "
            "far above a uniform guess in training. "
        )
    size = (
        "as many as in the paper"
        if ended
        else f"the paper: {ITERATIONS:,}: its numbers are not to be compared with "
        "these, and what it says of them is not decided; it has no curves"
    )
    return [
        *claims,
        _table(number, results.cells, chosen, last, ended),
        views.learning_curves(panels, "iteration", folder / "curves.png"),
        f"{whole:,} iterations ({size}) of Adam at 0.0001, gradients clipped to a norm "
        f"of {CLIPNORM}, batches of {BATCH} texts side by side, the gradient cut off "
        f"after {STEPS} words; the state goes on from batch to batch, and begins anew "
        "with each pass, in validation and test as in training. Where the paper has "
        f"none of these they are those of Zaremba et al. {cell.units} logistic units "
        f"(the paper: 200), LSTM of {lstm.units} (190). All have the same embedding, "
        "uniform with the variance of a logistic unit's output, 0.059, which the paper "
        "does not state; the rest of LSTM is as Keras starts it, and lsuv measures on "
        f"{MEASURED_ON} pieces of {STEPS} words. {dropped}The network of the lowest "
        f"validation perplexity is tested; {verdicts.seeds(done['seed'])}, p by paired "
        "t-tests.",
    ]


def _table(
    number: int,
    cells: Sequence[Any],
    chosen: pd.DataFrame,
    last: pd.DataFrame,
    ended: bool,
) -> Table:
    cell, _ = cells
    published = {
        row["method"]: f"{row['perplexity']} ± {row['sd']}"
        for row in read_published(_PUBLISHED)
        if row["table"] == str(number) and ended
    }
    rows = []
    for method in [m for m in (LSTM, *METHODS) if m in set(chosen["method"])]:
        of_method, at_end = (each[each["method"] == method] for each in (chosen, last))
        rows.append(
            [
                method,
                mean_sd(of_method["test perplexity"].tolist()),
                *([published.get(method, "")] * ended),
                f"{statistics.median(of_method['iteration']):,.0f}",
                mean_sd(at_end["training perplexity"].tolist()),
                mean_sd(at_end["validation perplexity"].tolist()),
            ]
        )
    columns = [
        "",
        "test perplexity",
        *(["published"] * ended),
        "chosen after (median)",
        "training, at the end",
        "validation, at the end",
    ]
    return Table(f"Table {number}, {cell.name}", columns, rows)


def _claims(
    number: int, chosen: pd.DataFrame, last: pd.DataFrame, ended: bool
) -> list[Claim]:
    """Judges what is said of the end of training; without that nothing is decided."""

    def seeds(rows: pd.DataFrame, value: str) -> dict[str, np.ndarray]:
        by_seed = rows.sort_values("seed").groupby("method")[value]
        return {str(method): of.to_numpy() for method, of in by_seed}

    test = seeds(chosen, "test perplexity")
    off = {method: np.abs(of - test[LSTM]) for method, of in test.items()}
    shown = ", ".join(f"{m} {test[m].mean():.1f}" for m in (LSTM, *PAPER))

    def below(
        values: dict[str, np.ndarray], ahead: Sequence[str], behind: Sequence[str]
    ) -> bool | None:
        gaps = [values[b] - values[a] for a in ahead for b in behind]
        return verdicts.above_zero(gaps) if ended else None

    ours = "random+EP"
    others = [method for method in PAPER if method != ours]
    if number == 5:
        training = seeds(chosen, "training perplexity")
        fitted = ", ".join(f"{m} {training[m].mean():.1f}" for m in (LSTM, *PAPER))
        nearest = ["lsuv", "ortho+EP"]
        overfits = [
            *(training[method] - training[ours] for method in nearest),
            *(test[ours] - test[method] for method in nearest),
        ]
        return [
            (
                "6.5: of logistic networks lsuv and ortho+EP are nearest to LSTM (test "
                "perplexity)",
                shown,
                below(off, nearest, ["lecun", "glorot", "ortho", ours]),
            ),
            (
                "6.5: random+EP has the highest test perplexity",
                shown,
                below(test, others, [ours]),
            ),
            (
                "6.5: it overfits: its training perplexity is lower than that of lsuv "
                "and ortho+EP, and its test perplexity higher (where validation is "
                "lowest)",
                f"training: {fitted}; test: {shown}",
                verdicts.above_zero(overfits) if ended else None,
            ),
        ]
    ratio = test[ours] / test[LSTM]
    return [
        (
            "6.5: with dropout random+EP has the lowest test perplexity of logistic "
            "networks",
            shown,
            below(test, [ours], others),
        ),
        (
            f"6.5: it is comparable to LSTM (within {COMPARABLE:.0%})",
            f"{ratio.mean():.3f} times that of LSTM",
            verdicts.within(ratio, 1 - COMPARABLE, 1 + COMPARABLE) if ended else None,
        ),
    ]
