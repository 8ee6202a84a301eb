"""Whether an optimizer will train a network, from what is measured before training."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.diagnostics.curvature import HessianOperator, Objective, eigenvalues
from keras_inits.diagnostics.signal_propagation import Propagation

# Chosen on the networks that `python -m experiments score` calls "fitted".
LEAST_DECREASE = 0.02
"""Of the loss: that much must be in reach."""

LEAST_CHANGE = 0.5
"""Of the differences between the logits of samples: that much must be in reach."""

LEAST_EFFECTIVE_RANK = 1.8
"""In the last features: samples on one line are not told apart by many outputs.

Where a layer has few units, less is asked: `least_effective_rank`.
"""

ONE_LINE = 1.05
"""An effective rank up to which samples lie on a line."""

LEAST_ORDER = 0.2
"""Rank correlation of one output's targets with the place of samples on a line."""

_RANK_A_UNIT = 0.2  # Two units, at least, come near to 1.2.

MOST_LOSS = 50.0
"""Times the loss of a network that returns nothing: beyond it, signals explode."""

MOST_OVERSHOOT = 7.0
"""Times the stable rate. Curvature often falls when a rate is too high for it."""

MOST_DEPTH_TIMES_RATE = {"gradient": 3.5, "sign": 0.35}
"""Learning rate times number of layers: steps in all layers at once multiply."""

# Optimizers that move each weight by about the learning rate, whatever its gradient.
_SIGN = ("Adam", "AdamW", "Adamax", "Lion", "Nadam", "RMSprop")
# That of Keras' Adam: gradients below it hardly count.
_EPSILON = 1e-7


@dataclass(frozen=True)
class StepRule:
    """How an optimizer turns a gradient into a step.

    Args:
        optimizer: Its name.
        kind: `"gradient"`, the step of gradient descent; `"sign"`, as long in each
            weight; or `None` if neither is known to describe it.
        momentum: Of `SGD`.
        nesterov: Whether that is Nesterov's.
    """

    optimizer: str
    kind: str | None
    momentum: float = 0.0
    nesterov: bool = False


def step_rule_of(optimizer: Any) -> StepRule:
    """Tells how an optimizer steps; `None` stands for plain `SGD`."""
    if optimizer is None:
        return StepRule("SGD", "gradient")
    optimizer = keras.optimizers.get(optimizer)
    name = type(optimizer).__name__
    if name == "SGD":
        return StepRule(name, "gradient", float(optimizer.momentum), optimizer.nesterov)
    return StepRule(name, "sign" if name in _SIGN else None)


def step_direction(gradient: np.ndarray) -> np.ndarray:
    """Returns the step of Adam's kind, for a learning rate of one, uphill."""
    return gradient / (np.abs(gradient) + _EPSILON)


@dataclass(frozen=True)
class StabilityLimits:
    """The learning rates up to which steps are stable; NaN where that is unknown.

    Args:
        gradient: `2 / lambda_max`, of plain gradient descent.
        sign: `2 g^T s / s^T H s` with the step `s` of Adam's kind: above it the first
            step overshoots. It says nothing of the steps after it.
    """

    gradient: float
    sign: float

    def of(self, rule: StepRule) -> float:
        """Returns the limit for an optimizer, with its momentum."""
        if rule.kind is None:
            return np.nan
        if rule.kind == "sign":
            return self.sign
        raised = 1 + rule.momentum
        if rule.nesterov:
            raised /= 1 + 2 * rule.momentum
        return self.gradient * raised


def gradient_limit(objective: Objective) -> float:
    """Returns `2 / lambda_max`, NaN where the loss or its derivatives overflow."""
    try:
        (largest,) = eigenvalues(HessianOperator(objective), which="LA").eigenvalues
    except ValueError:
        return np.nan
    return 2 / float(largest) if largest > 0 else np.inf


def least_effective_rank(units: int) -> float:
    """Returns the least effective rank of features behind a layer of so many units."""
    return min(LEAST_EFFECTIVE_RANK, 1 + _RANK_A_UNIT * (units - 1))


def find_issues(
    propagation: Propagation,
    limits: StabilityLimits,
    rule: StepRule,
    rate: float,
    steps: int,
) -> list[str]:
    """Says why a network will not train, in plain words; nothing if it will.

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
    issues = []
    if propagation.loss > MOST_LOSS * propagation.null_loss > 0:
        issues.append(
            f"signals explode: the loss is {propagation.loss:.2g}, "
            f"{propagation.loss / propagation.null_loss:.2g} times that of a network "
            "that returns 0"
        )
    least = least_effective_rank(propagation.narrowest)
    if propagation.outputs > 2 and propagation.effective_rank < least:
        issues.append(
            "samples have become alike: what reaches the last layer differs between "
            f"them along {propagation.effective_rank:.2g} directions"
        )
    on_a_line = propagation.narrowest > 1 and propagation.effective_rank < ONE_LINE
    if propagation.outputs <= 2 and on_a_line and propagation.order < LEAST_ORDER:
        issues.append(
            "samples have become alike: what reaches the last layer differs between "
            "them along one line, on which those of high and of low targets are mixed"
        )
    if not rule.kind or not np.isfinite(rate):
        return issues
    of_loss, of_logits = progress(propagation, rule, rate, steps)
    for what, part, least in (
        ("lower the loss, where they tell samples apart,", of_loss, LEAST_DECREASE),
        ("change what tells samples apart", of_logits, LEAST_CHANGE),
    ):
        if part < least:
            issues.append(
                f"too little reaches the kernels: {steps} steps at the rate {rate:.3g} "
                f"can {what} by about {100 * part:.1g} %"
            )
            break
    limit = limits.of(rule)
    if rate > MOST_OVERSHOOT * limit:
        issues.append(f"your rate {rate:.3g} is {rate / limit:.2g} times too high")
    elif rate * propagation.depth > MOST_DEPTH_TIMES_RATE[rule.kind]:
        most = MOST_DEPTH_TIMES_RATE[rule.kind] / propagation.depth
        issues.append(
            f"your rate {rate:.3g} is too high for {propagation.depth} layers that "
            f"move at once: {rule.optimizer} can take about {most:.2g}"
        )
    return issues


def progress(
    propagation: Propagation, rule: StepRule, rate: float, steps: int
) -> tuple[float, float]:
    """Returns how far steps can go, to first order, in what tells samples apart.

    Returns:
        The decrease of the loss as a part of the loss, and the change of the logits as
        a part of their differences between samples.
    """
    slope = propagation.centered_gradient
    step = slope if rule.kind == "gradient" else step_direction(slope)
    # Momentum makes steps longer, but not by more than there are of them.
    longer = 1 / max(1 - rule.momentum, 1 / steps)
    decrease = float(slope @ step) * rate * steps * longer
    spread = propagation.slope_sd * propagation.logit_sd
    return (
        decrease / propagation.loss if propagation.loss > 0 else np.inf,
        decrease / spread if spread > 0 else 0.0,
    )
