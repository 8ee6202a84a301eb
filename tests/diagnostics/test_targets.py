"""Targets that a network cannot return are an issue, before it is trained."""

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_digits

import keras_inits
from keras_inits.diagnostics.targets import output_range

X, DIGITS = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
INK = X.sum(axis=1, keepdims=True)


def issues(last, loss, y, units=1):
    out = layers.Dense(units, last)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(64, "relu"), out])
    model.compile("adam", loss)
    return keras_inits.diagnose(model, X, y).issues


BINARY = (DIGITS > 4).astype("float32")
OUT_OF_REACH = {
    "labels": (
        ("sigmoid", "binary_crossentropy", DIGITS),
        "takes targets from 0 to 1, and the targets lie between 0 and 9",
    ),
    "signs": (
        ("sigmoid", keras.losses.BinaryFocalCrossentropy(), 2 * BINARY - 1),
        "takes targets from 0 to 1, and the targets lie between -1 and 1",
    ),
    "one softmax unit": (
        ("softmax", "binary_crossentropy", BINARY),
        "a softmax of one unit returns 1 for every sample: use sigmoid",
    ),
    "tanh": (
        ("tanh", "mse", 5 * INK),
        "cannot reach 100 % of the targets: tanh returns -1 to 1, and",
    ),
    "relu": (
        ("relu", keras.losses.Huber(), -INK),
        "cannot reach 100 % of the targets: relu returns no less than 0, and",
    ),
    "classes": (
        ("softmax", "sparse_categorical_crossentropy", DIGITS + 1, 11),
        None,
    ),
}


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_targets_out_of_reach(name):
    arguments, message = OUT_OF_REACH[name]
    found = issues(*arguments)
    if message is None:
        assert found == ()
    else:
        assert message in found[0]


def test_labels_that_no_output_stands_for():
    with pytest.raises(ValueError, match="9 outputs stand for, 0 to 8.* 0 and 9"):
        issues("softmax", "sparse_categorical_crossentropy", DIGITS, 9)


@pytest.mark.parametrize(
    ("last", "loss", "y", "units"),
    [
        ("sigmoid", "binary_crossentropy", BINARY, 1),
        (None, keras.losses.BinaryCrossentropy(from_logits=True), BINARY, 1),
        ("tanh", "mse", 2 * BINARY - 1, 1),
        ("relu", "mse", INK / 10, 1),
        (None, "mse", -5 * INK, 1),
        ("softmax", "sparse_categorical_crossentropy", DIGITS, 10),
    ],
)
def test_targets_within_reach(last, loss, y, units):
    assert issues(last, loss, y, units) == ()


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("linear", -np.inf, np.inf),
        ("relu", 0, np.inf),
        ("relu6", 0, 6),
        ("elu", -1, np.inf),
        ("softplus", 0, np.inf),
        ("sigmoid", 0, 1),
        ("hard_sigmoid", 0, 1),
        ("tanh", -1, 1),
        ("silu", -0.2785, np.inf),
        ("leaky_relu", -np.inf, np.inf),
        ("log_sigmoid", -np.inf, 0),
        ("softmax", 0, 1),
    ],
)
def test_what_an_activation_returns(name, least, most):
    function = keras.activations.get(name)
    assert output_range(function) == pytest.approx((least, most), abs=1e-3)


def test_the_advice_is_not_another_initializer():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(1, "tanh")])
    model.compile("adam", "mse")
    diagnosis = keras_inits.diagnose(model, X, 5 * INK)
    assert not diagnosis.will_train and not diagnosis.alternatives
    assert diagnosis.at(0.01).issues[0] == diagnosis.issues[0]
