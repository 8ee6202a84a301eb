"""The fast path computes what the general path computes."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import Population, SeedBatches
from keras_inits.population.dense_stack import chain

RANDOM = np.random.default_rng(0)
FLAT = RANDOM.normal(size=(8, 6))
SEEDS = [0, 1, 2, 0, 1, 2]


def sequential(*parts, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *parts])


def dense(activation="relu", shape=(6,), use_bias=True):
    return stack(activation, shape, use_bias=use_bias)


def stack(activation="relu", shape=(6,), **arguments):
    flatten = [layers.Flatten()] if len(shape) > 1 else []
    return sequential(
        *flatten,
        layers.Dense(5, activation, bias_initializer="normal", **arguments),
        layers.Dense(4, activation, bias_initializer="normal", **arguments),
        layers.Activation("softplus"),
        layers.Dense(3, "softmax", **arguments),
        shape=shape,
    )


def wide():
    return sequential(layers.Flatten(), layers.Dense(70, "relu"), layers.Dense(3))


def assert_paths_agree(population, inputs):
    assert population._state.forward.stack is not None
    fast = population(inputs)
    population._state.forward.stack = None
    general = population(inputs)
    assert fast.shape == general.shape and fast.dtype == general.dtype
    np.testing.assert_allclose(fast, general, rtol=1e-5, atol=1e-6)
    assert np.ptp(fast, axis=1).min() > 1e-4  # Members differ.


@pytest.mark.parametrize(
    "activation", ["relu", "tanh", "selu", "gelu", "sigmoid", "softmax"]
)
def test_activations(activation):
    members = [{"activation": activation, "seed": seed} for seed in SEEDS]
    assert_paths_agree(Population(dense, members), FLAT.astype("float32"))


@pytest.mark.parametrize(
    "arguments", [{"use_bias": False}, {"shape": (2, 3)}, {"shape": (1, 3, 2)}]
)
def test_shapes(arguments):
    members = [{"seed": seed, **arguments} for seed in SEEDS]
    x = FLAT.reshape(-1, *arguments.get("shape", (6,))).astype("float32")
    assert_paths_agree(Population(dense, members), x)


@pytest.mark.parametrize(
    ("seeds", "dtype"),
    [
        (SEEDS, "float32"),
        (SEEDS, "float64"),
        (SEEDS, "uint8"),
        ([0, 1, 1, 2, 2, 2], "float32"),
        ([0, 1, 1, 2, 2, 2], "float64"),
        ([0, 0, 0, 1], "float32"),
        ([2, 0], "float32"),
    ],
)
def test_inputs_per_seed(seeds, dtype):
    population = Population(dense, [{"seed": seed} for seed in seeds])
    x = np.abs(10 * FLAT).astype(dtype) if dtype == "uint8" else FLAT.astype(dtype)
    batches = SeedBatches(x, np.zeros(8), population.seeds, batch_size=4)
    assert_paths_agree(population, batches[0][0])


@pytest.mark.parametrize("seeds", [SEEDS, [0, 1, 1, 2]])
def test_many_units(seeds):
    population = Population(wide, [{"seed": seed} for seed in seeds])
    x = FLAT.astype("float32")
    assert_paths_agree(population, x)
    population = Population(wide, [{"seed": seed} for seed in seeds])
    batches = SeedBatches(x, np.zeros(8), population.seeds, batch_size=4)
    assert_paths_agree(population, batches[0][0])


def largest(signal):
    return signal / keras.ops.max(keras.ops.abs(signal))


def frozen():
    model = stack()
    model.layers[0].trainable = False
    return model


def functional():
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3)(inputs))


@pytest.mark.parametrize(
    "model",
    [
        lambda: stack(kernel_regularizer="l2"),
        lambda: stack(bias_regularizer="l2"),
        lambda: stack(activity_regularizer="l2"),
        lambda: stack(dtype="mixed_float16"),
        lambda: stack(dtype="float64"),
        lambda: stack(activation=largest),
        lambda: sequential(layers.Dense(4), layers.Dropout(0.1), layers.Dense(3)),
        lambda: sequential(layers.Dense(4), layers.BatchNormalization()),
        lambda: sequential(layers.Dense(4), shape=(2, 3)),
        lambda: sequential(layers.Dense(4), layers.Flatten(), shape=(2, 3)),
        lambda: sequential(
            layers.Flatten("channels_first"), layers.Dense(4), shape=(2, 3)
        ),
        lambda: sequential(layers.Activation("relu"), layers.Dense(4)),
        frozen,
        functional,
    ],
)
def test_networks_that_it_leaves_to_the_general_path(model):
    assert chain(stack()) is not None
    assert chain(model()) is None


def test_activation_of_a_whole_batch_sees_one_member():
    population = Population(
        lambda: dense(activation=largest), [{"seed": seed} for seed in SEEDS]
    )
    x = FLAT.astype("float32")
    outputs = population(x)
    for index in range(len(SEEDS)):
        alone = population.member(index)(x)
        np.testing.assert_allclose(outputs[:, index], alone, atol=1e-6)
