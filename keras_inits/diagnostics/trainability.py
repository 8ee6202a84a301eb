"""Whether an optimizer will train a network, from what is measured before training."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.diagnostics.curvature import Objective
from keras_inits.diagnostics.signal_propagation import (
    Propagation,
    step_direction,
)
from keras_inits.diagnostics.trial import Progress
from keras_inits.inspection.layers import leaf_layers
from keras_inits.utils.lanczos import lanczos

# Chosen on the networks that `python -m experiments score diagnose` calls "fitted".
CONCORDANCE, OUTLOOK, OUTLOOK_MARGIN = 1.4, -0.7, 0.3
LEAST_EXPLAINED = 1e-3
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

MARGIN = 1.5
"""A factor: as near to a limit on either side, whether it is passed decides nothing."""

# Optimizers that move each weight by about the learning rate, whatever its gradient.
_SIGN = ("Adam", "AdamW", "Adamax", "Lion", "Nadam", "RMSprop")
# Of the largest eigenvalue, which is known then to the square of it.
_TOLERANCE, _MOST_PRODUCTS = 0.2, 20
_PART_TRIED, _MOST_TRIED = 5, 100
_DIFFERENCE = 1e-3  # Of the length of the weights.

Product = Callable[[np.ndarray], np.ndarray]


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


def stability_limits(objective: Objective, gradient: np.ndarray) -> StabilityLimits:
    """Finds the learning rates up to which steps are stable.

    Args:
        objective: The network, data and loss.
        gradient: Its gradient.
    """
    product = _hessian_product(objective)
    step = step_direction(gradient)
    try:
        stable = _gradient_limit(product, objective.size)
        bend = float(step @ product(step))
    except ValueError:  # Second derivatives overflow where the first do not.
        return StabilityLimits(0.0, 0.0)
    sign = 2 * float(gradient @ step) / bend if bend > 0 else np.inf
    return StabilityLimits(stable, sign)


def gradient_limit(objective: Objective) -> float:
    """Returns `2 / lambda_max`, NaN where the loss or its derivatives overflow."""
    try:
        return _gradient_limit(_hessian_product(objective), objective.size)
    except ValueError:
        return np.nan


def _gradient_limit(product: Product, size: int) -> float:
    start = np.random.default_rng(0).standard_normal((1, size))
    values, *_ = lanczos(
        lambda vectors: product(vectors[0])[None],
        start,
        _MOST_PRODUCTS,
        _TOLERANCE,
        leading=np.positive,
    )
    largest = float(values.max())
    return 2 / largest if largest > 0 else np.inf


def _hessian_product(objective: Objective) -> Product:
    """Returns products with the Hessian, exact ones where they are cheap.

    TensorFlow's second derivative of a loop takes tens of seconds to trace: that of
    recurrent layers is taken from differences of gradients.
    """
    weights = objective.weights
    network = leaf_layers(objective.model)
    loops = any(isinstance(layer, keras.layers.RNN) for layer in network)
    if not loops or keras.backend.backend() != "tensorflow":
        return functools.partial(objective.hessian_product, weights=weights)

    def differences(vector: np.ndarray) -> np.ndarray:
        # So long that rounding does not count, so short that the gradient is linear.
        length = _DIFFERENCE * np.linalg.norm(weights) / np.linalg.norm(vector)
        ends = [
            objective.gradient(weights + side * length * vector)[1] for side in (1, -1)
        ]
        product: np.ndarray = (ends[0] - ends[1]) / (2 * length)
        if not np.isfinite(product).all():
            raise ValueError("The gradient must be finite. Received: NaN or infinity")
        return product

    return differences


def trial_steps(steps: int) -> int:
    """Returns how many steps are tried of a training: a fifth of them, 100 at most."""
    return min(-(-steps // _PART_TRIED), _MOST_TRIED)


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


@dataclass(frozen=True)
class Criterion:
    """One reason why a network may not train, and how near it is.

    Args:
        text: The reason, in plain words.
        excess: By how much the limit is passed, in units of the margin around it: the
            network will not train for this reason above 0, and that is a matter of
            chance between -1 and 1.
    """

    text: str
    excess: float


def outlook(progress: Progress, steps: int) -> Criterion:
    """Says whether a training comes to something, by what its first steps came to.

    Args:
        progress: What they came to.
        steps: How many steps training has.
    """
    _, half, now = progress.explained
    tried, loss = progress.steps, progress.loss
    if not np.isfinite(now):
        text = f"the loss is not finite within {tried} steps"
        return Criterion(text, np.inf)
    pace = (now - half) / max(tried - (tried + 1) // 2, 1)
    expected = now + pace * (steps - tried)
    text = (
        f"in {tried} steps on a copy the loss went from {loss[0]:.3g} to {loss[2]:.3g}, "
        f"of which outputs explain {100 * now:.2g} %"
    )
    explained = np.log10(np.clip(expected, LEAST_EXPLAINED, 1))
    score = explained + CONCORDANCE * max(progress.concordance, -0.5) - OUTLOOK
    return Criterion(text, -score / OUTLOOK_MARGIN)


def criteria(
    propagation: Propagation,
    limits: StabilityLimits,
    rule: StepRule,
    rate: float,
    steps: int,
) -> list[Criterion]:
    """Says what may keep a network from training, in plain words.

    Args:
        propagation: How signal and gradient pass through it.
        limits: The stable learning rates.
        rule: How the optimizer steps.
        rate: The learning rate.
        steps: How many steps it has.
    """
    if not propagation.finite:
        loss = f"{propagation.loss:.3g}"
        text = f"the loss is {loss}: signals or gradients overflow"
        return [Criterion(text, np.inf)]
    found = _of_features(propagation)
    if rule.kind and np.isfinite(rate):
        found += _of_steps(propagation, rule, rate, steps)
        found += _of_rate(propagation, limits, rule, rate)
    return found


def _of_features(propagation: Propagation) -> list[Criterion]:
    found = []
    several = len(propagation.heads) > 1
    least = least_effective_rank(propagation.narrowest, propagation.input_rank)
    for head in propagation.heads:
        where = f"'{head.layer}'" if several else "the last layer"
        alike = f"samples have become alike: what reaches {where} differs between them "
        if head.constant:
            text = (
                "the output is the same for all samples: its activation is flat there"
            )
            found.append(Criterion(text, np.inf))
        if head.outputs > 2 and least > 1:
            text = f"{alike}along {head.effective_rank:.2g} directions"
            # One direction is none: what is above it counts.
            found.append(Criterion(text, _excess(least - 1, head.effective_rank - 1)))
        on_a_line = propagation.narrowest > 1 and head.effective_rank < ONE_LINE
        if head.outputs <= 2 and on_a_line and head.order < LEAST_ORDER:
            text = f"{alike}along one line, on which those of high and of low targets "
            found.append(Criterion(f"{text}are mixed", np.inf))
    return found


def _of_steps(
    propagation: Propagation, rule: StepRule, rate: float, steps: int
) -> list[Criterion]:
    """Compares what steps can do, to first order, with the least and the most."""
    kind = str(rule.kind)
    of_loss, of_logits = progress(propagation, rule, rate, steps)
    too_little = [
        Criterion(
            f"too little reaches the kernels: {steps} steps at the rate {rate:.3g} can "
            f"{what} by about {100 * part:.1g} %, to first order",
            _excess(least, part),
        )
        for what, part, least in (
            (
                "lower the loss, where they tell samples apart,",
                of_loss,
                LEAST_DECREASE[kind],
            ),
            ("change what tells samples apart", of_logits, LEAST_CHANGE[kind]),
        )
    ]
    _, first = progress(propagation, rule, rate, 1)
    too_much = Criterion(
        f"your rate {rate:.3g} is too high: a first step changes what tells samples "
        f"apart by {100 * first:.2g} %",
        _excess(first, MOST_FIRST_CHANGE[kind]),
    )
    return [max(too_little, key=lambda one: one.excess), too_much]


def _of_rate(
    propagation: Propagation, limits: StabilityLimits, rule: StepRule, rate: float
) -> list[Criterion]:
    """Compares the rate with the stable one, by depth and by the size of the loss."""
    kind, found = str(rule.kind), []
    if propagation.null_loss > 0:
        ratio = propagation.loss / propagation.null_loss
        text = (
            f"signals explode: the loss is {propagation.loss:.2g}, {ratio:.2g} times "
        )
        text += "that of a network that returns 0"
        found.append(Criterion(text, _excess(ratio, MOST_LOSS[kind])))
    limit = limits.of(rule)
    ratio = rate / limit if limit > 0 else np.inf
    most = MOST_OVERSHOOT if propagation.unbounded else MOST_BOUNDED_OVERSHOOT
    together = MOST_DEPTH_TIMES_RATE[kind] / propagation.depth
    return [
        *found,
        Criterion(
            f"your rate {rate:.3g} is {ratio:.2g} times the stable one",
            _excess(ratio, most[kind]),
        ),
        Criterion(
            f"your rate {rate:.3g} is too high for {propagation.depth} layers that "
            f"move at once: {rule.optimizer} can take about {together:.2g}",
            _excess(rate, together),
        ),
    ]


def _excess(value: float, limit: float) -> float:
    """Returns by how many margins a value is above a limit."""
    if np.isnan(value) or np.isnan(limit) or limit == np.inf:
        return -np.inf
    if value <= 0 or limit <= 0:
        return -np.inf if value <= 0 else np.inf
    return float((np.log(value) - np.log(limit)) / np.log(MARGIN))


def progress(
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
