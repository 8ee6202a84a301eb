"""Members start as their builds alone would, and must be alike but for that."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.backend.common import global_state

from keras_inits import Population


def dense(units=4, activation="relu", depth=1, initializer="he_normal"):
    hidden = [
        layers.Dense(units, activation, kernel_initializer=initializer)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(3)])


def seeded(seed):
    return dense(initializer=keras.initializers.HeNormal(seed=seed + 100))


def takes_anything(**arguments):
    return seeded(arguments["seed"])


def assigned(initializer):
    model = dense(initializer=initializer)
    model.layers[0].kernel.assign(2 * model.layers[0].kernel)
    return model


class Unseeded(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)


def weights(population, index):
    return population.member(index).get_weights()


@pytest.mark.parametrize(
    ("build", "initializer"),
    [(dense, "he_normal"), (dense, Unseeded()), (assigned, "lee_qr")],
)
def test_weights_are_those_of_a_seeded_build(build, initializer):
    members = [{"initializer": initializer, "seed": seed} for seed in (3, 4, 3)]
    population = Population(build, members)
    for index, member in enumerate(members):
        keras.utils.set_random_seed(member["seed"])
        expected = build(initializer=initializer).get_weights()
        for one, other in zip(weights(population, index), expected, strict=True):
            assert np.array_equal(one, other)
    # The last kernel is random whatever the initializer of the first.
    assert np.any(weights(population, 0)[2] != weights(population, 1)[2])
    assert np.all(weights(population, 0)[2] == weights(population, 2)[2])


@pytest.mark.parametrize("build", [seeded, takes_anything])
def test_build_that_takes_the_seed(build):
    population = Population(build, [{"seed": 5}, {"seed": 6}])
    for index, seed in enumerate((5, 6)):
        kernel = keras.initializers.HeNormal(seed=seed + 100)((6, 4))
        assert np.array_equal(weights(population, index)[0], kernel)


def test_members_without_a_seed():
    population = Population(dense, [{}, {}])
    assert population.seeds == []
    assert np.any(weights(population, 0)[0] != weights(population, 1)[0])


def test_building_leaves_nothing_behind():
    def build():
        model = dense(initializer=Unseeded())
        model.add(layers.BatchNormalization())
        model.add(layers.Dropout(0.5))
        return model

    Population(build, [{"seed": 0}, {"seed": 1}])
    assert not global_state.get_global_attribute("uninitialized_variables")
    assert np.any(keras.random.normal((9,)) != keras.random.normal((9,)))
    assert np.all(np.isfinite(build()(np.ones((4, 6)), training=True)))


def test_a_build_that_fails_leaves_nothing_behind():
    def build(units):
        layers.Dense(4).build((None, 6))
        return dense(int(units))

    with pytest.raises(ValueError, match="invalid literal"):
        Population(build, [{"units": "4"}, {"units": "four"}])
    assert not global_state.get_global_attribute("uninitialized_variables")


@pytest.mark.parametrize(
    ("members", "error", "message"),
    [
        ("he_normal", TypeError, "must be a list of dict.*members=he_normal"),
        ({"units": 4}, TypeError, "must be a list of dict.*members={'units': 4}"),
        (3, TypeError, "must be a list of dict.*members=3"),
        ([{"units": 4}, "tanh"], TypeError, "must be a dictionary.*tanh"),
        ([], ValueError, "one member at least"),
        ([{"unit": 4}], TypeError, "unexpected keyword argument 'unit'"),
    ],
)
def test_members_of_a_wrong_form(members, error, message):
    with pytest.raises(error, match=message):
        Population(dense, members)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: None, TypeError, "must return a Keras model. Received: None"),
        (lambda: layers.Dense(3), TypeError, "must return a Keras model.*Dense"),
        (lambda: keras.Sequential([layers.Dense(3)]), ValueError, "keras.Input"),
        (
            lambda: keras.Sequential([keras.Input((6,)), layers.ReLU()]),
            ValueError,
            "has weights",
        ),
    ],
)
def test_builds_of_no_use(build, error, message):
    with pytest.raises(error, match=message):
        Population(build, [{}])


def functional(skip=True, factor=1.0, shared=False):
    inputs = keras.Input((6,))
    layer = layers.Dense(6)
    one = layer(inputs)
    other = layer(one) if shared else layers.Dense(6)(one)
    return keras.Model(inputs, other * factor + (inputs if skip else one))


class Subclassed(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.hidden, self.out = layers.Dense(units), layers.Dense(3)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def subclassed(units):
    model = Subclassed(units)
    model(np.ones((1, 6)))
    return model


class Weights(keras.Layer):
    def __init__(self, count):
        super().__init__()
        for index in range(count):
            self.add_weight((6,), name=f"weight_{index}")

    def call(self, inputs):
        return inputs + sum(self.weights)


def unconfigured(count):
    return keras.Sequential([keras.Input((6,)), Weights(count)])


@pytest.mark.parametrize(
    ("build", "first", "other"),
    [
        (dense, {"units": 4}, {"units": 5}),
        (dense, {"activation": "relu"}, {"activation": "tanh"}),
        (dense, {"depth": 1}, {"depth": 2}),
        (dense, {"depth": 2}, {"depth": 1}),
        (functional, {"skip": True}, {"skip": False}),
        (functional, {"factor": 1.0}, {"factor": 2.0}),
        (functional, {"shared": True}, {"shared": False}),
        (subclassed, {"units": 4}, {"units": 5}),
        (unconfigured, {"count": 1}, {"count": 2}),
        (unconfigured, {"count": 2}, {"count": 1}),
    ],
)
def test_members_that_are_not_alike(build, first, other):
    name, value = next(iter(other.items()))
    message = rf"one architecture.* member 2 \({{'{name}': {value!r}, 'seed': 0}}\)"
    with pytest.raises(ValueError, match=message):
        Population(
            build, [{**first, "seed": 0}, {**first, "seed": 1}, {**other, "seed": 0}]
        )


@pytest.mark.parametrize("build", [functional, subclassed])
def test_members_that_are_alike(build):
    arguments = {"units": 4} if build is subclassed else {}
    population = Population(build, [arguments | {"seed": seed} for seed in (0, 1)])
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    outputs = population(x)
    for index in range(2):
        alone = population.member(index)(x)
        np.testing.assert_allclose(outputs[:, index], alone, atol=1e-6)
