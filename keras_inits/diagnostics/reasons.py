"""Why a network does not train, from what is measured before training."""

import numpy as np

from keras_inits.diagnostics.signal_propagation import Propagation
from keras_inits.diagnostics.stability import StabilityLimits, StepRule

# Of networks that do not train, what these limits name is what most often keeps them.
LEAST_DECREASE = {"gradient": 0.02, "sign": 0.0045}
"""Of the loss: that much must be in reach."""

LEAST_CHANGE = {"gradient": 0.35, "sign": 0.55}
"""Of the differences between the logits of samples: that much must be in reach."""

MOST_FIRST_CHANGE = {"gradient": 8.0, "sign": 65.0}
"""Times these differences: a first step that changes them by more is blind."""

MOST_OVERSHOOT = {"gradient": 7.0, "sign": 3.5}
"""Times the stable rate. Curvature often falls when a rate is too high for it."""

MOST_BOUNDED_OVERSHOOT = {"gradient": 20.0, "sign": 7.0}
"""The same of a loss whose slope is bounded, as of classes: it does not run away."""

MOST_DEPTH_TIMES_RATE = {"gradient": 1.8, "sign": 0.6}
"""Learning rate times number of layers: steps in all layers at once multiply."""

MOST_LOSS = {"gradient": 100.0, "sign": 1e4}
"""Times the loss of a network that returns nothing: beyond it, signals explode."""

LEAST_EFFECTIVE_RANK = 1.8
"""In the last features: samples on one line are not told apart by many outputs.

Less is asked where a layer has few units, or inputs lie near a line themselves:
`least_effective_rank`.
"""

ONE_LINE = 1.05
"""An effective rank up to which samples lie on a line."""

LEAST_ORDER = 0.2
"""Rank correlation of one output's targets with the place of samples on a line."""

_RANK_A_UNIT = 0.2  # Two units, at least, come near to 1.2.
_RANK_OF_INPUTS = 0.12  # Of what is above one direction in them.


def reasons(
    propagation: Propagation,
    limits: StabilityLimits,
    rule: StepRule,
    rate: float,
    steps: int,
) -> list[str]:
    """Says what may keep a network from training, in plain words, the gravest first.

    Each reason is a quantity beyond a limit, by a factor that says how grave it is.
    Whether the network trains all the same is not asked here.

    Args:
        propagation: How signal and gradient pass through it.
        limits: The stable learning rates.
        rule: How the optimizer steps.
        rate: The learning rate.
        steps: How many steps it has.
    """
    if not propagation.finite:
        loss = f"{propagation.loss:.3g}"
        return [f"the loss is {loss}: signals or gradients overflow"]
    found = _of_features(propagation)
    if rule.kind and np.isfinite(rate):
        found |= _of_steps(propagation, rule, rate, steps)
        found |= _of_rate(propagation, limits, rule, rate)
    beyond = {text: factor for text, factor in found.items() if factor > 1}
    return sorted(beyond, key=lambda text: -beyond[text])


def _of_features(propagation: Propagation) -> dict[str, float]:
    found = {}
    several = len(propagation.heads) > 1
    least = least_effective_rank(propagation.narrowest, propagation.input_rank)
    for head in propagation.heads:
        where = f"'{head.layer}'" if several else "the last layer"
        alike = f"samples have become alike: what reaches {where} differs between them "
        if head.constant:
            text = (
                "the output is the same for all samples: its activation is flat there"
            )
            found[text] = np.inf
        if head.outputs > 2 and least > 1:
            text = f"{alike}along {head.effective_rank:.2g} directions"
            # One direction is none: what is above it counts.
            found[text] = _factor(least - 1, head.effective_rank - 1)
        on_a_line = propagation.narrowest > 1 and head.effective_rank < ONE_LINE
        if head.outputs <= 2 and on_a_line and head.order < LEAST_ORDER:
            text = f"{alike}along one line, on which those of high and of low targets "
            found[f"{text}are mixed"] = np.inf
    return found


