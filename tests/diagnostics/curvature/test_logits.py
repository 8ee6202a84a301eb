"""The loss of a saturated output is that of plain Keras, wherever its activation is."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.diagnostics import Objective
from keras_inits.diagnostics.signal_propagation import propagate

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Others clip the probabilities."
)
RANDOM = np.random.default_rng(0)
X = 300 * RANDOM.normal(size=(80, 6)).astype("float32")
CLASSES = RANDOM.integers(0, 3, 80)


def functional(output, units=3):
    inputs = keras.Input((6,))
    return keras.Model(inputs, output(layers.Dense(units)(inputs)))


class Subclassed(keras.Model):
    def __init__(self, output):
        super().__init__()
        self.hidden, self.output_of = layers.Dense(3), output

    def call(self, inputs):
        return self.output_of(self.hidden(inputs))


def nested():
    inner = keras.Sequential([keras.Input((8,)), layers.Dense(3, "softmax")])
    return keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), inner])


@pytest.mark.parametrize(
    "build",
    [
        nested,
        lambda: functional(layers.Activation("softmax")),
        lambda: functional(layers.Softmax()),
        lambda: functional(layers.Lambda(keras.ops.softmax)),
        lambda: functional(keras.ops.softmax),
        lambda: functional(keras.activations.softmax),
        lambda: functional(layers.Activation("sigmoid"), 1),
        lambda: functional(keras.ops.sigmoid, 1),
        lambda: Subclassed(keras.ops.softmax),
        lambda: Subclassed(keras.activations.softmax),
    ],
)
def test_loss_of_saturated_outputs(build):
    model = build()
    units = model(X[:1]).shape[-1]
    y = CLASSES if units > 1 else CLASSES[:, None] > 1
    names = {3: "sparse_categorical_crossentropy", 1: "binary_crossentropy"}
    model.compile("sgd", names[units])
    plain = model.evaluate(X, y, batch_size=80, verbose=0)
    assert plain > 20  # More than where probabilities are clipped at 1e-7.
    objective = Objective(model, X, y)
    assert objective.gradient()[0] == pytest.approx(plain, rel=1e-5)
    assert propagate(objective).loss == pytest.approx(plain, rel=1e-5)


class Penalty(keras.Layer):
    def call(self, inputs):
        self.add_loss(keras.ops.mean(keras.ops.square(inputs)))
        return inputs


def test_loss_that_a_layer_adds():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2), Penalty()])
    model.compile("sgd")
    value, _ = Objective(model, X, X).gradient()
    assert value == pytest.approx(float(np.mean(np.square(model(X)))), rel=1e-5)


def test_no_loss_at_all():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="have layers that add one.*loss=None"):
        Objective(model, X, X)
