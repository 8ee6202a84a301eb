"""The report of deep logistic networks, each method at its own best rate."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from experiments.engine.frame import Results
from experiments.poli2024.learning_rates import rate_text
from experiments.poli2024.logistic import METHODS, RATES, Cell
from experiments.reporting import panels, verdicts
from experiments.reporting.guide import Network
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd

OURS = "yilmaz_poli"
TRAINED = 50.0
"""Accuracy (%) above which a network counts as trained; below it has stalled. Deep
logistic networks stay for long on plateaus, where they know two or three classes of
ten."""

ZERO_MEAN = ("glorot", "he", "lecun", "ortho")
"""Methods that know nothing of logistic units."""

OTHERS = tuple(method for method in METHODS if method not in (OURS, *ZERO_MEAN))
"""Methods that are for logistic units, or measure them, without a negative mean."""


def report(results: Results, folder: Path) -> list[Part]:
    """Accuracies by network and optimizer, and whether a negative mean trains.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    rows, ends = [], dict[Cell, pd.DataFrame]()
    lines: dict[str, panels.Lines] = {}
    for cell in results.cells:
        judged = _judged(results.frame, cell)
        last = judged[judged["epoch"] == cell.epochs - 1]
        if not len(last):
            continue
        by_seed = last.set_index(["method", "seed"])["accuracy"].unstack()
        ends[cell] = by_seed
        rates = {
            method: rate_text(rate, RATES[cell.optimizer])
            for method, rate in last.groupby("method")["learning_rate"].first().items()
        }
        rows.append(
            [
                cell.name,
                *(
                    mean_sd(verdicts.of_seeds(by_seed, m))
                    + f"\n{_counted(by_seed, m)} at {rates[m]}"
                    if m in by_seed.index
                    else ""
                    for m in METHODS
                ),
            ]
        )
        lines[cell.name] = _lines(judged[judged.index.isin(last.index)])
    parts: list[Part] = [
        Table(
            "Validation accuracy (%), seeds that are trained, and learning rate",
            ["", *METHODS],
            rows,
        )
    ]
    whole = {cell: end for cell, end in ends.items() if _is_whole(cell, end)}
    if whole:
        parts.insert(0, claims_table("What Yilmaz & Poli say", _claims(whole)))
    if lines:
        parts.append(panels.curves(lines, "epoch", folder / "curves.png"))
    cell = results.cells[0]
    epochs = {(of.dataset, of.optimizer): of.epochs for of in results.cells}
    grid = "; ".join(
        f"{name} {', '.join(f'{rate:g}' for rate in RATES[name])}"
        for name in dict.fromkeys(of.optimizer for of in results.cells)
    )
    parts.append(
        f"Hidden layers of {cell.width} logistic units and a softmax, which is "
        f"Glorot's under all methods; up to {cell.samples:,} samples to train on, "
        f"pixels in [0, 1], batches of {cell.batch_size}; epochs: "
        + ", ".join(f"{' '.join(of)} {number}" for of, number in epochs.items())
        + ". Each method has the learning rate with the highest accuracy, the mean of "
        f"{cell.choosing} seed(s), of {grid}"
        + (" (momentum 0.9)" if "momentum" in grid else "")
        + f", and is judged with {cell.seeds} others. A network is trained where it is "
        f"above {TRAINED:g} % at the end, and has stalled where it is not: in more "
        "epochs a slower one might train. A claim holds where t-tests over seeds "
        "decide it (p < 0.05) for every method on every data set, and does not where "
        "they decide the opposite for one of them (p < 0.05 when multiplied by their "
        "number). Data sets, depths and optimizers share their seeds: none is counted "
        "as evidence for another."
    )
    return parts


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    compared = []
    for cell in results.cells:
        judged = _judged(results.frame, cell)
        scores: dict[str, dict[int, float]] = {}
        for row in judged[judged["epoch"] == cell.epochs - 1].to_dict("records"):
            by_seed = scores.setdefault(METHODS[row["method"]], {})
            by_seed[row["seed"]] = row["accuracy"]
        compared.append(
            Network(
                "sigmoid",
                f"{cell.depth} x {cell.width} units",
                f"{cell.dataset}, 0..1, {cell.epochs} epochs, {cell.optimizer} at each "
                "one's best rate",
                scores,
                trained=TRAINED,
            )
        )
    return compared


