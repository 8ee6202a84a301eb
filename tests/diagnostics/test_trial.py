"""The first steps of training, on a copy: those of `fit`, and what they come to."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.stats import kendalltau
from sklearn.datasets import load_diabetes, load_digits

from keras_inits.diagnostics import Objective
from keras_inits.diagnostics.outlook import outlook
from keras_inits.diagnostics.trial import Trial

X, Y = load_digits(return_X_y=True)
X, Y = (X[:256] / 16).astype("float32"), Y[:256]
STEPS = 13  # More than an epoch of batches of 32.


def sequential(*hidden, last=None):
    outputs = last or layers.Dense(10, "softmax")
    return keras.Sequential([keras.Input((64,)), *hidden, outputs])


def dense():
    keras.utils.set_random_seed(0)
    return sequential(layers.Dense(16, "relu", kernel_initializer="he_normal"))


def penalized():
    keras.utils.set_random_seed(0)
    penalty = keras.regularizers.L2(0.1)
    activity = layers.ActivityRegularization(0.01)
    return sequential(layers.Dense(16, "tanh", kernel_regularizer=penalty), activity)


def stateful():
    keras.utils.set_random_seed(0)
    inner = [layers.Dense(16), layers.BatchNormalization(), layers.ReLU()]
    return sequential(*inner, layers.Dropout(0.3, seed=1))


def recurrent():
    keras.utils.set_random_seed(0)
    return sequential(layers.Reshape((8, 8)), layers.GRU(6))


def values(model):
    return [np.array(ops.convert_to_numpy(variable)) for variable in model.variables]


def same_batches(steps):
    """Those that a trial takes: permutations of all samples, one after the other."""
    order = np.random.default_rng(0)
    epochs = -(-steps * 32 // len(X))
    chosen = np.concatenate([order.permutation(len(X)) for _ in range(epochs)])
    return chosen[: steps * 32]


@pytest.mark.parametrize("build", [dense, penalized, stateful, recurrent])
def test_steps_are_those_of_fit(build):
    model = build()
    optimizer = keras.optimizers.Adam(0.01, clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
    start = values(model)
    trial = Trial(Objective(model, X, Y), optimizer)
    trial.run(start, (X, Y), 0.01, STEPS)
    for before, after in zip(start, values(model), strict=True):
        np.testing.assert_array_equal(before, after)
    chosen = same_batches(STEPS)
    model.fit(X[chosen], Y[chosen], shuffle=False, verbose=0)
    for own, expected in zip(trial.values, values(model), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)
    moved = np.abs(values(model)[0] - start[0]).max()
    assert moved > 1e-3


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        keras.optimizers.Lamb(0.01),  # Not one entry by one.
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        keras.optimizers.RMSprop(keras.optimizers.schedules.ExponentialDecay(1, 1, 1)),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_each_run_begins_anew(optimizer):
    model = dense()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    trial = Trial(Objective(model, X, Y), optimizer)
    runs = [trial.run(values(model), (X, Y), r, STEPS) for r in (0.01, 1e-6, 0.01)]
    assert runs[0] == runs[2] != runs[1]
    assert runs[1].last.loss == pytest.approx(runs[1].first.loss, rel=1e-3)
    assert int(optimizer.iterations) == 0


def test_what_outputs_explain_and_how_they_order():
    x, y = load_diabetes(return_X_y=True)
    x, y = x.astype("float32"), ((y - y.mean()) / y.std()).astype("float32")[:, None]
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    slope = np.linalg.lstsq(x, y[:, 0], rcond=None)[0]
    model.set_weights([slope[:, None], np.zeros(1)])
    outputs = x @ slope
    found = Trial(Objective(model, x, y), "sgd").run(values(model), (x, y), 0.0, 2)
    assert found.last == found.first
    assert found.last.loss == pytest.approx(np.mean((outputs - y[:, 0]) ** 2))
    # Outputs of others, of spread s and correlation r with the targets, cost 1 + s^2,
    # and 2 r s less where they are one's own; here s = r.
    r = np.corrcoef(outputs, y[:, 0])[0, 1]
    assert found.last.explained == pytest.approx(2 * r**2 / (1 + r**2), abs=0.03)
    tau = kendalltau(outputs, y[:, 0]).statistic
    assert found.last.concordance == pytest.approx(tau, abs=0.06)


def test_outputs_that_tell_nothing():
    model = sequential(layers.Dense(8, "relu", kernel_initializer="zeros"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    found = Trial(Objective(model, X, Y), "sgd").run(values(model), (X, Y), 0.1, 9)
    assert found.last.explained == pytest.approx(0, abs=1e-6)
    assert found.last.concordance == 0
    assert outlook(found, 50).score < 0


def test_where_all_targets_are_the_same_the_fall_of_the_loss_counts():
    model = sequential(last=layers.Dense(1))
    model.compile("adam", "mse")
    y = np.full((len(X), 1), 3.0)
    trial = Trial(Objective(model, X, y), "adam")
    for rate, trains in ((0.01, True), (1e-7, False)):
        found = trial.run(values(model), (X, y), rate, 50)
        assert np.isnan(found.last.explained) and np.isfinite(found.last.loss)
        assert (outlook(found, 250).score > 0) == trains


def test_penalties_are_not_what_outputs_explain():
    seen = []
    for penalty in (None, keras.regularizers.L2(10.0)):
        keras.utils.set_random_seed(0)
        model = sequential(layers.Dense(16, "relu", kernel_regularizer=penalty))
        model.compile("sgd", "sparse_categorical_crossentropy")
        assert bool(model.losses) == bool(penalty)
        trial = Trial(Objective(model, X, Y), "sgd")
        seen.append(trial.run(values(model), (X, Y), 0.0, 1))
    # Rounding of large penalties aside.
    one, other = (dataclasses.astuple(progress.last) for progress in seen)
    assert one == pytest.approx(other, abs=0.01)


def test_a_loss_that_overflows():
    model = sequential(last=layers.Dense(1))
    model.compile("sgd", "mse")
    y = Y[:, None].astype("float32")
    found = Trial(Objective(model, X, y), "sgd").run(values(model), (X, y), 1e6, 20)
    assert np.isnan(found.last.explained) and found.steps == 20
    expected = outlook(found, 100)
    assert expected.score == -np.inf and not expected.uncertain
    assert "the loss is nan within 20 steps" in expected.text


def test_several_inputs_and_outputs():
    inputs = {name: keras.Input((32,), name=name) for name in "ab"}
    both = layers.Concatenate()([inputs["a"], inputs["b"]])
    both = layers.Dense(16, "relu")(both)
    outputs = {"digit": layers.Dense(10, "softmax")(both), "sum": layers.Dense(1)(both)}
    model = keras.Model(inputs, outputs)
    losses = {"digit": "sparse_categorical_crossentropy", "sum": "mse"}
    model.compile("adam", losses)
    x = {"a": X[:, :32], "b": X[:, 32:]}
    y = {"digit": Y, "sum": X.sum(1, keepdims=True)}
    trial = Trial(Objective(model, x, y), "adam")
    found = trial.run(values(model), (x, y), 0.01, 60)
    assert found.last.loss < 0.5 * found.first.loss
    assert found.last.explained > 0.3 and found.last.concordance > 0.5
