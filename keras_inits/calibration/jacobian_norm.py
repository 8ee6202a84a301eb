"""Jacobian norms: every layer scaled so that it neither stretches nor shrinks."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers
from scipy.optimize import brentq, minimize_scalar

from keras_inits.calibration.base import Quantities, calibrate
from keras_inits.calibration.data import Data
from keras_inits.calibration.layers import (
    Activation,
    activations,
    array,
    by_feature,
    treatable,
)
from keras_inits.calibration.registry import register
from keras_inits.calibration.report import CalibrationReport
from keras_inits.inspection.activations import kind_of, name_of
from keras_inits.inspection.batches import evenly_spaced
from keras_inits.inspection.layers import check_model
from keras_inits.utils.lanczos import lanczos
from keras_inits.utils.validation import check_real

# How far a norm may be from 1, and the logarithms to base 2 of the scales tried.
TOLERANCE = 0.02
_LEAST, _MOST = -30, 30
_STEPS = 40  # Of Lanczos at most: the norm is then right to some 1e-4.


@register(data="optional")
def jacobian_norm(
    model: keras.Layer,
    x: Any = None,
    samples: int = 64,
    seed: int | None = None,
    strict: bool = False,
) -> CalibrationReport:
    """Scales every layer so that the norm of its Jacobian is 1.

    The derivative of a layer's output by its input is `J = diag(f'(z)) W^T`, with
    activation `f` and logits `z`. Products of its spectral norm bound the Hessian of
    the loss. From the first layer to the last, `W` is scaled until that norm, averaged
    over samples as they reach the layer, is within 0.02 of 1; `f'` changes with the
    scale, so that this is an equation, solved for the root nearest to the present
    scale on its way down, or else up. Biases stay as they are.

    Examples:
    >>> import keras
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")])
    >>> report = calibration.jacobian_norm(model, seed=0)
    >>> abs(report.rows[0].after["Jacobian norm"] - 1) <= 0.02
    True

    Args:
        model: A built model; the kernels of its dense layers are set in place.
        x: Samples, two or more: an array, or what else the model takes, or a dataset
            of batches such as `tf.data.Dataset` or `keras.utils.PyDataset`. Defaults
            to `None`, for as many as `samples` from a standard normal distribution.
        samples: Over how many inputs of a layer to average at most, taken at even
            distances. Defaults to `64`.
        seed: A seed for the inputs that are drawn where `x` is `None`, or `None` for a
            new one. Defaults to `None`.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        The norm of each layer, before and after. A layer whose norm is not 1 at any
        scale gets the scale where it comes nearest, and is in `missed`.

    Raises:
        TypeError: If `x` is neither arrays nor a dataset.
        ValueError: If the model is not built, no layer can be treated, or with
            `strict` not all can; if the samples are fewer than two, all the same or
            not finite; or if inputs cannot be drawn for the model.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), corollary 1, where norms are
        estimated "by random simulations".
    """
    samples = int(check_real("samples", samples, least=2))
    check_model(model)
    data = Data(model, _draw_inputs(model, samples, seed) if x is None else x)
    ends_in = activations(model, data)

    def objection(layer: keras.Layer) -> str | None:
        if not isinstance(layer, layers.Dense):
            return "its Jacobian is not one matrix, as that of Dense is"
        activation = ends_in.get(layer, layer.activation)
        if kind_of(activation) == "along units":
            return f"its activation, {name_of(activation)}, is not elementwise"
        return None

    treated, skipped = treatable(model, objection)

    def norms_at(treated: Sequence[keras.Layer]) -> list[Callable[[float], float]]:
        """Returns the mean norm of each layer by the scale of its kernel."""
        rows: list[list[np.ndarray]] = [[] for _ in treated]
        for logits, _ in data.signals("logits", treated):
            for layer, layer_rows, tensors in zip(treated, rows, logits, strict=True):
                layer_rows += [_some(by_feature(layer, t), samples) for t in tensors]
        return [
            norm_at(layer, _some(np.concatenate(layer_rows), samples))
            for layer, layer_rows in zip(treated, rows, strict=True)
        ]

    def norm_at(layer: keras.Layer, logits: np.ndarray) -> Callable[[float], float]:
        kernel = array(layer.kernel)
        bias = array(layer.bias) if layer.use_bias else np.zeros(layer.units)
        activation = ends_in[layer]

        def norm(scale: float) -> float:
            slopes = _derivative(activation, scale * (logits - bias) + bias)
            return float(np.mean(_norms(slopes, scale * kernel)))

        return norm

    def adjust(layer: keras.Layer, _: int) -> str | None:
        (norm,) = norms_at([layer])
        scale = _unit_scale(norm)
        layer.kernel.assign(layer.kernel * scale)
        if abs(norm(scale) - 1) <= TOLERANCE:
            return None
        return f"the norm that comes nearest to 1 is {norm(scale):.4g}"

    def measure(treated: Sequence[keras.Layer]) -> list[Quantities]:
        return [{"Jacobian norm": norm(1.0)} for norm in norms_at(treated)]

    return calibrate(
        "jacobian_norm", model, treated, skipped, adjust, measure, seed, strict
    )


def _some(rows: np.ndarray, count: int) -> np.ndarray:
    return rows[evenly_spaced(len(rows), count)]


def _unit_scale(norm: Callable[[float], float]) -> float:
    """Finds the scale at which a norm is 1, or else comes nearest to it."""

    def excess(exponent: float) -> float:
        return norm(2.0**exponent) - 1

    # A norm goes to 0 with the scale. What saturates goes to 0 at large scales too, so
    # that the root is looked for below the first scale at which the norm exceeds 1:
    # up from the present one, or else down, where that one is too large.
    tried = {0: excess(0)}
    for step, end in ((1, _MOST), (-1, _LEAST)):
        exponent = 0
        while max(tried.values()) < 0 and exponent != end:
            if tried[exponent] < max(tried.values()) / 2 - 0.5:
                break  # It was at its largest, and has halved since.
            exponent += step
            tried[exponent] = excess(exponent)
    high = max(tried, key=lambda exponent: tried[exponent])
    if tried[high] < 0:
        optimum = minimize_scalar(
            lambda exponent: -excess(exponent),
            bounds=(high - 1, high + 1),
            method="bounded",
            options={"xatol": 1e-3},
        )
        if excess(optimum.x) < 0:
            return float(2.0**optimum.x)
        high = optimum.x
    low = high - 1
    while excess(low) > 0 and low > _LEAST:
        high, low = low, low - 1
    if excess(low) > 0:
        return float(2.0**low)
    return float(2.0 ** brentq(excess, low, high, xtol=1e-4))


def _norms(slopes: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Returns the spectral norm of `J = diag(slopes) W^T` for each row of slopes."""

    def product(vectors: np.ndarray) -> np.ndarray:
        """Multiplies each `J J^T` with its vector."""
        return np.asarray((vectors * slopes @ kernel.T @ kernel) * slopes)

    start = np.random.default_rng(0).standard_normal(slopes.shape)
    squares, _, _ = lanczos(product, start, _STEPS, TOLERANCE**2)
    return np.sqrt(np.maximum(squares[:, -1], 0))


