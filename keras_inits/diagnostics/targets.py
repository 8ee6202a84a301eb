"""Whether a network can return what it is to learn, by its last activation and loss."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.diagnostics.curvature import Objective
from keras_inits.diagnostics.curvature.training_loss import by_output
from keras_inits.inspection.activations import kind_of, name_of
from keras_inits.inspection.batches import evaluate, take

MOST_OUT_OF_REACH = 0.5
"""Of the targets: that more of them lie outside of what the output returns is said."""

_REGRESSIONS = (
    *("meansquarederror", "meanabsoluteerror", "huber", "logcosh"),
    "meanabsolutepercentageerror",
)
_BINARY = ("binarycrossentropy", "binaryfocalcrossentropy")
# Where an activation that is flat far out has reached its bound.
_FAR = np.concatenate([-np.logspace(4, -3, 400), [0.0], np.logspace(-3, 4, 400)])


def target_issues(objective: Objective) -> list[str]:
    """Says, in plain words, why targets are out of reach; nothing if they are not.

    Losses of the user's own are not judged.

    Args:
        objective: The network, data and loss.

    Raises:
        ValueError: If labels are no classes of the output: there is no loss then.
    """
    x, y = objective.data
    outputs = evaluate(objective.model, take(x, slice(1)))
    parts = tree.flatten(outputs)
    targets, losses = (
        by_output(given, objective.model, outputs) for given in (y, objective.loss)
    )
    if not len(targets) == len(losses) == len(parts):
        return []
    issues = []
    rows = zip(parts, targets, losses, objective.last_layers, strict=True)
    for number, (output, target, loss, last) in enumerate(rows, 1):
        if target is None:
            continue
        activation = getattr(last, "activation", last) or keras.activations.linear
        issue = _issue(
            ops.convert_to_numpy(target), tuple(output.shape[1:]), loss, activation
        )
        if issue:
            issues.append(issue if len(parts) == 1 else f"output {number}: {issue}")
    return issues


def _issue(y: np.ndarray, shape: tuple[int, ...], loss: Any, activation: Any) -> str:
    """Says why the targets of one output are out of reach."""
    units, name = shape[-1] if shape else 1, name_of(activation)
    loss_name = _loss_name(loss)
    if name == "softmax" and units == 1:
        return "a softmax of one unit returns 1 for every sample: use sigmoid"
    low, high = float(np.min(y)), float(np.max(y))
    between = f"the targets lie between {low:.4g} and {high:.4g}"
    if loss_name in _BINARY and (low < 0 or high > 1):
        return f"binary cross-entropy takes targets from 0 to 1, and {between}"
    if loss_name == "sparsecategoricalcrossentropy" and (low < 0 or high > units - 1):
        raise ValueError(
            f"Labels must be classes that {units} outputs stand for, 0 to {units - 1}. "
            f"Received: labels between {low:.4g} and {high:.4g}"
        )
    if loss_name in (*_REGRESSIONS, *_BINARY):
        y_shape = y.shape[1:]
        if _without_ones(y_shape) != _without_ones(shape):
            return (
                f"each target, of shape {y_shape}, is compared with an output of shape "
                f"{shape}: one is repeated to the shape of the other"
            )
    if loss_name in _REGRESSIONS:
        least, most = output_range(activation)
        margin = 0.01 * (high - low)
        outside = np.mean((y < least - margin) | (y > most + margin))
        if outside > MOST_OUT_OF_REACH:
            return (
                f"the output cannot reach {100 * outside:.0f} % of the targets: {name} "
                f"returns {_interval(least, most)}, and {between}"
            )
    return ""


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def output_range(activation: Callable[[Any], Any]) -> tuple[float, float]:
    """Returns what an activation can return, least and most, as far as it is bounded.

    Examples:
    >>> import keras
    >>> from keras_inits.diagnostics.targets import output_range
    >>> output_range(keras.activations.relu)
    (0.0, inf)

    Args:
        activation: A function or a layer.
    """
    if name_of(activation) in ("softmax", "sparsemax"):
        return 0.0, 1.0
    if kind_of(activation) == "along units":
        return -np.inf, np.inf
    function = activation.call if isinstance(activation, keras.Layer) else activation
    x = ops.convert_to_tensor(_FAR[:, None], keras.config.floatx())
    y = ops.convert_to_numpy(function(x)).astype("float64").ravel()

    def bound(best: float) -> float:
        ends = [(y[0], y[20]), (y[-1], y[-21])]
        moving = any(
            best == far and abs(far - near) > 1e-3 * max(1, abs(far))
            for far, near in ends
        )
        return float(np.sign(best) * np.inf) if moving else float(best)

    return bound(y.min()), bound(y.max())


def _loss_name(loss: Any) -> str:
    """Returns the name of a loss, however it was given, in small letters alone."""
    one = keras.losses.get(loss) if isinstance(loss, str) else loss
    named = one if hasattr(one, "__name__") else type(one)
    return str(named.__name__).replace("_", "").lower()


def _interval(least: float, most: float) -> str:
    if np.isinf(most):
        return f"no less than {least:.4g}"
    if np.isinf(least):
        return f"no more than {most:.4g}"
    return f"{least:.4g} to {most:.4g}"
