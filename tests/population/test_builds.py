"""Members start as their builds alone would, of which few are made."""

import random

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import Population


def dense(depth=1, initializer="he_normal"):
    hidden = [
        layers.Dense(4, "relu", kernel_initializer=initializer) for _ in range(depth)
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


def each_of_its_own(seed, initializer="orthogonal", factor=1):
    hidden = [
        layers.Dense(
            4, kernel_initializer=keras.initializers.HeNormal(seed + factor * i)
        )
        for i in range(12)
    ]
    out = layers.Dense(3, kernel_initializer=initializer)
    return keras.Sequential([keras.Input((6,)), *hidden, out])


def of_seed_sequence(seed):
    first, _ = np.random.SeedSequence(seed).generate_state(2)
    return dense(initializer=keras.initializers.HeNormal(int(first)))


def that_turns(seed):
    return dense(initializer="he_normal" if seed < 5 else "glorot_normal")


def that_hides_its_turn(seed):
    try:
        name = "he_normal" if seed < 5 else "glorot_normal"
    except Exception:
        name = "zeros"
    return dense(initializer=name)


def that_looks_up(seed):
    return dense(initializer={3: "he_normal"}.get(seed, "glorot_normal"))


def that_perturbs(seed):
    """Changes its weights for some seeds alone."""
    model = dense()
    if seed != 3:
        for variable in model.weights:
            variable.assign(variable + seed)
    return model


def added_one_by_one(seed):
    """Draws between the layers that it adds."""
    model = keras.Sequential([keras.Input((6,))])
    for _ in range(3):
        deviation = random.uniform(0.1, 1) + seed
        initializer = keras.initializers.RandomNormal(stddev=deviation)
        model.add(layers.Dense(6, kernel_initializer=initializer))
    return model


def that_seeds_keras(seed):
    keras.utils.set_random_seed(seed + 1)
    return dense()


def assigned_from_the_seed(seed):
    model = dense()
    model.layers[0].bias.assign(np.full(4, seed))
    return model


def assigned_a_constant():
    model = dense()
    model.layers[0].bias.assign(np.full(4, 0.25))
    return model


def that_reads():
    model = dense()
    factor = 1 / np.std(model.layers[0].kernel)
    model.layers[1].kernel.assign(factor * model.layers[1].kernel)
    return model


def trained():
    model = dense()
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(np.ones((4, 6)), np.ones((4, 3)), verbose=0)
    return model


def called_while_training():
    model = keras.Sequential(
        [layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5)]
    )
    model(np.ones((2, 6)), training=True)
    return model


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(5), layers.Dense(3)

    def call(self, inputs):
        return self.out(self.hidden(inputs))


def called_on_data():
    model = Subclassed()
    model(np.ones((1, 6)))
    return model


def of_tensorflow_numbers():
    tf = pytest.importorskip("tensorflow")
    model = dense()
    model.layers[0].kernel.assign(tf.random.normal((6, 4)))
    return model


def nested():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5), layers.Dropout(0.1)])
    inputs = keras.Input((6,))
    shared = layers.Dense(5)
    twice = shared(shared(inner(inputs)))
    return keras.Model(inputs, layers.Dense(2)(twice))


def recurrent():
    return keras.Sequential(
        [
            keras.Input((5, 3)),
            layers.LSTM(4, return_sequences=True, dropout=0.1),
            layers.GRU(3),
            layers.Dense(2),
        ]
    )


def unfit_bias():
    bias = OfNumPy()
    lstm = layers.LSTM(4, bias_initializer=bias)
    return keras.Sequential([keras.Input((5, 3)), lstm])


def attentive():
    inputs = keras.Input((5, 4))
    return keras.Model(inputs, layers.MultiHeadAttention(2, 3)(inputs, inputs))


