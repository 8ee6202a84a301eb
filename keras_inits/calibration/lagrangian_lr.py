"""Lagrangian LR: the last layer from a regression on what reaches it."""

from typing import Any

import keras
import numpy as np

from keras_inits.calibration.base import Quantities, calibrate
from keras_inits.calibration.data import Data
from keras_inits.calibration.layers import Activation, activations, array, treatable
from keras_inits.calibration.report import CalibrationReport
from keras_inits.inspection.activations import kind_of, name_of
from keras_inits.inspection.layers import check_model, names
from keras_inits.utils.sphere import minimize_on_sphere
from keras_inits.utils.validation import check_real


def lagrangian_lr(
    model: keras.Layer,
    x: Any,
    y: Any = None,
    squared_norm: float | None = None,
) -> CalibrationReport:
    """Sets the last layer by least squares with weights of given length.

    The paper is not public here: this is a reconstruction from its abstract. With the
    features `h` that reach the last layer, the logits `w^T h + b` of each unit are
    fitted to a target `t`: `w` minimizes the mean of `(w^T (h - mean(h)) - (t -
    mean(t)))**2` among all with `|w|^2 = c`, by a Lagrange multiplier, and `b =
    mean(t) - w^T mean(h)`. No other layer is changed.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> x = np.random.default_rng(0).normal(size=(64, 2))
    >>> y = 3 * x[:, :1] + 4 * x[:, 1:] + 7
    >>> report = calibration.lagrangian_lr(model, x, y, squared_norm=25.0)
    >>> print(keras.ops.convert_to_numpy(model.layers[0].kernel).round(3).T)
    [[3. 4.]]

    Args:
        model: A built model whose last layer is dense and ends in no activation, in
            softmax or in the logistic function; that layer is set in place.
        x: Samples, two or more: an array, or what else the model takes, or a dataset
            of batches of inputs and targets such as `tf.data.Dataset` or
            `keras.utils.PyDataset`.
        y: Targets, if `x` is not a dataset. Integer classes `(samples,)`, with as many
            units as classes or one for two, become the logits 1 for the class and -1
            for the others. Targets `(samples, units)` are the logits themselves, but
            probabilities `p`, for softmax and the logistic function, become
            `2 p - 1`.
        squared_norm: `c`, positive. Defaults to `None`, for the mean of `|w|^2` over
            the units as they are.

    Returns:
        The mean of `|w|^2` over the units and the mean squared error of the logits,
        before and after.

    Raises:
        TypeError: If `x` is neither arrays nor a dataset.
        ValueError: If the model is not built or its last layer is none of these; if
            the samples are fewer than two, all the same or not finite; or if the
            targets do not fit the units or are not finite.

    Reference:
        [de Pater and Mitici, 2023](https://doi.org/10.1016/j.neunet.2023.07.035),
        reconstructed.
    """
    check_model(model)
    data = Data(model, x, y)
    candidates, others = treatable(model)
    last = [layer for layer in names(model) if layer in {*candidates, *others}][-1:]
    ends_in = activations(model, data)

    def objection(layer: keras.Layer) -> str | None:
        if layer not in last:
            return "it is not the last layer"
        activation = ends_in.get(layer, layer.activation)
        if not isinstance(layer, keras.layers.Dense):
            return "it is not Dense"
        if not (kind_of(activation) == "linear" or _is_probability(activation)):
            return f"its activation is {name_of(activation)}"
        return None

    treated, skipped = treatable(model, objection)

    def rows(layer: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
        """Returns features and targets."""
        features: list[np.ndarray] = []
        targets: list[np.ndarray] = []
        classifies = _is_probability(ends_in[layer])
        for (inputs,), labels in data.signals("inputs", [layer]):
            features += map(array, inputs)
            targets.append(_targets(labels, layer.units, classifies))
        return np.concatenate(features), np.concatenate(targets)

    def adjust(layer: keras.Layer, _: int) -> None:
        norm = squared_norm
        if norm is None:
            norm = float(np.mean(np.sum(array(layer.kernel) ** 2, axis=0)))
        norm = check_real("squared_norm", norm, least=1e-30)
        features, targets = rows(layer)
        mean, target_mean = features.mean(axis=0), targets.mean(axis=0)
        features -= mean
        covariance = features.T @ features / len(features)
        cross = features.T @ (targets - target_mean) / len(features)
        curvatures, axes = np.linalg.eigh(covariance)
        weights = axes @ minimize_on_sphere(curvatures[:, None], axes.T @ cross, norm)
        layer.kernel.assign(weights)
        if layer.use_bias:
            layer.bias.assign(target_mean - mean @ weights)

    def measure(treated: Any) -> list[Quantities]:
        return [_fit(layer, *rows(layer)) for layer in treated]

    return calibrate(
        "lagrangian_lr",
        model,
        treated,
        skipped,
        adjust,
        measure,
        note="reconstructed",
    )


def _is_probability(activation: Activation) -> bool:
    return kind_of(activation) == "logistic" or name_of(activation) == "softmax"


def _fit(layer: keras.Layer, features: np.ndarray, targets: np.ndarray) -> Quantities:
    kernel = array(layer.kernel)
    logits = features @ kernel + (array(layer.bias) if layer.use_bias else 0)
    return {
        "squared norm": float(np.mean(np.sum(kernel**2, axis=0))),
        "mean squared error": float(np.mean((logits - targets) ** 2)),
    }


def _targets(labels: Any, units: int, classifies: bool) -> np.ndarray:
    """Returns the logits `(samples, units)` that stand for a batch of targets."""
    if labels is None:
        raise ValueError("A regression needs targets. Received: y=None")
    given = keras.ops.convert_to_numpy(labels)
    values = np.asarray(given, dtype=np.float64)
    classes = given.dtype.kind in "biu" and values.size == len(values)
    if classes and units > 1:
        values = values.reshape(-1)
        if values.min() < 0 or values.max() >= units:
            raise ValueError(
                f"Classes are integers from 0 to {units - 1}, the units of the last "
                f"layer less one. Received: y from {values.min():g} to "
                f"{values.max():g}"
            )
        return 2 * np.eye(units)[values.astype(int)] - 1
    if values.ndim == 1:
        values = values[:, None]
    if values.shape[1:] != (units,) or not np.all(np.isfinite(values)):
        raise ValueError(
            f"Targets are classes or finite numbers (samples, {units}), one for each "
            f"unit of the last layer. Received: y of shape {given.shape}"
            f"{'' if np.all(np.isfinite(values)) else ' with NaN or infinite values'}"
        )
    return 2 * values - 1 if classifies else values
