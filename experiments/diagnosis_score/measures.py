"""What `diagnose` measures of a network, as numbers, and what follows from them."""

from collections.abc import Mapping

import numpy as np

from keras_inits.diagnostics import Objective
from keras_inits.diagnostics.signal_propagation import Head, Propagation, propagate
from keras_inits.diagnostics.targets import target_issues
from keras_inits.diagnostics.trainability import (
    Criterion,
    StabilityLimits,
    StepRule,
    criteria,
    stability_limits,
)


def measure(objective: Objective) -> dict[str, float]:
    """Returns all that the verdict on a network with one output depends on."""
    propagation = propagate(objective)
    limits = StabilityLimits(np.nan, np.nan)
    if propagation.finite:
        limits = stability_limits(objective, propagation.gradient)
    (head,) = propagation.heads
    return {
        "loss": propagation.loss,
        "null_loss": propagation.null_loss,
        "depth": float(propagation.depth),
        "decrease_gradient": propagation.decrease["gradient"],
        "decrease_sign": propagation.decrease["sign"],
        "logit_sd": propagation.logit_sd,
        "slope_sd": propagation.slope_sd,
        "narrowest": float(propagation.narrowest),
        "input_rank": propagation.input_rank,
        "unbounded": float(propagation.unbounded),
        "finite": float(propagation.finite),
        "outputs": float(head.outputs),
        "effective_rank": head.effective_rank,
        "order": head.order,
        "constant": float(head.constant),
        "limit_gradient": limits.gradient,
        "limit_sign": limits.sign,
        "target_issues": float(len(target_issues(objective))),
    }


def criteria_of(
    row: Mapping[str, float], rule: StepRule, rate: float, steps: int
) -> list[Criterion]:
    """Returns what `diagnose` goes by, for an optimizer and a learning rate.

    Args:
        row: From `measure`.
        rule: How the optimizer steps.
        rate: The learning rate.
        steps: How many steps it has.
    """
    if row["target_issues"]:
        return [Criterion("targets", np.inf)]
    head = Head(
        layer="",
        outputs=int(row["outputs"]),
        effective_rank=row["effective_rank"],
        order=row["order"],
        constant=bool(row["constant"]),
    )
    propagation = Propagation(
        loss=row["loss"],
        null_loss=row["null_loss"],
        depth=int(row["depth"]),
        layers=[],
        heads=[head],
        gradient=np.zeros(0),
        decrease={
            "gradient": row["decrease_gradient"],
            "sign": row["decrease_sign"],
        },
        logit_sd=row["logit_sd"],
        slope_sd=row["slope_sd"],
        narrowest=int(row["narrowest"]),
        input_rank=row["input_rank"],
        unbounded=bool(row["unbounded"]),
        finite=bool(row["finite"]),
    )
    limits = StabilityLimits(row["limit_gradient"], row["limit_sign"])
    return criteria(propagation, limits, rule, rate, steps)
