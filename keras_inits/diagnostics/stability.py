"""The steps of an optimizer, and the learning rates up to which they are stable."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.diagnostics.curvature import Objective
from keras_inits.diagnostics.signal_propagation import step_direction
from keras_inits.inspection.layers import leaf_layers
from keras_inits.utils.lanczos import lanczos

# Optimizers that move each weight by about the learning rate, whatever its gradient.
_SIGN = ("Adam", "AdamW", "Adamax", "Lion", "Nadam", "RMSprop")
# Of the largest eigenvalue, which is known then to the square of it.
_TOLERANCE, _MOST_PRODUCTS = 0.2, 20
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
    # One that scales the loss has another within.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
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
    recurrent layers is taken from differences of gradients. Of other layers these would
    be wrong by far where the slopes of ReLU change in between.
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
            objective.gradient(weights + side * length * vector, compile=False)[1]
            for side in (1, -1)
        ]
        product: np.ndarray = (ends[0] - ends[1]) / (2 * length)
        if not np.isfinite(product).all():
            raise ValueError("The gradient must be finite. Received: NaN or infinity")
        return product

    return differences
