"""Elliptical projection: logits of the best mean and variance, measured."""

import math
from typing import Any

import keras
import numpy as np

from keras_inits.calibration import recurrent
from keras_inits.calibration.base import calibrate, measure_logits
from keras_inits.calibration.data import Data
from keras_inits.calibration.layers import (
    activations,
    array,
    input_moments,
    is_recurrent,
    treatable,
)
from keras_inits.calibration.recurrent import step_moments
from keras_inits.calibration.registry import register
from keras_inits.calibration.report import CalibrationReport
from keras_inits.initializers.elliptical_projection import (
    EllipticalProjection,
    OrthoEP,
    RandomEP,
    logistic_variance,
)
from keras_inits.inspection.activations import kind_of, name_of
from keras_inits.inspection.layers import check_model
from keras_inits.utils.sphere import minimize_on_sphere
from keras_inits.utils.validation import check_choice, check_real

_MOST_PROJECTIONS = 60
_SETTLED = 1e-3
_HALVED = 5
"""Steps for which moments of states are moved by half, times a half."""

_BASES = {"random": RandomEP, "orthogonal": OrthoEP}


def _arguments(initializer: RandomEP | OrthoEP) -> dict[str, Any]:
    base = "random" if isinstance(initializer, RandomEP) else "orthogonal"
    return {"base": base, "logit_std": initializer.logit_std}


@register(EllipticalProjection, data="required", arguments=_arguments)
def elliptical_projection(
    model: keras.Layer,
    x: Any,
    base: str = "random",
    logit_std: float = math.sqrt(math.pi / 2),
    seed: int | None = None,
    strict: bool = False,
) -> CalibrationReport:
    """Sets logistic layers so that their units pass on the most information.

    That is so where a logit has mean 0 and variance `pi / 2`, with independent inputs
    where `sum(w**2 var(x)) = pi / 2` and `b = -sum(w mean(x))`. From the first layer to
    the last, means and variances of a layer's inputs are measured, and each unit gets
    the weights that are nearest to a random vector among all that satisfy it.

    The random vector is that of `RandomEP` or `OrthoEP`: scaled to the length that is
    right for inputs which all have their mean variance. The paper gives that length
    for equal variances, and leaves it open for others; without it, the projection
    would move all weights to the inputs that vary most, or least. Weights of inputs
    that do not vary stay as drawn.

    A unit of a `SimpleRNN` takes the input of a step and the outputs of the step
    before, and has one vector of weights for both: with `D` the variances of all of
    them, over samples and steps, `sum(w**2 D) = pi / 2`, and its bias answers both
    means. What the outputs are depends on the weights: they are projected again with
    means and variances between those before and those that they make, until these have
    settled. A large layer that reads long runs of one input may be chaotic, and not
    settle to the last digit: it keeps the best weights found, and is in `missed`.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([keras.Input((9,)), keras.layers.Dense(3, "sigmoid")])
    >>> x = np.random.default_rng(0).uniform(0, 5, (64, 9))
    >>> report = calibration.elliptical_projection(model, x, seed=0)
    >>> abs(report.rows[0].after["logit mean"]) < 1e-5
    True

    A recurrent network is set by the sequences that it is going to read.

    >>> words = keras.Sequential(
    ...     [
    ...         keras.Input((None,), dtype="int32"),
    ...         keras.layers.Embedding(50, 8, keras.initializers.RandomNormal(0, 1)),
    ...         keras.layers.SimpleRNN(8, "sigmoid"),
    ...     ]
    ... )
    >>> texts = np.random.default_rng(0).integers(0, 50, (64, 12))
    >>> report = calibration.elliptical_projection(words, texts, seed=0)
    >>> bool(1.4 < report.rows[0].after["logit variance"] < 1.7)  # pi / 2 is 1.57.
    True

    Args:
        model: A built model; its dense, convolutional and `SimpleRNN` layers that end
            in the logistic function, their own or that of a layer after them, are set
            in place.
        x: Samples, two or more: an array, or what else the model takes, or a dataset
            of batches such as `tf.data.Dataset` or `keras.utils.PyDataset`.
        base: `"random"` for vectors from `U(-1, 1)` or `"orthogonal"` for orthogonal
            ones. Defaults to `"random"`.
        logit_std: Standard deviation of the logits, at least 1e-6. Defaults to
            `sqrt(pi / 2)`, the optimum.
        seed: A seed, or `None` for a new one. Defaults to `None`.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        Standard deviation of the weights, mean and variance of the logits, before and
        after.

    Raises:
        TypeError: If `x` is neither arrays nor a dataset.
        ValueError: If the model is not built, no layer can be treated, or with
            `strict` not all can; if the samples are fewer than two, all the same or
            not finite; if the inputs of a layer are constant; or if `base` is unknown.

    Reference:
        Sansone and De Natale, 2017, "Training Feedforward Neural Networks with
        Standard Logistic Activations is Feasible", theorem 1 and equation 21.
    """
    draw = _BASES[check_choice("base", base, _BASES)]
    logit_std = check_real("logit_std", logit_std, least=1e-6)
    check_model(model)
    data = Data(model, x)
    ends_in = activations(model, data)

    def objection(layer: keras.Layer) -> str | None:
        activation = ends_in.get(layer, layer.activation)
        if kind_of(activation) != "logistic":
            return f"its activation is {name_of(activation)}, not sigmoid"
        return None if layer.use_bias else "it has no bias to set the mean with"

    treated, skipped = treatable(model, objection, recurrent=True)

    def adjust(layer: keras.Layer, layer_seed: int) -> str | None:
        if is_recurrent(layer):
            return _project_recurrent(layer, data, draw(logit_std, layer_seed))
        shape = tuple(layer.kernel.shape)
        inputs = input_moments(data, layer)
        variance = by_weight(inputs.variance, shape)
        if not np.any(variance):
            raise ValueError(
                "The inputs of a layer must vary over the samples. Received: x with "
                f"which those of layer '{layer.name}' are constant"
            )
        weights = array(draw(logit_std, layer_seed)(shape)).reshape(variance.shape)
        # A group of a convolution may have inputs that do not vary.
        varying = variance.any(axis=0)
        vectors = weights[:, varying] * np.sqrt(
            logistic_variance(logit_std) / variance[:, varying].mean(axis=0)
        )
        weights[:, varying] = project(vectors, variance[:, varying], logit_std**2)
        means = by_weight(inputs.mean, shape)
        layer.kernel.assign(weights.reshape(shape))
        layer.bias.assign(-np.sum(array(layer.kernel).reshape(means.shape) * means, 0))
        return None

    measure = measure_logits(data)
    return calibrate(
        "elliptical_projection", model, treated, skipped, adjust, measure, seed, strict
    )


