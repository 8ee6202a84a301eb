"""A population trains its members as they would train alone."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import Population

MEMBERS = [
    {"initializer": "he_normal", "seed": 0},
    {"initializer": "he_normal", "seed": 1},
    {"initializer": "glorot_uniform", "seed": 0},
]
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 40)


def draw(*shape):
    return RANDOM.normal(size=(40, *shape)).astype("float32")


def sequential(shape, *hidden):
    return keras.Sequential([keras.Input(shape), *hidden, layers.Dense(3, "softmax")])


def dense(initializer):
    return sequential(
        (6,),
        layers.Dense(5, "relu", kernel_initializer=initializer),
        layers.Dense(4, "tanh", kernel_initializer=initializer),
    )


def convolution(initializer):
    # A bias ahead of BatchNormalization would have a gradient of rounding noise alone,
    # which Adam turns into whole steps.
    return sequential(
        (6, 6, 2),
        layers.Conv2D(4, 3, use_bias=False, kernel_initializer=initializer),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Flatten(),
    )


def dropout(initializer):
    hidden = layers.Dense(5, "relu", kernel_initializer=initializer)
    return sequential((6,), hidden, layers.Dropout(0.0))


def simple_rnn(initializer):
    return sequential((4, 2), layers.SimpleRNN(4, kernel_initializer=initializer))


def lstm(initializer):
    return sequential((4, 2), layers.LSTM(4, kernel_initializer=initializer))


def regularized(initializer):
    inputs = keras.Input((6,))
    hidden = layers.Dense(
        5, "tanh", kernel_initializer=initializer, kernel_regularizer="l2"
    )(inputs)
    hidden = layers.Dense(4, activity_regularizer="l1")(hidden)
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden + inputs[:, :4]))


def nested(initializer):
    return sequential((6,), dense(initializer), regularized_part(initializer))


def regularized_part(initializer):
    inputs = keras.Input((3,))
    hidden = layers.Dense(4, "relu", kernel_initializer=initializer)(inputs)
    return keras.Model(inputs, layers.Concatenate()([inputs, hidden]))


def several(initializer):
    one, other = keras.Input((6,), name="one"), keras.Input((2,), name="other")
    hidden = layers.Dense(5, "relu", kernel_initializer=initializer)(one)
    joint = layers.Concatenate()([hidden, other])
    classes = layers.Dense(3, "softmax", name="classes")(joint)
    value = layers.Dense(1, name="value")(joint)
    return keras.Model({"one": one, "other": other}, [classes, value])


BUILDS = {
    dense: draw(6),
    convolution: draw(6, 6, 2),
    dropout: draw(6),
    simple_rnn: draw(4, 2),
    lstm: draw(4, 2),
    regularized: draw(6),
    nested: draw(6),
}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "momentum": lambda: keras.optimizers.SGD(0.05, momentum=0.9),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("build", BUILDS)
def test_weights_after_20_steps(build, optimizer, assert_as_apart):
    def compiled():
        loss = "sparse_categorical_crossentropy"
        return {"optimizer": OPTIMIZERS[optimizer](), "loss": loss}

    population = Population(build, MEMBERS)
    assert_as_apart(population, compiled, BUILDS[build], LABELS, batch_size=8, epochs=4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_several_inputs_and_outputs(optimizer, assert_as_apart):
    def compiled():
        return {
            "optimizer": OPTIMIZERS[optimizer](),
            "loss": ["sparse_categorical_crossentropy", "mse"],
            "loss_weights": [1.0, 0.5],
            "metrics": [["accuracy"], ["mae"]],
        }

    x, y = {"one": draw(6), "other": draw(2)}, [LABELS, draw(1)]
    population = Population(several, MEMBERS)
    assert_as_apart(population, compiled, x, y, batch_size=8, epochs=4)
    classes, value = population.predict(x, verbose=0)
    assert classes.shape == (40, 3, 3) and value.shape == (40, 3, 1)
