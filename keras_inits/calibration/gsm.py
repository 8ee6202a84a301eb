"""GSM for a whole model: each layer in the form of its place."""

import keras
import numpy as np

from keras_inits.calibration.base import calibrate, measure_weights
from keras_inits.calibration.layers import array, treatable
from keras_inits.calibration.registry import register
from keras_inits.calibration.report import CalibrationReport
from keras_inits.initializers.gsm import GSM
from keras_inits.inspection.activations import kind_of, name_of
from keras_inits.inspection.layers import check_model


@register(GSM, arguments=lambda gsm: {"submatrix": gsm.submatrix, "odd": gsm.odd})
def gsm(
    model: keras.Layer,
    submatrix: str | keras.Initializer = "he_normal",
    odd: str = "pad",
    seed: int | None = None,
    strict: bool = False,
) -> CalibrationReport:
    """Sets a chain of ReLU layers so that it starts as a linear map (GSM).

    The first layer turns its input into pairs of opposite units, those between it and
    the last pass pairs on, and the last joins them: as `relu(u) - relu(-u) = u`, the
    chain is the product of its submatrices. Biases are 0. The layers must follow one
    another, each but the last with ReLU, its own or a layer, and nothing between them
    that mixes units but sums of such pairs, or flattening.

    Examples:
    >>> import keras
    >>> from keras_inits import calibration
    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(2)
    ... ])
    >>> report = calibration.gsm(model, seed=1)
    >>> x = keras.ops.ones((1, 3))
    >>> bool(keras.ops.all(keras.ops.abs(model(x) + model(-x)) < 1e-6))
    True

    Args:
        model: A built model; its dense and convolutional layers are set in place, in
            order.
        submatrix: `"he_normal"`, `"orthogonal"` or an initializer of Keras, as in
            `GSM`. Defaults to `"he_normal"`.
        odd: What to do with units that have no partner, `"pad"` or `"raise"`, as in
            `GSM`. Defaults to `"pad"`.
        seed: A seed, or `None` for a new one. Defaults to `None`.
        strict: Whether a layer that cannot be treated is an error. Defaults to
            `False`: it stays as it is, and the report names it.

    Returns:
        Mean and standard deviation of the weights, before and after.

    Raises:
        ValueError: If the model is not built, fewer than two layers can be treated, or
            with `strict` not all can; or if `submatrix` or `odd` is unknown, or a
            number of units is odd with `odd="raise"`.

    Reference:
        [Burkholz and Dubatovka, 2019](https://arxiv.org/abs/1806.06362), the Gaussian
        submatrix initialization.
    """
    GSM(submatrix=submatrix, odd=odd)  # Checks them, whatever the layers are.
    check_model(model)
    candidates, _ = treatable(model)

    def objection(layer: keras.Layer) -> str | None:
        if layer is candidates[-1] or kind_of(layer.activation) in ("relu", "linear"):
            return None
        return f"its activation is {name_of(layer.activation)}, not ReLU"

    treated, skipped = treatable(model, objection)
    if len(treated) == 1:
        raise ValueError(
            "GSM needs a first and a last layer that it can treat. "
            f"Received: model={model.name}, with '{treated[0].name}' alone"
        )
    before = dict(zip(treated[1:], treated, strict=False))

    def adjust(layer: keras.Layer, layer_seed: int) -> None:
        ends = {treated[0]: "first", treated[-1]: "last"}
        position = ends.get(layer, "middle")
        draw = GSM(position, submatrix, odd, seed=layer_seed)
        shape = tuple(layer.kernel.shape)
        units = before[layer].kernel.shape[-1] if layer in before else shape[-2]
        if len(shape) == 2 and shape[0] > units and shape[0] % units == 0:
            kernel = _flattened(draw, shape, units)
        else:
            kernel = draw(shape)
        layer.kernel.assign(kernel)
        if layer.use_bias:
            layer.bias.assign(np.zeros(layer.bias.shape))

    return calibrate(
        "gsm", model, treated, skipped, adjust, measure_weights, seed, strict
    )


def _flattened(draw: GSM, shape: tuple[int, int], channels: int) -> np.ndarray:
    """Returns a kernel for inputs that are channels at many positions.

    The halves that are opposite are halves of the channels at each position.
    """
    inputs, outputs = shape
    positions, pairs = inputs // channels, channels // 2
    drawn = array(draw((2 * positions * pairs, outputs)))
    kernel = np.zeros((positions, channels, outputs))
    halves = drawn.reshape(2, positions, pairs, outputs)
    kernel[:, : 2 * pairs] = halves.transpose(1, 0, 2, 3).reshape(
        positions, 2 * pairs, outputs
    )
    return kernel.reshape(shape)
