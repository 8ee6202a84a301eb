"""The report of the language models: Tables 5 and 6."""

import functools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from experiments.engine.frame import Results
from experiments.reporting.comparison import read_published
from experiments.reporting.report import Claim, Part, Table, claims_table
from experiments.sansone2017 import verdicts, views
from experiments.sansone2017.copy_memory import LSTM
from experiments.sansone2017.methods import METHODS, PAPER
from experiments.sansone2017.penn_treebank import (
    BATCH,
    CLIPNORM,
    ITERATIONS,
    STEPS,
)

TURNED = 0.01
"""Part by which the validation perplexity ends above its lowest where it has turned."""

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
    chosen = done.reset_index().loc[
        lambda rows: rows.groupby("run", sort=False)["val_loss"].idxmin()
    ]
    last = done[done["epoch"] == cell.rows_per_run - 1]
    claims: list[Part] = []
    if verdicts.have_all(done, (LSTM, *PAPER), cell.seeds):
        of_end = _claims(number, chosen, last, ended)
        claims = [claims_table("What the paper says in words", of_end)]
    whole = cell.rows_per_run * cell.iterations_per_epoch
    panels = {
        f"{part} perplexity (log)": views.lines(frame, f"{part} perplexity")
        for part in ("training", "validation", "test")
    }
    size = (
        "as many as in the paper"
        if ended
        else f"the paper: {ITERATIONS:,}: curves can be compared with the beginning of "
        "its own, the numbers of its table cannot, and what it says of them is not "
        "decided"
    )
    return [
        *claims,
        _table(number, results.cells, chosen, last),
        views.learning_curves(panels, "iteration", folder / "curves.png"),
        f"{whole:,} iterations ({size}) of Adam at 0.0001, gradients clipped to a norm "
        f"of {CLIPNORM}, batches of {BATCH} texts side by side, the gradient cut off "
        f"after {STEPS} words; the state goes on from batch to batch, and begins anew "
        "with each pass, in validation and test as in training. Where the paper has "
        f"none of these they are those of Zaremba et al. {cell.units} logistic units "
        f"(the paper: 200), LSTM of {lstm.units} (190), as Keras starts it; seeds 0 to "
        f"{cell.seeds - 1}. The network of the lowest validation perplexity is tested.",
    ]


def _table(
    number: int, cells: Sequence[Any], chosen: pd.DataFrame, last: pd.DataFrame
) -> Table:
    (cell, lstm) = cells
    published = {
        row["method"]: f"{row['perplexity']} ± {row['sd']}"
        for row in read_published(_PUBLISHED)
        if row["table"] == str(number) and cell.dataset == "ptb"
    }
    rows = []
    for method in [m for m in (LSTM, *METHODS) if m in set(chosen["method"])]:
        of_method, at_end = (each[each["method"] == method] for each in (chosen, last))
        rows.append(
            [
                method,
                _spread(of_method["test perplexity"]),
                published.get(method, ""),
                f"{statistics.median(of_method['iteration']):,.0f}",
                _spread(at_end["training perplexity"]),
                _spread(at_end["validation perplexity"]),
            ]
        )
    columns = [
        "",
        "test perplexity",
        "published",
        "chosen after (median)",
        "training, at the end",
        "validation, at the end",
    ]
    return Table(f"Table {number}, {cell.name}", columns, rows)


def _spread(values: pd.Series) -> str:
    sd = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{sd}"


def _claims(
    number: int, chosen: pd.DataFrame, last: pd.DataFrame, ended: bool
) -> list[Claim]:
    """Judges what is said of the end of training; without that nothing is decided."""

    def seeds(rows: pd.DataFrame, value: str) -> dict[str, np.ndarray]:
        by_seed = rows.sort_values("seed").groupby("method")[value]
        return {str(method): of.to_numpy() for method, of in by_seed}

    test = seeds(chosen, "test perplexity")
    shown = ", ".join(f"{m} {test[m].mean():.1f}" for m in (LSTM, *PAPER))

    def first(ahead: Sequence[str], behind: Sequence[str]) -> bool | None:
        gaps = [test[b] - test[a] for a in ahead for b in behind]
        return verdicts.above_zero(gaps) if ended else None

    lowest = seeds(chosen, "validation perplexity")
    turned = {
        method: int((at_end > (1 + TURNED) * lowest[method]).sum())
        for method, at_end in seeds(last, "validation perplexity").items()
    }
    counts = ", ".join(f"{m} {turned[m]} of {len(test[m])}" for m in (LSTM, *PAPER))
    others = [method for method in PAPER if method != "random+EP"]
    if number == 5:
        rest = ["lecun", "glorot", "ortho", "random+EP"]
        said: list[Claim] = [
            (
                "6.5: of logistic networks lsuv and ortho+EP are nearest to LSTM (test "
                "perplexity)",
                shown,
                first(["lsuv", "ortho+EP"], rest),
            ),
            (
                "6.5: random+EP has the highest test perplexity",
                shown,
                first(others, ["random+EP"]),
            ),
            (
                "6.5: it overfits (seeds whose validation perplexity ends more than "
                f"{TURNED:.0%} above its lowest)",
                counts,
                _most(turned["random+EP"], test["random+EP"]) if ended else None,
            ),
        ]
        return said
    return [
        (
            "6.5: with dropout random+EP has the lowest test perplexity of logistic "
            "networks",
            shown,
            first(["random+EP"], others),
        ),
        (
            "6.5: and does not overfit (seeds whose validation perplexity ends more "
            f"than {TURNED:.0%} above its lowest)",
            counts,
            not _most(turned["random+EP"], test["random+EP"]) if ended else None,
        ),
    ]


def _most(count: int, seeds: np.ndarray) -> bool:
    return count > len(seeds) / 2
