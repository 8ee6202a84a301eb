"""An optimizer sees a few matrices and treats every member as it would alone."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_inits import Population
from keras_inits.population.parameter_packing import Packing

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.normal(size=(40, 2)).astype("float32")
FAR = 1000 * Y
# Members whose gradients are of very different sizes.
MEMBERS = [
    {"scale": scale, "seed": seed} for scale, seed in ((0.1, 0), (1.0, 1), (3.0, 0))
]


def dense(scale, **constraints):
    initializer = keras.initializers.RandomNormal(stddev=scale)
    hidden = layers.Dense(5, "tanh", kernel_initializer=initializer, **constraints)
    output = layers.Dense(2, bias_initializer="ones")
    return keras.Sequential([keras.Input((6,)), hidden, output])


def plain(scale):
    return dense(scale)


def constrained(scale):
    norm = keras.constraints.MaxNorm(0.5, axis=[0, 1])
    return dense(scale, kernel_constraint=norm, bias_constraint="non_neg")


def weight_decay():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def sgd(**clipping):
    return keras.optimizers.SGD(0.1, **clipping)


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipping_acts_on_each_member(clipping, assert_as_apart):
    def compiled():
        return {"optimizer": sgd(**{clipping: 0.3}), "loss": "mse"}

    population = Population(plain, MEMBERS)
    assert_as_apart(population, compiled, X, FAR, batch_size=8, epochs=2)


def test_targets_are_so_far_that_clipping_matters():
    population = Population(plain, MEMBERS)
    population.compile(sgd(), "mse")
    population.fit(X, FAR, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for index in range(3):
        # Clipped, ten steps cannot move a bias by more than 0.3.
        assert np.abs(population.member(index).get_weights()[-1]).max() > 10


def test_constraints_and_weight_decay_act_on_each_member(assert_as_apart):
    def compiled():
        return {"optimizer": weight_decay(), "loss": "mse"}

    population = Population(constrained, MEMBERS)
    assert_as_apart(population, compiled, X, Y, batch_size=8, epochs=4)
    for index in range(3):
        kernel, bias, *_ = population.member(index).get_weights()
        assert np.linalg.norm(kernel) <= 0.5 + 1e-5 and bias.min() >= 0


def test_weight_decay_can_be_kept_off_biases():
    population = Population(plain, MEMBERS)
    optimizer = weight_decay()
    # The step itself is next to nothing, the decay is as large as ever.
    optimizer.learning_rate, optimizer.weight_decay = 1e-6, 1e5
    population.compile(optimizer, "mse")
    start = population.member(0).get_weights()
    population.fit(X, Y, batch_size=8, verbose=0)
    kernel, _, _, bias = population.member(0).get_weights()
    np.testing.assert_allclose(kernel, start[0] * 0.9**5, atol=1e-4)
    np.testing.assert_allclose(bias, start[3], atol=1e-4)


def test_pack_and_unpack():
    model = keras.Sequential(
        [keras.Input((4, 2)), layers.LSTM(3), layers.BatchNormalization()]
    )
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    packing = Packing(variables)
    values = [RANDOM.normal(size=(5, *variable.shape)) for variable in variables]
    matrices = packing.pack(values)
    assert len(matrices) == len(packing.groups) < len(variables) + 1
    assert all(len(matrix.shape) == 2 and len(matrix) == 5 for matrix in matrices)
    for value, again in zip(values, packing.unpack(matrices), strict=True):
        assert np.array_equal(value, ops.convert_to_numpy(again))