def _project_recurrent(
    layer: keras.Layer, data: Data, draw: EllipticalProjection
) -> str | None:
    """Sets a recurrent layer: with its states as they should be, then as they are."""
    inputs, units = layer.cell.kernel.shape
    logit_variance = draw.logit_std**2
    state_variance = logistic_variance(draw.logit_std)
    drawn = array(draw((inputs + units, units)))
    moments = step_moments(data, layer)
    mean = np.concatenate([moments.mean[:inputs], np.full(units, 0.5)])
    variance = np.concatenate(
        [moments.variance[:inputs], np.full(units, state_variance)]
    )
    best = np.inf, drawn, np.zeros(units)
    for step in range(1, _MOST_PROJECTIONS + 1):
        vectors = drawn * np.sqrt(state_variance / variance.mean())
        weights = project(
            vectors, np.tile(variance[:, None], (1, units)), logit_variance
        )
        bias = -mean @ weights
        recurrent.assign(layer, weights, bias)
        moments = step_moments(data, layer)
        off = max(
            np.max(np.abs(moments.variance @ weights**2 / logit_variance - 1)),
            np.max(np.abs(moments.mean @ weights + bias)) / draw.logit_std,
        )
        best = min(best, (off, weights, bias), key=lambda found: found[0])
        if off < _SETTLED:
            return None
        # By half, so that it does not go to and fro; then less and less, so that what
        # states do by chaos is averaged.
        part = min(0.5, _HALVED / step)
        mean = mean + part * (moments.mean - mean)
        variance = variance + part * (moments.variance - variance)
    off, weights, bias = best
    recurrent.assign(layer, weights, bias)
    return (
        f"the moments of its states have not settled to {_SETTLED:g} after "
        f"{_MOST_PROJECTIONS} projections: it has the best, {off:.2g} off"
    )


def project(
    vectors: np.ndarray, variances: np.ndarray, logit_variance: float
) -> np.ndarray:
    """Finds the nearest point `w` with `sum(w**2 d) = s**2` to each column.

    With `u = w sqrt(d)` it is a quadratic on a sphere, of curvatures `1 / d`.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.calibration.elliptical_projection import project
    >>> w = project(np.array([[1.0], [2.0]]), np.array([[0.5], [3.0]]), 1.5)
    >>> round(float(0.5 * w[0, 0] ** 2 + 3.0 * w[1, 0] ** 2), 6)
    1.5

    Args:
        vectors: One in each column, `(inputs, units)`.
        variances: `d` of every weight, of the same shape. Where it is 0 the weight
            stays as it is; in each column it is positive somewhere.
        logit_variance: `s**2`, positive.
    """
    varying = variances > 0
    scales = np.sqrt(np.where(varying, variances, variances.max(axis=0)))
    # A weight that stays must not be where the curvature is least.
    curvatures = np.where(varying, scales**-2, np.inf)
    slopes = np.where(varying, vectors / scales, 0)
    points = minimize_on_sphere(curvatures, slopes, logit_variance)
    return np.where(varying, points / scales, vectors)


def by_weight(channels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Spreads a value of each input channel over the weights that take it.

    Args:
        channels: `(channels,)`.
        shape: Of the kernel, `(..., channels / groups, outputs)`; a group of outputs
            takes the channels of its group.

    Returns:
        `(inputs of a unit, outputs)`.
    """
    *taps, inputs, outputs = shape
    groups = len(channels) // inputs
    one_tap = np.repeat(channels.reshape(groups, inputs).T, outputs // groups, axis=1)
    return np.tile(one_tap, (math.prod(taps), 1))
