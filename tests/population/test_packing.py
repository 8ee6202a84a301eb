"""An optimizer sees a few matrices and treats every member as it would alone."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_inits import Population
from keras_inits.population.packing import Packing

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.normal(size=(40, 2)).astype("float32")
# Members whose gradients are of very different sizes.
MEMBERS = [
    {"scale": scale, "seed": seed} for scale, seed in ((0.1, 0), (1.0, 1), (3.0, 0))
]
WHOLE = keras.constraints.MaxNorm(0.5, axis=[0, 1])


def dense(scale, kernel_constraint=None, bias_constraint=None):
    initializer = keras.initializers.RandomNormal(stddev=scale)
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(
                5,
                "tanh",
                kernel_initializer=initializer,
                kernel_constraint=kernel_constraint,
                bias_constraint=bias_constraint,
            ),
            layers.Dense(2, bias_initializer="ones"),
        ]
    )


def constrained(scale):
    return dense(scale, WHOLE, "non_neg")


def weight_decay():
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def sgd(**options):
    return lambda: keras.optimizers.SGD(0.1, **options)


OPTIMIZERS = {
    "clipnorm": sgd(clipnorm=0.3),
    "global_clipnorm": sgd(global_clipnorm=0.3),
    "clipvalue": sgd(clipvalue=0.3),
    "weight_decay": weight_decay,
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizer_acts_on_each_member(optimizer, assert_as_apart):
    def compiled():
        return {"optimizer": OPTIMIZERS[optimizer](), "loss": "mse"}

    # Without clipping, targets as large as these throw the weights far away.
    y = Y if optimizer == "weight_decay" else 1000 * Y
    population = Population(dense, MEMBERS)
    assert_as_apart(population, compiled, X, y, batch_size=8, epochs=2)


def test_targets_are_large_enough_for_clipping_to_matter():
    population = Population(dense, MEMBERS)
    population.compile(sgd()(), "mse")
    population.fit(X, 1000 * Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for index in range(3):
        # Clipped, ten steps cannot move a bias by more than 0.3.
        assert np.abs(population.member(index).get_weights()[-1]).max() > 10


def test_weight_decay_can_be_kept_off_biases():
    population = Population(dense, MEMBERS[:1])
    optimizer = weight_decay()
    optimizer.learning_rate = 1e-6
    optimizer.weight_decay = 1e5
    population.compile(optimizer, "mse")
    population.fit(X, Y, batch_size=8, verbose=0)
    kernel, _, _, bias = population.member(0).get_weights()
    assert np.abs(kernel).max() < 0.3
    np.testing.assert_allclose(bias, 1, atol=1e-4)


def test_constraints_act_on_each_member(assert_as_apart):
    def compiled():
        return {"optimizer": keras.optimizers.Adam(0.01), "loss": "mse"}

    population = Population(constrained, MEMBERS)
    assert_as_apart(population, compiled, X, Y, batch_size=8, epochs=4)
    for index in range(3):
        kernel, bias, *_ = population.member(index).get_weights()
        assert np.linalg.norm(kernel) <= 0.5 + 1e-5 and bias.min() >= 0


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