def _judged(frame: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    """Returns where runs of a cell that are judged were evaluated."""
    if "val_accuracy" not in frame:  # No run has come to an evaluation.
        return frame.iloc[:0]
    chosen = frame["rate"].isna() & frame["val_accuracy"].notna()
    for name in ("dataset", "depth", "optimizer"):
        chosen &= frame[name] == getattr(cell, name)
    rows = frame[chosen]
    return rows.assign(accuracy=100 * rows["val_accuracy"])


def _is_whole(cell: Cell, end: pd.DataFrame) -> bool:
    """Tells whether all seeds of all methods are there."""
    known = end.reindex(list(METHODS)).notna()
    return bool(known.all(axis=None)) and end.shape[1] == cell.seeds


def _lines(curves: pd.DataFrame) -> panels.Lines:
    lines: panels.Lines = {}
    for row in curves.to_dict("records"):
        by_epoch = lines.setdefault(row["method"], {})
        by_epoch.setdefault(row["epoch"] + 1, []).append(row["accuracy"])
    return lines


def _claims(ends: Mapping[Cell, pd.DataFrame]) -> list[Claim]:
    """Judges what Yilmaz & Poli say, for each depth and optimizer.

    That all data sets and methods are on one side is a claim that each test must
    decide, and that one is not is corrected for their number: either is right also of
    tests that depend on each other.

    Args:
        ends: Of each cell the accuracies at the end, by method and seed.
    """
    claims: list[Claim] = []
    for depth, optimizer in dict.fromkeys((of.depth, of.optimizer) for of in ends):
        of_form = {
            cell.dataset: end
            for cell, end in ends.items()
            if (cell.depth, cell.optimizer) == (depth, optimizer)
        }
        form = f"{depth} layers, {optimizer}"
        claims += [
            (
                f"{form}: they train with a negative mean (seeds above {TRAINED:g} %)",
                _shown(of_form, [OURS], 1),
                _all(of_form, [OURS], 1),
            ),
            (
                f"{form}: where {', '.join(ZERO_MEAN)} stall",
                _shown(of_form, ZERO_MEAN, -1),
                _all(of_form, ZERO_MEAN, -1),
            ),
            (
                f"{form}: and {', '.join(OTHERS)} too, so that it is required",
                _shown(of_form, OTHERS, -1),
                _all(of_form, OTHERS, -1),
            ),
        ]
    return claims


def _all(
    ends: Mapping[str, pd.DataFrame], methods: Sequence[str], side: int
) -> bool | None:
    """Returns whether all methods are trained, or have stalled, on all data sets.

    Args:
        ends: Of each data set the accuracies at the end, by method and seed.
        methods: The methods.
        side: 1 for trained, -1 for stalled.
    """
    return verdicts.above_zero(
        [
            side * (end.loc[method].to_numpy(dtype=float) - TRAINED)
            for end in ends.values()
            for method in methods
        ]
    )


def _shown(ends: Mapping[str, pd.DataFrame], methods: Sequence[str], side: int) -> str:
    """Names of each data set the seeds that are trained, and what they decide."""
    words = {True: "yes", False: "no", None: "open"}
    texts = []
    for dataset, end in ends.items():
        counts = [_counted(end, method) for method in methods]
        if len(set(counts)) > 1:
            named = zip(methods, counts, strict=True)
            counts = [f"{method} {count}" for method, count in named]
        else:
            counts = [counts[0] + (" each" if len(methods) > 1 else "")]
        held = words[_all({dataset: end}, methods, side)]
        texts.append(f"{dataset} {', '.join(counts)} ({held})")
    return "; ".join(texts)


def _counted(by_seed: pd.DataFrame, method: str) -> str:
    """Counts the seeds of a method that are trained, among those that are there."""
    values = verdicts.of_seeds(by_seed, method)
    return f"{sum(v > TRAINED for v in values)} of {len(values)}"
