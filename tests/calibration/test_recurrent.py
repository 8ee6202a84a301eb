"""Recurrent layers: what their units take is measured on unrolled sequences."""

import math

import keras
import numpy as np
import pytest

from keras_inits import calibration

STEPS, FEATURES, UNITS = 12, 5, 9


@pytest.fixture
def x():
    random = np.random.default_rng(0)
    scales = np.array([0.2, 0.5, 1.0, 2.0, 4.0])
    return (random.normal(size=(80, STEPS, FEATURES)) * scales + 1).astype("float32")


def model(activation="sigmoid", last="softmax", **options):
    keras.utils.set_random_seed(1)
    layer = keras.layers.SimpleRNN(UNITS, activation, **options)
    inputs = keras.Input((STEPS, FEATURES))
    return keras.Model(inputs, keras.layers.Dense(3, last)(layer(inputs))), layer


def unrolled(layer, x, backwards=False):
    """Returns, by hand, what units take at all steps, and their logits."""
    kernel, recurrent, bias = (w.astype("float64") for w in layer.get_weights())
    state, taken, logits = np.zeros((len(x), UNITS)), [], []
    for step in range(STEPS)[:: -1 if backwards else 1]:
        taken.append(np.concatenate([x[:, step].astype("float64"), state], axis=1))
        logits.append(taken[-1] @ np.concatenate([kernel, recurrent]) + bias)
        state = 1 / (1 + np.exp(-logits[-1]))
    return np.concatenate(taken), np.concatenate(logits)


@pytest.mark.parametrize("base", ["random", "orthogonal"])
@pytest.mark.parametrize("sequences", [True, False])
def test_every_unit_is_on_the_ellipsoid_of_all_that_it_takes(x, base, sequences):
    network, layer = model(return_sequences=sequences)
    report = calibration.elliptical_projection(network, x, base, seed=3)
    assert not report.missed
    kernel, recurrent, _ = layer.get_weights()
    weights = np.concatenate([kernel, recurrent]).astype("float64")
    taken, logits = unrolled(layer, x)
    np.testing.assert_allclose(taken.var(axis=0) @ weights**2, math.pi / 2, rtol=2e-3)
    assert np.abs(logits.mean(axis=0)).max() < 0.02
    assert report.rows[0].after["logit mean"] == pytest.approx(0, abs=0.02)
    assert report.rows[0].after["logit variance"] == pytest.approx(
        logits.var(), rel=1e-3
    )
    # Another base, or seed, is another layer.
    again, other = model(return_sequences=sequences), model(return_sequences=sequences)
    calibration.elliptical_projection(again[0], x, base, seed=3)
    calibration.elliptical_projection(other[0], x, base, seed=4)
    np.testing.assert_array_equal(again[1].get_weights()[1], recurrent)
    assert not np.array_equal(other[1].get_weights()[1], recurrent)


def test_a_layer_that_does_not_settle_has_the_best_that_was_found():
    """One input for long, many units: their states are chaotic under these weights."""
    random = np.random.default_rng(0)
    symbols = random.uniform(-0.4, 0.4, (10, 60))
    which = np.full((60, 80), 8)
    which[:, :3] = random.integers(0, 8, (60, 3))
    x = symbols[which].astype("float32")
    layer = keras.layers.SimpleRNN(60, "sigmoid", return_sequences=True)
    network = keras.Sequential([keras.Input((80, 60)), layer])
    report = calibration.elliptical_projection(network, x, seed=0)
    (why,) = report.missed.values()
    off = float(why.split()[-2])
    assert 1e-3 < off < 0.5
    kernel, recurrent, bias = layer.get_weights()
    outputs = np.asarray(layer(x))
    before = np.concatenate([np.zeros((60, 1, 60)), outputs[:, :-1]], axis=1)
    taken = np.concatenate([x, before], axis=2).reshape(-1, 120)
    weights = np.concatenate([kernel, recurrent])
    variances = taken.var(axis=0) @ weights**2 / (math.pi / 2)
    means = (taken.mean(axis=0) @ weights + bias) / math.sqrt(math.pi / 2)
    found = max(np.abs(variances - 1).max(), np.abs(means).max())
    assert found == pytest.approx(off, rel=0.1)
    assert 1 < report.rows[0].after["logit variance"] < 3


@pytest.mark.parametrize("method", ["elliptical_projection", "lsuv"])
def test_a_stateful_layer_is_set_as_from_the_beginning_and_goes_on_after_it(x, method):
    def stateful():
        keras.utils.set_random_seed(1)
        layer = keras.layers.SimpleRNN(UNITS, "sigmoid", stateful=True)
        inputs = keras.Input(batch_shape=(len(x), STEPS, FEATURES))
        later = keras.layers.LSTM(3, stateful=True, return_sequences=True)(inputs)
        return keras.Model(inputs, [layer(inputs), later]), layer

    network, layer = stateful()
    network(x[::-1])  # In the middle of a text.
    rnns = [each for each in network.layers if hasattr(each, "states")]
    states = [state for each in rnns for state in each.states]
    kept = [keras.ops.convert_to_numpy(state).copy() for state in states]
    assert all(value.any() for value in kept)
    report = getattr(calibration, method)(network, x, seed=3)
    assert layer.name not in report.missed
    for state, value in zip(states, kept, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(state), value)
    plain, other = model()
    getattr(calibration, method)(plain, x, seed=3)
    for one, another in zip(layer.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-4, atol=1e-6)


def test_sequences_may_be_read_backwards(x):
    # The last steps must be told from the first.
    x = x * np.linspace(0.2, 3, STEPS, dtype="float32")[:, None]
    network, layer = model(go_backwards=True)
    calibration.elliptical_projection(network, x, seed=3)
    kernel, recurrent, _ = layer.get_weights()
    weights = np.concatenate([kernel, recurrent]).astype("float64")
    taken, _ = unrolled(layer, x, backwards=True)
    np.testing.assert_allclose(taken.var(axis=0) @ weights**2, math.pi / 2, rtol=2e-3)


def test_lsuv_scales_both_kernels_to_logits_of_variance_1(x):
    network, layer = model(return_sequences=True)
    report = calibration.lsuv(network, x, tol=0.01, seed=2)
    assert set(report.missed) == set()
    _, logits = unrolled(layer, x)
    assert logits.var() == pytest.approx(1, abs=0.01)
    kernel, recurrent, bias = layer.get_weights()
    gram = recurrent.T @ recurrent
    np.testing.assert_allclose(gram, np.eye(UNITS) * gram[0, 0], atol=1e-5)
    assert not bias.any()
    assert np.linalg.norm(kernel, 2) == pytest.approx(gram[0, 0] ** 0.5, rel=1e-5)


def test_layers_that_cannot_be_treated_are_named(x):
    network, _ = model("tanh", "sigmoid")
    report = calibration.elliptical_projection(network, x, seed=0)
    assert list(report.skipped.values()) == ["its activation is tanh, not sigmoid"]
    inputs = keras.Input((STEPS, FEATURES))
    lstm = keras.Model(
        inputs, keras.layers.Dense(3, "sigmoid")(keras.layers.LSTM(4)(inputs))
    )
    report = calibration.elliptical_projection(lstm, x, seed=0)
    assert list(report.skipped.values()) == ["LSTM is not Dense, Conv or SimpleRNN"]