def whose_kernels_have_other_axes():
    inputs = keras.Input((8, 8, 4))
    hidden = layers.DepthwiseConv2D(3, depthwise_initializer="random_ep")(inputs)
    hidden = layers.Conv2DTranspose(5, 2, kernel_initializer="rai")(hidden)
    hidden = layers.Reshape((49, 5))(hidden)
    attention = layers.MultiHeadAttention(2, 3, kernel_initializer="lecun98_uniform")
    return keras.Model(inputs, attention(hidden, hidden))


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, kernel_initializer="lee_qr"),
            layers.DepthwiseConv2D(3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(2, kernel_initializer="random_ep"),
        ]
    )


def compiled():
    model = dense()
    model.compile(keras.optimizers.Adam(0.02), "mse", metrics=["mae"])
    return model


def of_this_package():
    names = ("rai", "gsm", "skorski_normal", "lecun98_uniform", "zer_o")
    hidden = [layers.Dense(6, kernel_initializer=name) for name in names]
    return keras.Sequential([keras.Input((6,)), *hidden])


def one_object():
    initializer = keras.initializers.TruncatedNormal(stddev=0.3)
    return dense(depth=3, initializer=initializer)


def of_half_precision():
    kernel = layers.Dense(4, dtype="bfloat16", kernel_initializer="he_uniform")
    return keras.Sequential([keras.Input((6,)), kernel])


def constant_array():
    fixed = keras.initializers.Constant(np.arange(24.0).reshape(6, 4))
    hidden = layers.Dense(4, kernel_initializer=fixed)
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3)])


def values(model):
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def weights(population, index):
    return population.member(index).get_weights()


ANY = [dense, lambda: dense(initializer="lee_qr"), of_any_size, of_numpy, of_keras]
ANY += [assigned, with_states, assigned_a_constant, that_reads, trained, unfit_bias]
ANY += [called_while_training, called_on_data, of_tensorflow_numbers, nested]
ANY += [recurrent, attentive, convolutional, compiled, of_this_package, one_object]
ANY += [of_half_precision, constant_array, whose_kernels_have_other_axes]
SEEDED = [seeded, takes_anything, each_of_its_own, of_seed_sequence, that_turns]
SEEDED += [that_hides_its_turn, that_looks_up, that_seeds_keras]
SEEDED += [that_perturbs, added_one_by_one]
SEEDED += [assigned_from_the_seed, lambda seed: dense()]
SEEDED += [lambda seed: dense(initializer=keras.initializers.HeNormal(-seed % 4))]


@pytest.mark.parametrize("build", ANY + SEEDED)
def test_weights_are_those_of_a_seeded_build(build):
    seeds = [3, 3, 4, 5, 6, 11]
    population = Population(build, [{"seed": seed} for seed in seeds])
    for index, seed in enumerate(seeds):
        own = values(population.member(index))
        keras.utils.set_random_seed(seed)
        built = build(seed=seed) if build in SEEDED else build()
        assert [a.tobytes() for a in own] == [a.tobytes() for a in values(built)]
    by_seed = [weights(population, index) for index in (0, 2, 3)]
    assert len({b"".join(w.tobytes() for w in each) for each in by_seed}) > 1


@pytest.mark.parametrize(
    "build",
    [dense, with_states, nested, recurrent, attentive]
    + [convolutional, compiled, of_this_package, one_object, constant_array]
    + [seeded, each_of_its_own, whose_kernels_have_other_axes],
)
def test_builds_do_not_grow_with_the_seeds(build):
    calls = []

    def counted(**arguments):
        calls.append(arguments)
        if build not in SEEDED:
            del arguments["seed"]
        return build(**arguments)

    Population(counted, [{"seed": seed} for seed in range(9)])
    assert len(calls) == 2  # One whole, and one that is traced.


def test_members_without_a_seed():
    population = Population(dense, [{}, {}])
    assert population.seeds == []
    assert np.any(weights(population, 0)[0] != weights(population, 1)[0])


def test_what_is_built_later_is_not_affected():
    Population(of_keras, [{"seed": 0}, {"seed": 1}])
    assert np.any(keras.random.normal((9,)) != keras.random.normal((9,)))
    assert np.all(np.isfinite(with_states()(np.ones((4, 6)), training=True)))
