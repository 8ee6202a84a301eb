"""The learning rate at which gradient descent is at the limit of its stability."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from keras_inits.diagnostics.curvature.objective import Objective
from keras_inits.diagnostics.curvature.operators import HessianOperator
from keras_inits.diagnostics.curvature.spectrum import eigenvalues
from keras_inits.utils.validation import check_real


@dataclass(frozen=True, eq=False)
class StableLearningRate:
    """The learning rates up to which gradient descent is stable.

    Args:
        inverse_norm: `1 / norm`, up to which the paper expects a decrease.
        limit: `2 / largest`, above which gradient descent moves away along the leading
            eigenvector; infinite where no curvature is positive.
        norm: The largest magnitude of an eigenvalue of the Hessian.
        largest: Its largest eigenvalue.
        num_matvecs: How many products with the Hessian it took.
        runs: Losses of gradient descent by learning rate, `(steps + 1,)` each.
    """

    inverse_norm: float
    limit: float
    norm: float
    largest: float
    num_matvecs: int
    runs: dict[float, np.ndarray]


def stable_learning_rate(
    objective: Objective, steps: int = 20, margin: float = 0.1
) -> StableLearningRate:
    """Says how large the learning rate of gradient descent may be, from the curvature.

    A step `-r g` changes the loss by about `-r |g|^2 + r^2 g^T H g / 2`. That is a
    decrease for every `g` where `r < 2 / lambda_max`, the limit of gradient descent,
    and largest at `r = 1 / |H|`, the paper's rate, if `g` is the leading eigenvector.
    The curvature is that at the present weights: what lies on both sides of the limit
    is seen in short runs on all data at once.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.array([[1.0], [-1.0]])
    >>> objective = diagnostics.Objective(model, x, x)
    >>> rate = diagnostics.stable_learning_rate(objective, steps=50)
    >>> print(f"{rate.inverse_norm:.2f} {rate.limit:.2f}")
    0.50 1.00
    >>> below, above = rate.runs.values()
    >>> bool(below[-1] < below[0] < above[-1])
    True

    Args:
        objective: The loss as a function of the weights, which stay as they are.
        steps: Steps of gradient descent to run at `1 - margin` and at `1 + margin`
            times the limit, which shows whether the limit is one. `0` runs nothing.
            Defaults to `20`.
        margin: How far from the limit, between 0 and 1. Defaults to `0.1`.

    Raises:
        ValueError: If `steps` or `margin` is out of range, or if the loss or its second
            derivatives are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), section 1.2: "The maximal
        step size which guarantees a decrease".
    """
    steps = int(check_real("steps", steps, least=0))
    if not 0 < check_real("margin", margin) < 1:
        raise ValueError(f"`margin` must be between 0 and 1. Received: margin={margin}")
    hessian = HessianOperator(objective)
    # Not both ends of the spectrum at once: the lower one is mostly a crowd near 0, of
    # which Lanczos may find none in thousands of products.
    norm = eigenvalues(hessian, which="LM").norm
    largest = float(eigenvalues(hessian, which="LA").eigenvalues[0])
    limit = 2 / largest if largest > 0 else np.inf
    runs = {}
    if steps and np.isinf(limit):
        warnings.warn(
            "No curvature is positive, so that no learning rate is at the limit: "
            "nothing is run.",
            stacklevel=2,
        )
    elif steps:
        rates = ((1 - margin) * limit, (1 + margin) * limit)
        runs = {rate: _losses(objective, rate, steps) for rate in rates}
    inverse = 1 / norm if norm > 0 else np.inf
    return StableLearningRate(inverse, limit, norm, largest, hessian.num_matvecs, runs)


def descend(objective: Objective, learning_rate: float, steps: int) -> Iterator[float]:
    """Yields the loss of gradient descent on all data, at first and after each step.

    Args:
        objective: The loss, at the weights of its model, which stay as they are.
        learning_rate: The rate.
        steps: How many steps; a gradient is taken as its loss is asked for.
    """
    weights = objective.weights
    for _ in range(steps + 1):
        loss, gradient = objective.gradient(weights)
        yield loss
        weights = weights - learning_rate * gradient


def _losses(objective: Objective, learning_rate: float, steps: int) -> np.ndarray:
    """Returns the losses of `descend`, infinite once one is not finite."""
    losses = np.full(steps + 1, np.inf)
    for step, loss in enumerate(descend(objective, learning_rate, steps)):
        if not np.isfinite(loss):
            break
        losses[step] = loss
    return losses
