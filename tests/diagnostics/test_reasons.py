"""Why a network does not train: what its features ask, and few units do not."""

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits, make_circles

import keras_inits
from keras_inits.diagnostics.reasons import least_effective_rank

X, DIGITS = load_digits(return_X_y=True)
X = (X / 16).astype("float32")


def test_less_is_asked_of_few_units_and_of_inputs_on_a_line():
    assert least_effective_rank(64) == least_effective_rank(5) == 1.8
    assert least_effective_rank(2) == 1.2 and least_effective_rank(1) == 1
    assert least_effective_rank(64, 2.0) == 1.12


def test_few_features_are_no_fault():
    for units in (1, 2, 3):
        model = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu")])
        model.add(layers.Dense(units))
        model.add(layers.Dense(10, "softmax"))
        model.compile("adam", "sparse_categorical_crossentropy")
        found = keras_inits.diagnose(model, X, DIGITS, steps=2280).issues
        assert not any("alike" in issue for issue in found)


def on_a_line(depth):
    """All weights are positive: what reaches the end lies on one line."""
    positive = keras.initializers.RandomUniform(0, 1)
    hidden = [
        layers.Dense(5, "tanh", kernel_initializer=positive) for _ in range(depth)
    ]
    out = layers.Dense(1, "sigmoid", kernel_initializer=positive)
    model = keras.Sequential([keras.Input((2,)), *hidden, out])
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, "binary_crossentropy")
    return model


def test_circles_on_a_line():
    """Training ends at an accuracy of 0.42 to 0.53."""
    x, y = make_circles(n_samples=500, noise=0.1, random_state=1)
    found = keras_inits.diagnose(on_a_line(5), x, y, steps=1600).issues
    assert any("along one line, on which those of high" in issue for issue in found)
    # Where the line orders the targets it does no harm.
    ordered = keras_inits.diagnose(
        on_a_line(5), x, x.sum(axis=1) > 0, steps=1600
    ).issues
    assert not any("line" in issue for issue in ordered)


def test_two_targets_may_lie_on_the_line_that_features_lie_on():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    y = x.sum(axis=1, keepdims=True) * [0.5, -1.0]
    line = keras.layers.Dense(4, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((8,)), line, keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    found = keras_inits.diagnose(model, x, y, advice=False)
    assert found.will_train
    model.fit(x, y, epochs=60, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.05 * np.mean(y**2)
