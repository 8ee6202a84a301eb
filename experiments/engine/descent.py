"""Classifiers as functions of their weights, and how fast they may descend."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from experiments.engine import datasets, networks
from keras_inits.diagnostics import Objective
from keras_inits.diagnostics.curvature.descent import descend

_MOST_DOUBLINGS = 40
_TOLERANCE = 0.02


def squared_error(y: Any, logits: Any) -> Any:
    """Returns `|y - softmax(logits)|**2` of each sample."""
    return ops.sum(ops.square(y - ops.softmax(logits)), axis=-1)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "squared error": squared_error,
    "cross-entropy": keras.losses.CategoricalCrossentropy(from_logits=True),
}
"""Losses of softmax outputs as functions of logits, which do not overflow."""


def samples(
    dataset: str, count: int | None, data_dir: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples with features in 0..1, drawn at random, and one-hot classes.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        count: How many; `None` for all.
        data_dir: Folder of prepared tensorflow-datasets data.
    """
    data = datasets.load(dataset, data_dir)
    chosen = np.random.default_rng(0).permutation(len(data.y))[:count]
    y = np.eye(data.num_classes, dtype="float32")[data.y[chosen]]
    return datasets.scale(data, "unit")[chosen], y


def network(
    features: int,
    classes: int,
    hidden: Sequence[int],
    initializer: Any,
    activation: str,
) -> keras.Sequential:
    """Returns a stack of dense layers that ends in logits."""
    model = networks.feedforward(features, classes, hidden, initializer, activation)
    model.layers[-1].activation = keras.activations.linear
    return model


def largest_stable_rate(objective: Objective, guess: float, steps: int) -> float:
    """Finds the largest learning rate at which gradient descent does not climb.

    A rate is stable if in none of the steps, on all data at once, the loss is above
    the one at the start. From a guess, it is doubled or halved until one rate is stable
    and twice that is not; bisection then finds the limit to 2 %. It is the lowest one
    above the guess if there are several.

    Args:
        objective: The loss, at the weights of its model, which stay as they are.
        guess: Where to start.
        steps: Steps of each run.

    Returns:
        The rate; infinite or 0 if there is no limit within 40 doublings or halvings.

    Examples:
        >>> layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
        >>> model = keras.Sequential([keras.Input((1,)), layer])
        >>> x = np.array([[1.0], [-1.0]])  # The loss is w^2, with curvature 2.
        >>> rate = largest_stable_rate(Objective(model, x, 0 * x, "mse"), 0.2, 20)
        >>> 0.98 < rate <= 1.0
        True
    """
    first, slope = objective.gradient()
    if not (np.isfinite(first) and np.isfinite(slope).all()):
        return 0.0

    def stable(rate: float) -> bool:
        # Nor is a rate whose loss is not a number.
        losses = descend(objective, rate, steps)
        return all(loss <= first * (1 + 1e-6) for loss in losses)

    factor = 2.0 if stable(guess) else 0.5
    for _ in range(_MOST_DOUBLINGS):
        if stable(guess * factor) != (factor > 1):
            break
        guess *= factor
    else:
        return np.inf if factor > 1 else 0.0
    low, high = sorted([guess, guess * factor])
    while high / low > 1 + _TOLERANCE:
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if stable(middle) else (low, middle)
    return low
