"""RAI for a whole model: kernels and biases drawn together."""

import keras

from keras_inits.calibration.base import calibrate, measure_weights
from keras_inits.calibration.layers import treatable
from keras_inits.calibration.registry import register
from keras_inits.calibration.report import CalibrationReport
from keras_inits.initializers.rai import RAI
from keras_inits.inspection.layers import check_model


@register(RAI)
def rai(
    model: keras.Layer, seed: int | None = None, strict: bool = False
) -> CalibrationReport:
    """Draws kernel and bias of every layer together, by RAI.

    The weights of a unit and its bias are one vector of `fan_in + 1` entries from
    `N(0, 0.6007**2 / fan_in)`, of which one, any with the same chance, is drawn anew
    from Beta(2, 1). An initializer sets the kernel alone; this sets the biases too, as
    the paper does. A layer without a bias gets the kernel of such a draw.

    Examples:
    >>> import keras
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    >>> report = calibration.rai(model, seed=1)
    >>> report.method, len(report.rows)
    ('rai', 1)

    Args:
        model: A built model; its dense and convolutional layers are set in place.
        seed: A seed, or `None` for a new one. Defaults to `None`.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        Mean and standard deviation of the weights, before and after.

    Raises:
        ValueError: If the model is not built, no layer can be treated, or with
            `strict` not all can.

    Reference:
        [Lu et al., 2019](https://arxiv.org/abs/1903.06733), the section on randomized
        asymmetric initialization.
    """
    check_model(model)
    treated, skipped = treatable(model)

    def adjust(layer: keras.Layer, layer_seed: int) -> None:
        kernel, bias = RAI(seed=layer_seed).draw_jointly(
            layer.kernel.shape, layer.kernel.dtype
        )
        layer.kernel.assign(kernel)
        if layer.use_bias:
            layer.bias.assign(bias)

    return calibrate(
        "rai", model, treated, skipped, adjust, measure_weights, seed, strict
    )
