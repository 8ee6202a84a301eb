"""LSUV: logits of unit variance, layer by layer."""

from typing import Any

import keras
import numpy as np

from keras_inits.calibration.base import calibrate, measure_logits
from keras_inits.calibration.data import Data
from keras_inits.calibration.layers import is_recurrent, logit_moments, treatable
from keras_inits.calibration.registry import register
from keras_inits.calibration.report import CalibrationReport
from keras_inits.inspection.layers import check_model
from keras_inits.utils.validation import check_real


@register(data="required")
def lsuv(
    model: keras.Layer,
    x: Any,
    tol: float = 0.05,
    max_iter: int = 10,
    orthogonal: bool = True,
    seed: int | None = None,
    strict: bool = False,
) -> CalibrationReport:
    """Scales every kernel so that the logits of its layer have variance 1 (LSUV).

    Each kernel starts orthogonal, with biases of 0. Then, from the first layer to the
    last, `W` is divided by the standard deviation of the layer's logits over all
    samples and units, until their variance is within `tol` of 1. The logits are what
    the activation is given; those of a `SimpleRNN` are of all steps, and both its
    kernels are divided.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "tanh")])
    >>> x = np.random.default_rng(0).uniform(0, 5, (64, 4))
    >>> report = calibration.lsuv(model, x)
    >>> round(report.rows[0].after["logit variance"], 3)
    1.0

    Args:
        model: A built model; its dense, convolutional and `SimpleRNN` layers are set in
            place.
        x: Samples, two or more: an array, or what else the model takes, or a dataset
            of batches such as `tf.data.Dataset` or `keras.utils.PyDataset`.
        tol: How far the variance may be from 1. Defaults to `0.05`.
        max_iter: How often a layer is scaled at most. Defaults to `10`.
        orthogonal: Whether to start from orthogonal kernels and biases of 0, as the
            paper does, and not from the present weights. Defaults to `True`.
        seed: A seed for the orthogonal kernels, or `None` for a new one. Defaults to
            `None`.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        Standard deviation of the weights, mean and variance of the logits, before and
        after. A layer that is not within `tol` after `max_iter` times is in `missed`.

    Raises:
        TypeError: If `x` is neither arrays nor a dataset.
        ValueError: If the model is not built, no layer can be treated, or with
            `strict` not all can; if the samples are fewer than two, all the same or
            not finite; if the logits of a layer are constant; or if `tol` or
            `max_iter` is not positive.

    Reference:
        [Mishkin and Matas, 2016](https://arxiv.org/abs/1511.06422), algorithm 1.
    """
    tol = check_real("tol", tol, least=1e-6)
    max_iter = int(check_real("max_iter", max_iter, least=1))
    check_model(model)
    data = Data(model, x)
    treated, skipped = treatable(model, recurrent=True)

    def adjust(layer: keras.Layer, layer_seed: int) -> str | None:
        cell = layer.cell if is_recurrent(layer) else layer
        kernels = [cell.kernel]
        if is_recurrent(layer):
            kernels.append(cell.recurrent_kernel)
        if orthogonal:
            for number, kernel in enumerate(kernels):
                start = keras.initializers.Orthogonal(seed=layer_seed + number)
                kernel.assign(start(kernel.shape, kernel.dtype))
            if layer.use_bias:
                cell.bias.assign(np.zeros(cell.bias.shape))
        for step in range(max_iter + 1):
            variance = logit_moments(data, [layer])[0].variance[0]
            if variance == 0:
                raise ValueError(
                    "The logits of a layer must vary over the samples. Received: x "
                    f"with which those of layer '{layer.name}' are constant"
                )
            if abs(variance - 1) < tol:
                return None
            if step < max_iter:
                for kernel in kernels:
                    kernel.assign(kernel / variance**0.5)
        return f"its variance is not within {tol:g} of 1 after {max_iter} steps"

    measure = measure_logits(data)
    return calibrate("lsuv", model, treated, skipped, adjust, measure, seed, strict)
