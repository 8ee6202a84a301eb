"""Members must be alike but for the weights that they start from."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import Population


def dense(units=4, activation="relu", depth=1):
    hidden = [layers.Dense(units, activation) for _ in range(depth)]
    return keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(3)])


def test_arguments_that_are_equal_numbers_of_another_type():
    def build(scale, seed):
        return dense(activation="relu" if scale is True else "tanh")

    with pytest.raises(ValueError, match="one architecture"):
        Population(build, [{"scale": s, "seed": 0} for s in (1, True)])


def test_an_architecture_that_depends_on_the_seed():
    def build(seed):
        return dense(activation="relu" if seed < 2 else "tanh")

    with pytest.raises(ValueError, match="one architecture.* member 2"):
        Population(build, [{"seed": seed} for seed in range(3)])


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


class Silent(keras.Layer):
    """Has weights that its configuration does not tell of."""

    def __init__(self, count):
        super().__init__()
        for _ in range(count):
            self.add_weight((2,), name="weight")

    def get_config(self):
        return {}

    def call(self, inputs):
        return inputs


def silent(count):
    return keras.Sequential([keras.Input((6,)), Silent(count)])


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
        (silent, {"count": 1}, {"count": 2}),
        (silent, {"count": 2}, {"count": 1}),
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
