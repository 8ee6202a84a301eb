"""Tests of what logistic layers pass of the gradient, by the mean of their weights."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import negative_mean
from experiments.poli2024.negative_mean import PAPER, PRODUCTS, Cell, passed, start

CELL = Cell("digits", 12, 4, 2)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("mean") / "ledger.sqlite")
    CELL.train(CELL.describe(), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return frame.read([CELL], LedgerSource(ledger))


def test_weights_have_the_mean_that_is_asked_for():
    weights = start((64, 300, 200, 10), -8, 0)
    for (kernel, bias), inputs in zip(weights[:2], (64, 300), strict=True):
        assert kernel.mean() == pytest.approx(-8 / inputs, abs=0.002)
        assert kernel.std() == pytest.approx(0.1, rel=0.02)
        assert not bias.any()
    # The softmax behind them has none of it.
    assert abs(weights[2][0].mean()) < 0.01
    kernels = [start((64, 5, 10), -8, seed)[0][0] for seed in (0, 0, 1)]
    assert np.array_equal(*kernels[:2]) and not np.array_equal(*kernels[1:])


def test_what_a_layer_passes_is_what_keras_backpropagates(results):
    data = datasets.load("digits")
    x = datasets.scale(data, "unit")[: negative_mean.SAMPLES]
    y = data.y[: negative_mean.SAMPLES]
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("By TensorFlow's tape.")
    logs = []
    for seed in range(CELL.seeds):
        hidden = [keras.layers.Dense(12, "sigmoid") for _ in range(4)]
        layers = [keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")]
        model = keras.Sequential(layers)
        weights = start((64, 12, 12, 12, 12, 10), PAPER, seed)
        model.set_weights([array for layer in weights for array in layer])
        outputs, signal = [], tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            for layer in model.layers[:-1]:
                signal = layer(signal)
                tape.watch(signal)
                outputs.append(signal)
            losses = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
            loss = losses(y, model.layers[-1](signal))
        first, *_, last = (np.linalg.norm(g) for g in tape.gradient(loss, outputs))
        logs.append(np.log(first / last) / 3)
    expected = np.exp(np.mean(logs))
    assert passed(results.frame)["digits", 12][PAPER] == pytest.approx(expected, 1e-3)


def test_on_digits_the_best_product_is_that_of_the_paper(results, tmp_path):
    by_product = passed(results.frame)["digits", 12]
    assert set(by_product) == set(PRODUCTS)
    claims, table, picture, _ = negative_mean.report(results, tmp_path)
    assert [row[-1] for row in claims.rows] == ["yes"] * 3 and picture.exists()
    assert table.rows[0][0] == "digits, 12 units"
    assert abs(int(table.rows[0][1]) - PAPER) <= 1


def test_the_best_product_neither_lets_gradients_vanish_nor_explode():
    assert negative_mean._best({-16: 4.0, -8: 1.2, 0: 0.5}) == -8


def test_claims_follow_the_peak(tmp_path):
    """A best mean that does not depend on the width, and is positive in the end."""

    def claims_of(best_of):
        cells = [Cell("digits", width, 3, 1) for width in (10, 20, 40)]
        rows = []
        for cell in cells:
            for run in cell.describe():
                part = np.exp(-abs(run["product"] - best_of(cell.width)) / 10)
                for layer in range(3):
                    row = {"epoch": layer, "gradient": part ** (2 - layer)}
                    rows.append(run | row | {"versions": "none"})
        index = pd.Index(range(len(rows)), name="run")
        of = Results(cells, pd.DataFrame(rows, index=index), len(rows))
        return [row[-1] for row in negative_mean.report(of, tmp_path)[0].rows]

    assert claims_of(lambda width: -8) == ["yes"] * 4
    assert claims_of(lambda width: -0.4 * width) == ["yes", "no", "no", "no"]
    assert claims_of(lambda width: 2) == ["no", "no", "no"]
