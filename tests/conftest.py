"""A network with units of known states in layers of each kind."""

import keras
import numpy as np
import pytest
from keras import layers

UNITS = 6


def squared_relu(x):
    return keras.ops.maximum(x, 0.0) ** 2


def kinds():
    """Lists layers: shape of inputs, layer, the push to unit 2, its state then.

    In each, unit 3 is constant, and unit 5 is a copy of unit 4.
    """

    def dense(activation, name):
        return layers.Dense(UNITS, activation, name=name)

    conv = layers.Conv2D(UNITS, 3, padding="same", activation="relu", name="conv")
    depthwise = layers.DepthwiseConv2D(
        3, depth_multiplier=3, activation="relu", name="depthwise"
    )
    separable = layers.SeparableConv2D(UNITS, 3, activation="tanh", name="separable")
    return [
        ("flat", dense("relu", "relu"), -50, "dead"),
        ("flat", dense("relu6", "relu6"), 50, "dead"),
        ("flat", dense("gelu", "gelu"), -50, "dead"),
        ("flat", dense("hard_sigmoid", "hard_sigmoid"), 50, "dead"),
        ("flat", dense(squared_relu, "own"), -50, "dead"),
        ("flat", dense(layers.ReLU(), "by_layer"), -50, "dead"),
        ("flat", dense("sigmoid", "sigmoid"), -50, "saturated"),
        ("flat", dense("tanh", "tanh"), 50, "saturated"),
        ("flat", dense(layers.LeakyReLU(), "leaky"), -50, "constant"),
        ("flat", dense(None, "linear"), -50, "constant"),
        ("image", conv, -50, "dead"),
        ("image", depthwise, -50, "dead"),
        ("image", separable, 50, "saturated"),
        (
            "sequence",
            layers.Conv1D(UNITS, 3, activation="sigmoid", name="conv1d"),
            50,
            "saturated",
        ),
        ("sequence", layers.SimpleRNN(UNITS, name="rnn"), 50, "saturated"),
        ("sequence", layers.LSTM(UNITS, "relu", name="lstm"), -50, "dead"),
        ("sequence", layers.GRU(UNITS, name="gru"), 50, "constant"),
        (
            "sequence",
            layers.TimeDistributed(dense("relu", "inner"), name="each"),
            -50,
            "dead",
        ),
    ]


def plant(layer, push):
    weights = []
    for variable in layer.weights:
        weight = np.copy(keras.ops.convert_to_numpy(variable))
        if isinstance(layer, layers.DepthwiseConv2D) and weight.ndim > 1:
            columns = weight.reshape(*weight.shape[:-2], -1)
        else:
            columns = weight.reshape(*weight.shape[:-1], -1, weight.shape[-1])
        if columns.shape[-1] % UNITS == 0:
            columns = columns.reshape(*columns.shape[:-1], -1, UNITS)  # Of each gate.
            bias = variable.name == "bias"
            if not bias:
                columns += np.random.default_rng(0).normal(size=columns.shape)
            columns[..., 5] = columns[..., 4]
            columns[..., 2] = push if bias else 0
            columns[..., 3] = 0.4 if bias else 0
        weights.append(weight)
    layer.set_weights(weights)


def build(dtype="float32"):
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(dtype)
    try:
        return build_with_policy()
    finally:
        keras.config.set_dtype_policy("float32")


def build_with_policy():
    image = keras.Input((4, 4, 2))
    vector, sequence = layers.Flatten()(image), layers.Reshape((8, 4))(image)
    inputs = {"flat": vector, "image": image, "sequence": sequence}
    outputs, states = [], {}
    for shape, layer, push, state in kinds():
        outputs.append(layers.Flatten()(layer(inputs[shape])))
        plant(layer, push)
        units = {"dead": [], "saturated": [], "constant": [], "duplicate": [4, 5]}
        units[state] = [2]
        units["constant"] = [*units["constant"], 3]
        states[layer.name] = units
    # A layer that is an activation, after one that has none.
    before = layers.Dense(UNITS, name="before")
    outputs.append(layers.ReLU(name="alone")(before(vector)))
    plant(before, -50)
    states["before"] = {"dead": [], "saturated": [], "constant": [2, 3]}
    states["alone"] = {"dead": [2], "saturated": [], "constant": [3]}
    for name in ("before", "alone"):
        states[name]["duplicate"] = [4, 5]
    head = layers.Dense(1, name="head", kernel_initializer="glorot_uniform")
    model = keras.Model(image, head(layers.Concatenate()(outputs)))
    states["head"] = {state: [] for state in states["alone"]}
    return model, states


@pytest.fixture(scope="session")
def build_planted():
    """Returns a function that builds the network, and the units in each state."""
    return build


@pytest.fixture(scope="session")
def planted():
    return build()


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(1).normal(size=(50, 4, 4, 2)).astype("float32")
