"""Sansone & De Natale (2017): the initializations that it compares (section 6)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from experiments.sansone2017 import entropy
from keras_inits import Lecun98Uniform, OrthoEP, RandomEP, YilmazPoli, calibration
from keras_inits.inspection.activations import kind_of
from keras_inits.utils.validation import unknown

TRUE_OPTIMUM = "random+EP, true optimum"
"""The elliptical projection with the standard deviation that the entropy itself asks
for; the paper takes that of its bound."""

METHODS = (
    "lecun",
    "glorot",
    "ortho",
    "lsuv",
    "ortho+EP",
    "random+EP",
    TRUE_OPTIMUM,
    "yilmaz_poli",
)
"""Those of the paper, in its order, and two that it does not have."""

REGISTERED = {
    "lecun": "lecun98_uniform",
    "glorot": "glorot_uniform",
    "ortho": "orthogonal",
    "lsuv": "lsuv",
    "ortho+EP": "ortho_ep",
    "random+EP": "random_ep",
    "yilmaz_poli": "yilmaz_poli",
}
"""What `keras_inits.initialize` calls them, those that have a name there."""

PAPER = METHODS[:6]
"""Those that the paper compares."""

DRAWS: dict[str, Callable[..., keras.Initializer]] = {
    "lecun": Lecun98Uniform,
    "glorot": keras.initializers.GlorotUniform,
    "ortho": keras.initializers.Orthogonal,
    "ortho+EP": OrthoEP,
    "random+EP": RandomEP,
    TRUE_OPTIMUM: RandomEP,
    "yilmaz_poli": YilmazPoli,
}
"""What draws the kernels of a method, but for `lsuv`, which measures."""


def check_methods(methods: Sequence[str]) -> None:
    """Raises a `ValueError` for a method that is unknown."""
    for method in methods:
        if method not in METHODS:
            raise unknown("method", method, METHODS)


def projected(method: str) -> bool:
    """Tells whether a method is the elliptical projection."""
    return "EP" in method


def logit_std(method: str) -> float:
    """Returns the standard deviation that a method gives to logits by theorem 1."""
    if method == TRUE_OPTIMUM:
        return entropy.best_std()
    return entropy.BOUND_STD


def kernel_of(
    method: str,
    shape: tuple[int, ...],
    seed: int,
    activation: Any = keras.activations.sigmoid,
) -> np.ndarray:
    """Draws a kernel for inputs that are outputs of logistic units.

    That of the elliptical projection is the formula of section 6: a unit has weights
    `w = s / sqrt(k) v / |v|`, with `v` from `U(-1, 1)` or orthogonal, `s` the standard
    deviation of its logit and `k` the variance of an input, that of footnote 9.

    Args:
        method: One of `METHODS`, but for `lsuv`.
        shape: Of the kernel.
        seed: A seed.
        activation: Of its layer. `yilmaz_poli`, which is for logistic units, leaves
            others to Glorot.
    """
    draw = DRAWS[method]
    if method == "yilmaz_poli" and kind_of(activation) != "logistic":
        draw = keras.initializers.GlorotUniform
    options: dict[str, Any] = {"seed": seed}
    if projected(method):
        options["logit_std"] = logit_std(method)
    return keras.ops.convert_to_numpy(draw(**options)(shape))


def lsuv(model: keras.Model, x: np.ndarray, seed: int) -> None:
    """Scales the layers of a network until logits have variance 1.

    Raises:
        ValueError: If a layer does not come to that.
    """
    report = calibration.lsuv(model, x, seed=seed)
    if report.missed:
        raise ValueError(f"lsuv must reach every layer. Received: {report}")


def initialize(model: keras.Model, method: str, x: np.ndarray, seed: int) -> None:
    """Sets the weights of a built network of dense layers as a method has them.

    Biases are zero, but under the elliptical projection: there a unit has the bias
    `-sum(w m)`, with `m` the mean of each input. Mean and variance of the data are
    measured, the latter as the mean over features; the output of a logistic unit has
    `m = 1 / 2` and the variance of footnote 9, 0.05896. All layers have it, the last
    one too.

    Args:
        model: The network, set in place.
        method: One of `METHODS`.
        x: Samples that it is going to be trained on.
        seed: A seed.

    Raises:
        ValueError: If there is no such method.
    """
    check_methods([method])
    if method == "lsuv":
        lsuv(model, x, seed)
        return
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    seeds = np.random.SeedSequence(seed).generate_state(len(layers)).tolist()
    for layer, layer_seed in zip(layers, seeds, strict=True):
        kernel = kernel_of(method, layer.kernel.shape, layer_seed, layer.activation)
        bias = np.zeros(kernel.shape[1])
        if projected(method):
            mean, variance = entropy.moments(0.0, logit_std(method))
            means = np.full(len(kernel), mean)
            if layer is layers[0]:
                kernel = kernel * math.sqrt(variance / x.var(axis=0).mean())
                means = x.mean(axis=0)
            bias = -means @ kernel
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)


def network(
    features: int,
    hidden: Sequence[int],
    outputs: int,
    last: str,
    dropout: float = 0.0,
) -> keras.Sequential:
    """Builds a network of logistic layers.

    Args:
        features: Number of inputs.
        hidden: Units of each hidden layer.
        outputs: Units of the last layer.
        last: Its activation.
        dropout: Part of the outputs of each hidden layer that is dropped in training.
    """
    layers: list[keras.Layer] = []
    for units in hidden:
        layers.append(keras.layers.Dense(units, "sigmoid"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential(
        [keras.Input((features,)), *layers, keras.layers.Dense(outputs, last)]
    )
