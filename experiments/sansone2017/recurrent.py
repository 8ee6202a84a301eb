"""Sansone & De Natale (2017): recurrent networks of logistic units (Figure 9)."""

import math
from typing import Any

import keras
import numpy as np

from experiments.sansone2017 import entropy
from experiments.sansone2017.methods import DRAWS, check_methods
from keras_inits import calibration


def network(
    characters: int,
    units: int,
    kind: str,
    dropout: float = 0.0,
    batch: tuple[int, int] | None = None,
) -> keras.Sequential:
    """Builds embedding, recurrent layer and softmax.

    Args:
        characters: Size of the dictionary.
        units: Units of the recurrent layer, and size of the embedding.
        kind: `"logistic"` or `"lstm"`.
        dropout: Part of the embedding and of the recurrent layer's outputs that is
            dropped in training, but not on its way to the next step.
        batch: Sequences of a batch, and their length, of a network that goes on with
            each of them in the next batch. By default a network takes sequences of any
            length, and starts anew with each batch.
    """
    options: dict[str, Any] = {"return_sequences": True, "stateful": batch is not None}
    recurrent = {
        "logistic": lambda: keras.layers.SimpleRNN(units, "sigmoid", **options),
        "lstm": lambda: keras.layers.LSTM(units, **options),
    }[kind]()
    drop = [keras.layers.Dropout(dropout) for _ in range(2)] if dropout else [None] * 2
    layers = [
        keras.Input(batch_shape=batch or (None, None), dtype="int32"),
        keras.layers.Embedding(characters, units),
        drop[0],
        recurrent,
        drop[1],
        keras.layers.Dense(characters, "softmax"),
    ]
    return keras.Sequential([layer for layer in layers if layer is not None])


def initialize(model: keras.Sequential, method: str, x: np.ndarray, seed: int) -> None:
    """Sets a logistic network as a method has it.

    The embedding, a linear layer of one-hot inputs, has uniform entries of variance 1
    under all methods: what a method is for begins behind it. Kernel, recurrent
    kernel and output are drawn by the method; under the elliptical projection a unit
    has one vector of weights for input and state (`calibration.elliptical_projection`),
    and the output layer that of section 6 for inputs that are logistic.

    Args:
        model: From `network`, of kind `"logistic"`; set in place.
        method: One of `METHODS`.
        x: Sequences that it is going to be trained on.
        seed: A seed.

    Raises:
        ValueError: If there is no such method.
    """
    check_methods([method])
    embedding, recurrent, output = (layer for layer in model.layers if layer.weights)
    seeds = np.random.SeedSequence(seed).generate_state(4).tolist()
    embedding.embeddings.assign(
        keras.random.uniform(
            embedding.embeddings.shape, -math.sqrt(3), math.sqrt(3), seed=seeds[0]
        )
    )
    for layer in (recurrent.cell, output):
        layer.bias.assign(np.zeros(layer.bias.shape))
    std = entropy.BOUND_STD
    if method == "random+EP, true optimum":
        std = entropy.best_std()
    if method == "lsuv":
        calibration.lsuv(model, x, seed=seeds[1])
        return
    options: dict[str, Any] = {"logit_std": std} if "EP" in method else {}
    draw = DRAWS[method]
    if "EP" in method:
        base = "orthogonal" if method.startswith("ortho") else "random"
        calibration.elliptical_projection(model, x, base, std, seed=seeds[1])
    else:
        for kernel, kernel_seed in (
            (recurrent.cell.kernel, seeds[1]),
            (recurrent.cell.recurrent_kernel, seeds[2]),
        ):
            kernel.assign(draw(seed=kernel_seed)(kernel.shape))
    if method == "yilmaz_poli":  # It is for logistic units.
        draw = keras.initializers.GlorotUniform
    kernel = keras.ops.convert_to_numpy(
        draw(seed=seeds[3], **options)(output.kernel.shape)
    )
    output.kernel.assign(kernel)
    if "EP" in method:
        output.bias.assign(-0.5 * kernel.sum(axis=0))
