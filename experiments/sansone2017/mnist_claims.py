"""What Sansone & De Natale say of logistic networks on digits, judged (6.2 and 6.3)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.reporting import verdicts
from experiments.reporting.report import Claim
from experiments.sansone2017.methods import PAPER, TRUE_OPTIMUM
from experiments.sansone2017.mnist import Cell

CONVERGING = 20_000
"""Iterations after which it is judged who has converged faster, or those of a shorter
run. The mean over a run would punish a start with a higher loss."""

DRIFTED = 0.1
"""Mean output below which a layer of logistic units has drifted to 0: it starts at a
half."""

OBSERVED = 90_000
"""Iterations over which the paper observes layers."""

SIMILAR = 0.15
"""Points of test error within which methods generalize alike: those of Table 1, which
the paper calls pretty similar, differ by 0.13."""

BASELINES = ("lecun", "glorot", "ortho")
OURS = ("ortho+EP", "random+EP")

_TANH = {2: ("59", 1.60), 4: ("62, run again by the paper", 0.62)}
"""By table, a reference whose networks are of tanh, and its test error (%)."""


def judged(
    number: int, cell: Cell, done: pd.DataFrame, comparable: bool
) -> list[Claim]:
    """Judges what is said of one of the tables and its figures.

    Args:
        number: Of the table.
        cell: What was trained.
        done: Rows of its runs that are finished, with `iteration` and `error`, of all
            methods and seeds.
        comparable: Whether the run is as long and as large as the paper's. What is said
            of the end of training is not decided by any other.
    """
    claims: list[Claim] = []
    if number != 2:  # The paper shows no curves of Table 2.
        for loss, objective in (("loss", "training"), ("val_loss", "validation")):
            claims += _convergence(number, done, loss, objective)
    if number == 1:
        claims.append(_spread(done))
    if cell.watched:
        claims += _drift(cell, done)
    errors = verdicts.chosen(done).set_index(["method", "seed"])["error"].unstack()
    of_end = _at_the_end(number, errors)
    return claims + [
        (text, measured, held if comparable else None)
        for text, measured, held in of_end
    ]


def _logs(done: pd.DataFrame, loss: str) -> tuple[pd.DataFrame, int]:
    """Returns logarithms of an objective by method and seed, and when that is."""
    at = int(done[done["iteration"] <= CONVERGING]["iteration"].max())
    logs = done[done["iteration"] == at].assign(log=lambda rows: np.log(rows[loss]))
    # What is not finite any more is farther off than all that is.
    by_run = logs.set_index(["method", "seed"])["log"].unstack()
    return by_run.fillna(np.inf), at


def _convergence(
    number: int, done: pd.DataFrame, loss: str, objective: str
) -> list[Claim]:
    """Judges how fast methods converge."""
    by_run, at = _logs(done, loss)
    section = "6.2" if number == 1 else "6.3"
    claims: list[Claim] = []
    for method in OURS:
        rivals = (*BASELINES, "lsuv")
        gaps = _gaps(by_run, [method], rivals)
        texts = [
            f"{rival}'s is {np.exp(of.mean()):.2f} times as high "
            f"({verdicts.p_text(verdicts.p_value(of))})"
            for rival, of in zip(rivals, gaps, strict=True)
        ]
        claims.append(
            (
                f"{section}: {method} converges faster than all others ({objective} "
                f"objective after {at:,} iterations)",
                ", ".join(texts),
                verdicts.above_zero(gaps),
            )
        )
    if TRUE_OPTIMUM in by_run.index:
        (gap,) = _gaps(by_run, [TRUE_OPTIMUM], ["random+EP"])
        claims.append(
            (
                "Ours: at the optimum of the entropy itself random+EP converges faster "
                f"than at that of its bound ({objective} objective after {at:,} "
                "iterations)",
                f"the bound's is {np.exp(gap.mean()):.3f} times as high "
                f"({verdicts.p_text(verdicts.p_value(gap))})",
                verdicts.above_zero([gap]),
            )
        )
    return claims


def _spread(done: pd.DataFrame) -> Claim:
    """Judges how much seeds differ."""
    by_run, at = _logs(done, "loss")
    of_seeds = {method: by_run.loc[method].to_numpy() for method in PAPER}
    return (
        "6.2: random+EP varies least between seeds (sd of the logarithm of the "
        f"training objective after {at:,} iterations)",
        ", ".join(f"{name} {of.std(ddof=1):.3f}" for name, of in of_seeds.items()),
        verdicts.least_spread(of_seeds, "random+EP"),
    )


def _at_the_end(number: int, errors: pd.DataFrame) -> list[Claim]:
    """Judges test errors of what was chosen."""
    shown = ", ".join(f"{method} {errors.loc[method].mean():.2f}" for method in PAPER)
    claims: list[Claim] = []
    if number == 1:
        off = errors.loc[list(PAPER)] - errors.loc[list(PAPER)].mean()
        held = [verdicts.within(of, -SIMILAR, SIMILAR) for of in off.to_numpy()]
        claims.append(
            (
                "6.2: generalization is pretty similar for all methods (test errors "
                f"within {SIMILAR:g} points of their mean)",
                shown,
                False if False in held else None if None in held else True,
            )
        )
    if number == 3:
        claims.append(
            (
                "6.3: lsuv, ortho+EP and random+EP generalize better than lecun, "
                "glorot and ortho (test error)",
                shown,
                verdicts.above_zero(_gaps(errors, ("lsuv", *OURS), BASELINES)),
            )
        )
    if number > 2:
        for method in OURS if number == 3 else ("random+EP",):
            claims.append(
                (
                    f"6.3: {method} leads to a better solution than all others (test "
                    "error)",
                    shown,
                    verdicts.above_zero(_gaps(errors, [method], (*BASELINES, "lsuv"))),
                )
            )
    if number in _TANH:
        reference, published = _TANH[number]
        ours = errors.loc["random+EP"].to_numpy()
        claims.append(
            (
                f"{'6.2' if number == 2 else '6.3'}: it is close to networks of tanh "
                f"(random+EP, within {SIMILAR:g} points of the {published:.2f} % of "
                f"reference {reference}; not run here)",
                f"{ours.mean():.2f} %",
                verdicts.within(ours, published - SIMILAR, published + SIMILAR),
            )
        )
    return claims


def _gaps(
    by_run: pd.DataFrame, ahead: Sequence[str], rivals: Sequence[str]
) -> list[np.ndarray]:
    """Returns by how much each rival is above each of those, seed by seed."""
    with np.errstate(invalid="ignore"):  # Of infinite ones, which are ties.
        gaps = [
            (by_run.loc[r] - by_run.loc[m]).to_numpy() for m in ahead for r in rivals
        ]
    return [np.nan_to_num(of, nan=0.0, posinf=np.inf, neginf=-np.inf) for of in gaps]


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
    name = f"sd_{len(cell.hidden) + 1}"
    sd = seen.groupby(["method", "seed"])[name].mean().unstack()
    claims.append(
        (
            "6.3: and little varies in the output layer under lecun, glorot and ortho "
            "(sd of its outputs, mean over these iterations: below that of lsuv, "
            "ortho+EP and random+EP)",
            ", ".join(f"{method} {sd.loc[method].mean():.3f}" for method in PAPER),
            verdicts.above_zero(_gaps(sd, BASELINES, ("lsuv", *OURS))),
        )
    )
    return claims
