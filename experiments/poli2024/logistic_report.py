"""The report of deep logistic networks, each method at its own best rate."""

import math
from pathlib import Path

import pandas as pd

from experiments.engine.frame import Results
from experiments.poli2024.logistic import METHODS, RATES
from experiments.reporting import panels, verdicts
from experiments.reporting.guide import Network
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd

OURS = "yilmaz_poli"
TRAINED = 50.0
"""Accuracy (%) above which a network counts as trained. Deep logistic networks stay for
long on plateaus, where they know two or three classes of ten."""

ZERO_MEAN = ("glorot", "he", "lecun", "ortho")
"""Methods that know nothing of logistic units."""


def report(results: Results, folder: Path) -> list[Part]:
    """Accuracies by network and optimizer, and whether a negative mean trains.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    frame = results.frame.assign(accuracy=100 * results.frame["val_accuracy"])
    judged = frame[frame["rate"].isna()]
    last = judged[judged["epoch"] == judged["epochs"] - 1]
    rows, ends = [], dict[str, pd.DataFrame]()
    lines: dict[str, panels.Lines] = {}
    for cell in results.cells:
        chosen = (
            (last["dataset"] == cell.dataset)
            & (last["depth"] == cell.depth)
            & (last["optimizer"] == cell.optimizer)
        )
        of_cell = last[chosen]
        if not len(of_cell):
            continue
        by_seed = of_cell.set_index(["method", "seed"])["accuracy"].unstack()
        ends[cell.name] = by_seed
        rates = of_cell.groupby("method")["learning_rate"].first()
        rows.append(
            [
                cell.name,
                *(
                    mean_sd(verdicts.of_seeds(by_seed, m))
                    + f"\n{_rate(rates[m], cell.optimizer)}"
                    if m in by_seed.index
                    else ""
                    for m in METHODS
                ),
            ]
        )
        curves = judged[judged.index.isin(of_cell.index)]
        lines[cell.name] = _lines(curves)
    parts: list[Part] = [
        Table("Validation accuracy (%), and learning rate", ["", *METHODS], rows)
    ]
    whole = {
        name: end
        for name, end in ends.items()
        if set(end.index) == set(METHODS) and not end.isna().any(axis=None)
    }
    if whole:
        parts.insert(0, claims_table("What Yilmaz & Poli say", _claims(whole)))
    if lines:
        parts.append(panels.curves(lines, "epoch", folder / "curves.png"))
    cell = results.cells[0]
    grid = "; ".join(
        f"{name} {', '.join(f'{rate:g}' for rate in rates)}"
        for name, rates in RATES.items()
    )
    parts.append(
        f"Hidden layers of {cell.width} logistic units and a softmax, which is "
        f"Glorot's under all methods; up to {cell.samples:,} samples to train on, "
        f"pixels in [0, 1], batches of {cell.batch_size}. Each method has the learning "
        "rate with the "
        f"highest mean accuracy in {cell.choosing} seeds, of {grid} (momentum 0.9), "
        f"and is judged with {cell.seeds} others. A network trains where it comes "
        f"above {TRAINED:g} %. p by paired t-tests over seeds."
    )
    return parts


def networks(results: Results) -> list[Network]:
    """Returns what was compared, for the guide to initializers."""
    frame = results.frame
    judged = frame[frame["rate"].isna() & (frame["epoch"] == frame["epochs"] - 1)]
    scores: dict[tuple[str, int, str], dict[str, dict[int, float]]] = {}
    for row in judged.to_dict("records"):
        of_cell = scores.setdefault(
            (row["dataset"], row["depth"], row["optimizer"]), {}
        )
        by_seed = of_cell.setdefault(METHODS[row["method"]], {})
        by_seed[row["seed"]] = 100 * row["val_accuracy"]
    return [
        Network(
            "sigmoid",
            f"{cell.depth} x {cell.width} units",
            f"{cell.dataset}, 0..1, {cell.optimizer} at each one's best rate",
            scores.get((cell.dataset, cell.depth, cell.optimizer), {}),
            trained=TRAINED,
        )
        for cell in results.cells
    ]


def _lines(curves: pd.DataFrame) -> panels.Lines:
    lines: panels.Lines = {}
    for row in curves.to_dict("records"):
        by_epoch = lines.setdefault(row["method"], {})
        by_epoch.setdefault(row["epoch"] + 1, []).append(row["accuracy"])
    return lines


def _claims(ends: dict[str, pd.DataFrame]) -> list[Claim]:
    """Judges what the letter says of logistic networks.

    Args:
        ends: Of each network and optimizer the accuracies at the end, by method and
            seed.
    """
    trained = {
        method: [bool((end.loc[method] > TRAINED).all()) for end in ends.values()]
        for method in METHODS
    }
    counts = {method: sum(of) for method, of in trained.items()}
    shown = ", ".join(f"{m} {counts[m]} of {len(ends)}" for m in METHODS)
    stalled = [
        name
        for index, name in enumerate(ends)
        if not any(trained[method][index] for method in ZERO_MEAN)
    ]
    rescued = [
        name
        for name, good in zip(ends, trained[OURS], strict=True)
        if name in stalled
        if good
    ]
    claims: list[Claim] = [
        (
            "Deep networks of logistic units train with a negative mean (networks and "
            "optimizers in which all seeds do)",
            shown,
            counts[OURS] == len(ends),
        ),
        (
            "And where glorot, he, lecun and ortho do not",
            f"none of these four trains in {len(stalled)} of {len(ends)}; {OURS} in "
            f"{len(rescued)} of them",
            len(rescued) == len(stalled) if stalled else None,
        ),
    ]
    for rivals in (ZERO_MEAN, ("random_ep", "ortho_ep", "lsuv")):
        ahead = behind = 0
        for end in ends.values():
            best = str(end.loc[list(rivals)].mean(axis=1).idxmax())
            gap = (end.loc[OURS] - end.loc[best]).to_numpy()
            decided = verdicts.above_zero([gap])
            ahead += decided is True
            behind += decided is False
        claims.append(
            (
                f"It is ahead of the best of {', '.join(rivals)}",
                f"significantly in {ahead} of {len(ends)} networks and optimizers, "
                f"behind in {behind}",
                _most(ahead, behind),
            )
        )
    return claims


def _rate(rate: float, optimizer: str) -> str:
    """Names a learning rate, and whether the best may lie beyond those that were tried.

    Examples:
        >>> _rate(0.3, "momentum"), _rate(1.0, "momentum")
        ('at 0.3', 'at 1, the last tried')
    """
    known = [math.isclose(rate, of, rel_tol=1e-5) for of in RATES[optimizer]]
    return f"at {rate:g}" + (", the last tried" if known[0] or known[-1] else "")


def _most(ahead: int, behind: int) -> bool | None:
    """Decides by signs of what is decided."""
    if verdicts.sign_test(ahead, behind) >= verdicts.SIGNIFICANT:
        return None
    return ahead > behind