def _of_steps(
    propagation: Propagation, rule: StepRule, rate: float, steps: int
) -> dict[str, float]:
    """Compares what steps can do, to first order, with the least and the most."""
    kind = str(rule.kind)
    of_loss, of_logits = _reach(propagation, rule, rate, steps)
    taken = "1 step" if steps == 1 else f"{steps} steps"
    too_little = {
        f"too little reaches the kernels: {taken} at the rate {rate:.3g} can "
        f"{what} by about {100 * part:.1g} %, to first order": _factor(least, part)
        for what, part, least in (
            (
                "lower the loss, where they tell samples apart,",
                of_loss,
                LEAST_DECREASE[kind],
            ),
            ("change what tells samples apart", of_logits, LEAST_CHANGE[kind]),
        )
    }
    worst = max(too_little, key=lambda text: too_little[text])
    _, first = _reach(propagation, rule, rate, 1)
    too_much = (
        f"your rate {rate:.3g} is too high: a first step changes what tells samples "
        f"apart by {100 * first:.2g} %"
    )
    return {
        worst: too_little[worst],
        too_much: _factor(first, MOST_FIRST_CHANGE[kind]),
    }


def _of_rate(
    propagation: Propagation, limits: StabilityLimits, rule: StepRule, rate: float
) -> dict[str, float]:
    """Compares the rate with the stable one, by depth and by the size of the loss."""
    kind, found = str(rule.kind), {}
    if propagation.null_loss > 0:
        ratio = propagation.loss / propagation.null_loss
        text = (
            f"signals explode: the loss is {propagation.loss:.2g}, {ratio:.2g} times "
        )
        text += "that of a network that returns 0"
        found[text] = _factor(ratio, MOST_LOSS[kind])
    limit = limits.of(rule)
    ratio = rate / limit if limit > 0 else np.inf
    most = MOST_OVERSHOOT if propagation.unbounded else MOST_BOUNDED_OVERSHOOT
    text = f"your rate {rate:.3g} is {ratio:.2g} times the stable one"
    found[text] = _factor(ratio, most[kind])
    together = MOST_DEPTH_TIMES_RATE[kind] / propagation.depth
    text = f"your rate {rate:.3g} is too high for {propagation.depth} layers that "
    text += f"move at once: {rule.optimizer} can take about {together:.2g}"
    found[text] = _factor(rate, together)
    return found


def _factor(value: float, limit: float) -> float:
    """Returns by what factor a value is above a limit; 0 where one is unknown."""
    if np.isnan(value) or np.isnan(limit) or value <= 0 or limit == np.inf:
        return 0.0
    return value / limit if limit > 0 else np.inf


def _reach(
    propagation: Propagation, rule: StepRule, rate: float, steps: int
) -> tuple[float, float]:
    """Returns how far steps can go, to first order, in what tells samples apart.

    Returns:
        The decrease of the loss as a part of the loss, and the change of the logits as
        a part of their differences between samples.
    """
    # Momentum makes steps longer, but not by more than there are of them.
    longer = 1 / max(1 - rule.momentum, 1 / steps)
    decrease = propagation.decrease[str(rule.kind)] * rate * steps * longer
    spread = propagation.slope_sd * propagation.logit_sd
    return (
        decrease / propagation.loss if propagation.loss > 0 else np.inf,
        decrease / spread if spread > 0 else 0.0,
    )


def least_effective_rank(units: int, input_rank: float = np.inf) -> float:
    """Returns the least effective rank of features, by what is there to be kept.

    Args:
        units: Of the narrowest layer before them.
        input_rank: The effective rank of the inputs.
    """
    return min(
        LEAST_EFFECTIVE_RANK,
        1 + _RANK_A_UNIT * (units - 1),
        1 + _RANK_OF_INPUTS * (input_rank - 1),
    )