def _derivative(activation: Activation, logits: np.ndarray) -> np.ndarray:
    """Differentiates an activation at every entry, by a central difference."""
    # As exact as the precision of the backend allows: about 1e-4.
    step = 1e-3 * np.maximum(1, np.abs(logits))
    floatx = keras.config.floatx()
    above, below = (
        keras.ops.convert_to_tensor((logits + sign * step).astype(floatx))
        for sign in (1, -1)
    )
    difference = array(activation(above)) - array(activation(below))
    return difference / (array(above) - array(below))


def _draw_inputs(model: keras.Layer, samples: int, seed: int | None) -> Any:
    """Draws normal inputs of the shapes that a model takes."""
    inputs = getattr(model, "inputs", None)
    if not inputs or any(
        None in tensor.shape[1:] or not keras.backend.is_float_dtype(tensor.dtype)
        for tensor in inputs
    ):
        raise ValueError(
            "Inputs are drawn for models whose inputs have known shapes and are not "
            f"integers; others need data. Received: model={model.name}, x=None"
        )
    rng = np.random.default_rng(seed)
    drawn = [
        rng.standard_normal((samples, *tensor.shape[1:])).astype(tensor.dtype)
        for tensor in inputs
    ]
    return drawn if len(drawn) > 1 else drawn[0]
