"""Members start as their builds alone would, and must be alike but for that."""

import random

import keras
import numpy as np
import pytest
from keras import layers

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


class Unseeded(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.random.normal(shape, dtype=dtype)


class OfNumPy(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.convert_to_tensor(np.random.normal(size=shape), dtype)


def of_any_size():
    deviation = random.uniform(0.1, 1)
    return dense(initializer=keras.initializers.RandomNormal(stddev=deviation))


def of_numpy():
    return dense(initializer=OfNumPy())


def of_keras():
    return dense(initializer=Unseeded())


def assigned():
    model = dense()
    model.layers[0].kernel.assign(2 * model.layers[0].kernel)
    return model


def with_states():
    model = dense(initializer="orthogonal")
    model.add(layers.BatchNormalization())
    model.add(layers.Dropout(0.5))
    return model


def values(model):
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def weights(population, index):
    return population.member(index).get_weights()


@pytest.mark.parametrize(
    "build",
    [dense, lambda: dense(initializer="lee_qr"), of_any_size, of_numpy, of_keras]
    + [assigned, with_states],
)
def test_weights_are_those_of_a_seeded_build(build):
    seeds = [3, 3, 4, 5, 6, 4]
    population = Population(build, [{"seed": seed} for seed in seeds])
    for index, seed in enumerate(seeds):
        own = values(population.member(index))
        keras.utils.set_random_seed(seed)
        assert all(map(np.array_equal, own, values(build())))
    last = [weights(population, index)[2] for index in (0, 2, 3, 4)]
    assert len({kernel.tobytes() for kernel in last}) == 4


def perturbed(seed):
    """Changes its weights for some seeds alone, in a way that an unbuilt net hides."""
    model = dense()
    if seed:
        for layer in model.layers:
            for variable in layer.weights:
                variable.assign(variable + seed)
    return model


def called(seed):
    return subclassed(4, keras.initializers.GlorotNormal(seed=seed))


def recurrent(seed):
    init = keras.initializers.Orthogonal(seed=seed)
    inner = keras.Sequential(
        [keras.Input((3, 5)), layers.LSTM(4, kernel_initializer=init)]
    )
    outer = [keras.Input((6,)), layers.Dense(15), layers.Reshape((3, 5)), inner]
    return keras.Sequential([*outer, layers.BatchNormalization(), layers.Dropout(0.5)])


def added(seed):
    """Adds its layers one by one, and draws between them."""
    model = keras.Sequential([keras.Input((6,))])
    for _ in range(3):
        deviation = random.uniform(0.1, 1) + seed
        init = keras.initializers.RandomNormal(stddev=deviation)
        model.add(layers.Dense(6, kernel_initializer=init))
    return model


def wired(seed):
    inputs = keras.Input((6,))
    shared = layers.Dense(6, kernel_initializer=keras.initializers.HeUniform(seed))
    return keras.Model(inputs, shared(shared(inputs)) + layers.Dense(6)(inputs))


def mixed(seed):
    """Draws by initializers of each kind."""
    names = ["lee_qr", "rai", "zeros", "ortho_ep", "glorot_uniform"]
    hidden = [layers.Dense(6, kernel_initializer=name) for name in names]
    hidden.append(layers.Dense(6, kernel_initializer=Unseeded()))
    return keras.Sequential([keras.Input((6,)), *hidden[: 5 + seed % 2]][:6])


@pytest.mark.parametrize(
    "build", [perturbed, called, recurrent, added, wired, mixed, takes_anything]
)
def test_each_member_starts_as_its_own_build(build):
    members = [{"seed": seed} for seed in (0, 1, 2, 1, 3, 4, 5, 6, 7, 8, 9)]
    population = Population(build, members)
    starts = population._hidden.packing.unpack(
        [np.asarray(matrix) for matrix in population._matrices]
    )
    for index, member in enumerate(members):
        keras.utils.set_random_seed(member["seed"])
        for start, value in zip(starts, values(build(**member)), strict=True):
            assert np.array_equal(start[index], value)


def test_initializer_objects_are_drawn_anew_for_each_seed():
    unseeded, fixed = keras.initializers.HeNormal(), keras.initializers.HeNormal(seed=7)
    members = [
        {"initializer": initializer, "seed": seed}
        for initializer in (unseeded, fixed)
        for seed in range(5)
    ]
    population = Population(dense, members)
    kernels = [weights(population, index)[0] for index in range(10)]
    assert len({kernel.tobytes() for kernel in kernels[:5]}) == 5
    assert len({kernel.tobytes() for kernel in kernels[5:]}) == 1
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        own = dense(initializer=keras.initializers.HeNormal()).get_weights()[0]
        assert np.array_equal(kernels[seed], own)


def test_a_build_whose_network_depends_on_the_seed():
    def build(seed):
        return dense(units=5 if seed == 6 else 4)

    with pytest.raises(ValueError, match="one architecture.*member 6"):
        Population(build, [{"seed": seed} for seed in range(8)])


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


def test_what_is_built_later_is_not_affected():
    Population(of_keras, [{"seed": 0}, {"seed": 1}])
    assert np.any(keras.random.normal((9,)) != keras.random.normal((9,)))
    assert np.all(np.isfinite(with_states()(np.ones((4, 6)), training=True)))


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
    def __init__(self, units, initializer="glorot_uniform"):
        super().__init__()
        self.hidden = layers.Dense(units, kernel_initializer=initializer)
        self.out = layers.Dense(3)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def subclassed(units, initializer="glorot_uniform"):
    model = Subclassed(units, initializer)
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
