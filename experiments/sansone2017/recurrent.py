"""Sansone & De Natale (2017): recurrent networks of logistic units (Figure 9)."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from experiments.sansone2017 import entropy
from experiments.sansone2017.methods import (
    check_methods,
    kernel_of,
    lsuv,
    projected,
)

LSTM = "lstm"
"""The method, and the kind, of networks that have no logistic units to set."""


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


def step_factor() -> float:
    """Returns by what gradients pass a step of a logistic layer that starts by EP.

    Section 5's factor of a layer whose logits have the variance `pi / 2`, of which the
    states have one half, and the inputs of the step the other.

    Examples:
        >>> round(step_factor(), 3)
        0.728
    """
    return entropy.gradient_factor(entropy.BOUND_STD) / math.sqrt(2)


def dropped_std(dropout: float) -> float:
    """Returns by how much dropout moves the logits of a layer that starts by EP.

    Outputs of logistic units have the mean 1/2, and the bias answers it; what drops
    them, and makes up for it by a factor, adds noise of `E[x**2] p / (1 - p)` to each.

    Args:
        dropout: Part `p` that is dropped.

    Examples:
        >>> round(dropped_std(0.5), 2)
        2.87
    """
    _, variance = entropy.moments(0.0, entropy.BOUND_STD)
    noise = (variance + 0.25) * dropout / (1 - dropout)
    return entropy.BOUND_STD * math.sqrt(noise / variance)


def methods_of(kind: str, methods: Sequence[str]) -> tuple[str, ...]:
    """Returns how networks of a kind start, of methods that are to be compared.

    Raises:
        ValueError: If there is no such method.
    """
    if kind == LSTM:
        return (LSTM,)
    logistic = tuple(method for method in methods if method != LSTM)
    check_methods(logistic)
    return logistic


def initialize(model: keras.Sequential, method: str, x: np.ndarray, seed: int) -> None:
    """Sets a network of `network` as a method has it.

    The embedding, a linear layer of one-hot inputs, has uniform entries of variance
    0.059 under all methods, LSTM included: that of the output of a logistic unit at the
    optimum. So all that a unit takes, embedded input and state, has one variance, and
    the elliptical projection is the formula of section 6 for both: one vector of
    weights a unit, `sqrt(pi / (2 k)) v / |v|`, and a bias that answers the mean over
    the dictionary and the mean of states, 1 / 2. It is not measured: most of what the
    copy memory problem reads is one character, whose embedding does not vary.

    Other methods draw kernel, recurrent kernel and output each by itself; LSTM has the
    rest as Keras starts it.

    Args:
        model: From `network`; set in place.
        method: One of `METHODS`, or `LSTM`.
        x: Sequences that it is going to be trained on; `lsuv` measures.
        seed: A seed.

    Raises:
        ValueError: If there is no such method.
    """
    embedding, recurrent, output = (layer for layer in model.layers if layer.weights)
    seeds = np.random.SeedSequence(seed).generate_state(4).tolist()
    limit = math.sqrt(3 * entropy.moments(0.0, entropy.BOUND_STD)[1])
    embedding.embeddings.assign(
        keras.random.uniform(embedding.embeddings.shape, -limit, limit, seed=seeds[0])
    )
    if method == LSTM:
        return
    check_methods([method])
    if method == "lsuv":
        lsuv(model, x, seeds[1])
        return
    inputs, units = recurrent.cell.kernel.shape
    states = np.full(units, 0.5)
    if projected(method):
        weights = kernel_of(method, (inputs + units, units), seeds[1])
        embedded = keras.ops.convert_to_numpy(embedding.embeddings)
        bias = -np.concatenate([embedded.mean(axis=0), states]) @ weights
    else:
        parts = zip((inputs, units), seeds[1:3], strict=True)
        weights = np.concatenate(
            [kernel_of(method, (rows, units), s) for rows, s in parts]
        )
        bias = np.zeros(units)
    recurrent.cell.kernel.assign(weights[:inputs])
    recurrent.cell.recurrent_kernel.assign(weights[inputs:])
    recurrent.cell.bias.assign(bias)
    kernel = kernel_of(method, output.kernel.shape, seeds[3], output.activation)
    output.kernel.assign(kernel)
    output.bias.assign(
        -states @ kernel if projected(method) else np.zeros(kernel.shape[1])
    )
