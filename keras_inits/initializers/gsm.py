"""GSM: pairs of opposite units, through which ReLU is linear."""

import math
from typing import Any

import keras

from keras_inits.initializers.base import RandomKernelInitializer
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_choice

# Whether the inputs come in pairs of opposite units, and whether the outputs do.
_PAIRED = {"middle": (True, True), "first": (False, True), "last": (True, False)}
_SUBMATRICES = ("he_normal", "orthogonal")
_ODD = ("pad", "raise")


@register
class GSM(RandomKernelInitializer):
    """Initializes a kernel to a random submatrix and its negative (GSM).

    As `relu(u) - relu(-u) = u`, the paper's `W = [[W0, -W0], [-W0, W0]]` turns
    `relu([u, -u])` into `[W0 u, -W0 u]`. With `[W0; -W0]` in the first layer and
    `[W0, -W0]` in the last, a ReLU network without biases starts as a linear map, the
    product of its submatrices. The halves of a convolution are halves of its channels,
    and `W0` differs from tap to tap.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> model = keras.Sequential([
    ...     keras.layers.Dense(6, "relu", kernel_initializer=keras_inits.GSM("first")),
    ...     keras.layers.Dense(6, "relu", kernel_initializer="gsm"),
    ...     keras.layers.Dense(10, kernel_initializer=keras_inits.GSM("last")),
    ... ])
    >>> x = keras.ops.ones((1, 8))
    >>> bool(keras.ops.all(keras.ops.abs(model(x) + model(-x)) < 1e-5))
    True

    Args:
        position: `"first"` for the layer whose inputs are not in pairs, `"last"` for
            the one whose outputs need not be, `"middle"` for those between. Defaults
            to `"middle"`.
        submatrix: `"he_normal"` for entries of `W0` from `N(0, 2 / fan_in)`, with the
            `fan_in` of the whole kernel; `"orthogonal"` for a `W0` from Keras'
            initializer of that name: semi-orthogonal where it is not square, and in a
            convolution as a matrix of taps and inputs by outputs; or an initializer of
            Keras, which draws `W0` in its own shape, with the seed of this one.
            Defaults to `"he_normal"`.
        odd: What to do where an axis of odd size must be in pairs. With `"pad"` the
            last unit is alone: it has independent weights, of length one where `W0` is
            orthogonal, and none in the next layer, so that the network stays linear.
            With `"raise"` it is an error. Defaults to `"pad"`.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for a seed of its
            own. Defaults to `None`.

    Raises:
        ValueError: If `position`, `submatrix` or `odd` is unknown. When called, if an
            axis that must be in pairs has an odd size with `odd="raise"`, or if it is
            an only input, of which padding would leave nothing.

    Reference:
        [Burkholz and Dubatovka, 2019](https://arxiv.org/abs/1806.06362), the Gaussian
        submatrix initialization.
    """

    def __init__(
        self,
        position: str = "middle",
        submatrix: str | keras.Initializer = "he_normal",
        odd: str = "pad",
        seed: int | keras.random.SeedGenerator | None = None,
    ) -> None:
        """Checks the arguments and keeps them."""
        super().__init__(seed)
        self.position = check_choice("position", position, _PAIRED)
        self.submatrix = _checked(submatrix)
        self.odd = check_choice("odd", odd, _ODD)

    def compute(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Returns submatrices beside, and then above, their negatives."""
        *taps, inputs, outputs = shape
        paired_inputs, paired_outputs = _PAIRED[self.position]
        if paired_inputs and inputs == 1:
            raise ValueError(
                "GSM needs two inputs or more, as it takes them for pairs of opposite "
                "units; position='first' takes any number. "
                f"Received: shape={shape}, position={self.position}"
            )
        odd_inputs = paired_inputs and inputs % 2 == 1
        odd_outputs = paired_outputs and outputs % 2 == 1
        if self.odd == "raise" and (odd_inputs or odd_outputs):
            raise ValueError(
                "GSM with odd='raise' needs even numbers of the inputs and outputs "
                "that are pairs of opposite units; odd='pad' takes any. "
                f"Received: shape={shape}, position={self.position}"
            )
        stddev = math.sqrt(2 / math.prod(shape[:-1]))
        rows = inputs // 2 if paired_inputs else inputs

        def submatrix(columns: int, seed: Any) -> Any:
            size = (*taps, rows, columns)
            if self.submatrix == "he_normal":
                return keras.random.normal(size, 0.0, stddev, dtype, seed)
            draw = self.submatrix
            if draw == "orthogonal":
                draw = keras.initializers.Orthogonal()
            config = draw.get_config()
            seeded = {"seed": seed} if "seed" in config else {}
            return type(draw).from_config(config | seeded)(size, dtype)

        seed, other_seed = self.seeds(2)
        if paired_outputs and outputs > 1:
            w0 = submatrix(outputs // 2, seed)
            alone = [submatrix(1, other_seed)] if odd_outputs else []
            kernel = keras.ops.concatenate([w0, -w0, *alone], axis=-1)
        else:
            kernel = submatrix(outputs, seed)
        if paired_inputs:
            unused = [keras.ops.zeros_like(kernel[..., :1, :])] if odd_inputs else []
            kernel = keras.ops.concatenate([kernel, -kernel, *unused], axis=-2)
        return kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {
            "position": self.position,
            "submatrix": (
                self.submatrix
                if isinstance(self.submatrix, str)
                else keras.initializers.serialize(self.submatrix)
            ),
            "odd": self.odd,
            **super().get_config(),
        }


def _checked(submatrix: Any) -> Any:
    """Returns a name or an initializer, of which a dictionary is the config."""
    if isinstance(submatrix, dict):
        submatrix = keras.initializers.deserialize(submatrix)
    if isinstance(submatrix, keras.Initializer):
        return submatrix
    if isinstance(submatrix, str) and submatrix in _SUBMATRICES:
        return submatrix
    raise ValueError(
        f"`submatrix` must be one of {', '.join(map(repr, _SUBMATRICES))}, or an "
        f"initializer of Keras. Received: submatrix={submatrix}"
    )
