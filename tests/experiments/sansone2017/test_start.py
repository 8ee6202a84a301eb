"""Tests of how its networks start, and of what passes through them."""

import math
import re

import keras
import numpy as np
import pytest

from experiments.engine import datasets, frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.engine.logistic_signals import signals
from experiments.sansone2017 import entropy, theory
from experiments.sansone2017.methods import METHODS, initialize, network
from experiments.sansone2017.start import Start, centred

DIGITS = datasets.load("digits")
X = centred(datasets.scale(DIGITS, "unit"))
K = entropy.moments(0.0, entropy.BOUND_STD)[1]


def started(method, hidden=(30, 20), seed=0, last="softmax"):
    model = network(64, hidden, 10, last)
    initialize(model, method, X, seed)
    return model


def norms(layer):
    kernel, bias = layer.get_weights()
    return np.linalg.norm(kernel, axis=0), kernel, bias


def test_features_are_centred_within_one():
    assert np.abs(X.mean(axis=0)).max() < 1e-6
    assert -1 <= X.min() < 0 < X.max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_another_seed_is_another_start(method):
    one, same, other = (started(method, seed=s).get_weights() for s in (0, 0, 1))
    for first, again, different in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(first, again)
        assert first.ndim == 1 or not np.array_equal(first, different)


@pytest.mark.parametrize("method", ["lecun", "glorot", "ortho", "lsuv", "yilmaz_poli"])
def test_biases_are_zero_without_the_projection(method):
    assert not any(bias.any() for *_, bias in map(norms, started(method).layers))


def test_baselines_are_those_of_section_6():
    for layer, inputs in zip(started("lecun").layers, (64, 30, 20), strict=True):
        _, kernel, _ = norms(layer)
        limit = 1 / math.sqrt(inputs)
        assert 0.9 * limit < np.abs(kernel).max() <= limit
    _, kernel, _ = norms(started("glorot").layers[0])
    limit = math.sqrt(6 / 94)
    assert 0.9 * limit < np.abs(kernel).max() <= limit
    _, kernel, _ = norms(started("ortho").layers[0])
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(30), atol=1e-5)


@pytest.mark.parametrize("method", ["random+EP", "ortho+EP"])
def test_the_projection_is_that_of_theorem_1(method):
    first, *others = started(method).layers
    length, kernel, bias = norms(first)
    # The mean variance of the data stands for all.
    expected = math.sqrt(math.pi / 2 / X.var(axis=0).mean())
    np.testing.assert_allclose(length, expected, rtol=1e-5)
    np.testing.assert_allclose(bias, -X.mean(axis=0) @ kernel, atol=1e-5)
    for layer in others:
        length, kernel, bias = norms(layer)
        np.testing.assert_allclose(length, math.sqrt(math.pi / 2 / K), rtol=1e-5)
        np.testing.assert_allclose(bias, -0.5 * kernel.sum(axis=0), atol=1e-5)


def test_the_true_optimum_has_longer_weights():
    std = entropy.best_std()
    _, layer, _ = started("random+EP, true optimum").layers
    expected = std / math.sqrt(entropy.moments(0.0, std)[1])
    np.testing.assert_allclose(norms(layer)[0], expected, rtol=1e-5)


def test_lsuv_has_logits_of_variance_1():
    first = started("lsuv").layers[0]
    _, kernel, _ = norms(first)
    assert np.var(X @ kernel) == pytest.approx(1, abs=0.06)


def test_yilmaz_poli_is_for_logistic_units_alone():
    *hidden, last = started("yilmaz_poli", last="softmax").layers
    assert all(norms(layer)[1].mean() < -0.1 for layer in hidden)
    assert abs(norms(last)[1].mean()) < 0.1
    *_, last = started("yilmaz_poli", last="sigmoid").layers
    assert norms(last)[1].mean() < -0.1


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'random.EP'"):
        started("random_EP")


def test_signals_are_those_of_keras():
    """Gradients with respect to outputs, by shifting each of them through its bias."""
    model = started("glorot", hidden=(6, 5))
    x, y = X[:40], DIGITS.y[:40]
    measured = signals([of.get_weights() for of in model.layers], x, y)
    outputs = keras.Model(model.inputs[0], [layer.output for layer in model.layers])
    *hidden, probabilities = (np.asarray(o, "float64") for o in outputs(x))
    for layer, one in zip(hidden, measured, strict=True):
        assert one["output_mean"] == pytest.approx(layer.mean(), rel=1e-5)
        variance = layer.var(axis=0).mean()
        assert one["output_variance"] == pytest.approx(variance, rel=1e-4)
    # Of the last hidden layer it is the softmax' gradient times its kernel.
    delta = probabilities - np.eye(10)[y]
    kernel = np.asarray(model.layers[-1].kernel, "float64")
    expected = np.sqrt(np.mean((delta @ kernel.T) ** 2))
    assert measured[1]["gradient"] == pytest.approx(expected, rel=1e-5)
    # Of the first, by differences of the loss.
    second, last = (
        [np.asarray(w, "float64") for w in layer.get_weights()]
        for layer in model.layers[1:]
    )

    def losses(outputs_of_first):
        middle = 1 / (1 + np.exp(-(outputs_of_first @ second[0] + second[1])))
        logits = middle @ last[0] + last[1]
        return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(40), y]

    first = np.asarray(hidden[0])
    gradients = [
        (losses(first + step) - losses(first - step)) / 2e-4
        for step in 1e-4 * np.eye(6)
    ]
    assert measured[0]["gradient"] == pytest.approx(
        np.sqrt(np.mean(np.square(gradients))), rel=1e-5
    )


@pytest.fixture(scope="module")
def results():
    ledger = Ledger(":memory:")
    cells = [Start("digits", (30, 20), 2), Start("digits", (10,) * 12, 2)]
    for cell in cells:
        cell.train(ledger.missing(cell.describe(), cell.rows_per_run), ledger)
        assert not ledger.missing(cell.describe(), cell.rows_per_run)
    return frame.read(cells, LedgerSource(ledger))


def test_the_report_says_what_holds_of_the_bound_only(results, tmp_path):
    claims, optima, *_ = theory.report(results, tmp_path)
    held = {row[0].partition(":")[0]: row[2] for row in claims.rows[:6]}
    assert held == {
        "equation 3": "yes",
        "theorem 1": "yes",
        "appendix B": "no",
        "section 4": "no",
        "footnote 9": "yes",
    }
    # Twelve layers of ten units: far from vanishing with EP, and not with Glorot.
    (text,) = [
        row[1] for row in claims.rows if "10x12" in row[0] and "vanish" in row[0]
    ]
    factors = dict(re.findall(r"([\w+]+) (\d\.\d+)", text))
    assert float(factors["glorot"]) < 0.4 < 0.9 < float(factors["random+EP"])
    # Norms: that layers get narrower is no reason for gradients to shrink.
    (text,) = [
        row[1] for row in claims.rows if "30-20" in row[0] and "vanish" in row[0]
    ]
    projected = float(dict(re.findall(r"([\w+]+) (\d\.\d+)", text))["random+EP"])
    assert projected == pytest.approx(1.03, abs=0.06)
    assert optima.rows[0][:3] == ["0.000", "1.253", "1.749"]
    pictures = {path.name for path in tmp_path.iterdir()}
    assert pictures == {"density.png", "entropy.png", "gradients.png"}
