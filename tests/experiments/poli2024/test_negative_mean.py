"""Tests of what logistic layers pass of the gradient, by the mean of their weights."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import negative_mean
from experiments.poli2024.negative_mean import (
    PAPER,
    PRODUCTS,
    Cell,
    best,
    passed,
    start,
)

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
    measured = np.exp(passed(results)[CELL].loc[PAPER].mean())
    assert measured == pytest.approx(expected, 1e-3)


def test_on_digits_the_best_product_is_that_of_the_paper(results, tmp_path):
    assert tuple(passed(results)[CELL].index) == PRODUCTS
    claims, table, picture, _ = negative_mean.report(results, tmp_path)
    assert len(claims.rows) == 3 and picture.exists()
    assert claims.rows[0][-1] == claims.rows[2][-1] == "yes"
    assert table.rows[0][0] == "digits, 12 units"
    assert abs(float(table.rows[0][1].split()[0]) - PAPER) <= 2
    assert "last tried" not in table.rows[0][1]


def test_the_best_product_is_interpolated():
    points = np.array(PRODUCTS)
    # Where the logarithm is 0, and of several such products the one nearest to 0.
    assert best(-0.1 * (points + 8.4)) == pytest.approx(-8.4)
    assert best(0.1 * (points + 8.4) * (points + 20.5)) == pytest.approx(-8.4, abs=0.1)
    # Else its peak, also where the products are further apart, or an end.
    assert best(-0.1 * (points + 6.7) ** 2 - 0.2) == pytest.approx(-6.7)
    assert best(-0.1 * (points + 17.3) ** 2 - 0.2) == pytest.approx(-17.3)
    assert best(-0.1 * (points + 40.0)) == -32


def reported(best_of, folder, seeds=4, keep=lambda run: True):
    """Reports networks of which a layer passes everything at some product only."""
    cells = [Cell("digits", width, 3, seeds) for width in (10, 20, 40)]
    rows = []
    for cell in cells:
        for run in filter(keep, cell.describe()):
            product = best_of(cell.width) + 0.1 * run["seed"]
            part = np.exp(-0.1 - abs(run["product"] - product) / 10)
            for layer in range(3):
                row = {"epoch": layer, "gradient": part ** (2 - layer)}
                rows.append(run | row | {"versions": "none"})
    index = [frame.key({k: r[k] for k in ("width", "product", "seed")}) for r in rows]
    table = pd.DataFrame(rows, index=pd.Index(index, name="run"))
    return negative_mean.report(Results(cells, table, len(rows)), folder)


def test_claims_follow_the_peak(tmp_path):
    """A best mean that does not depend on the width, and is positive in the end."""

    def held(best_of, **options):
        claims = reported(best_of, tmp_path, **options)[0]
        return [row[-1] for row in claims.rows]

    assert held(lambda width: -8) == ["yes"] * 4
    assert held(lambda width: -0.3 * width) == ["yes", "no", "yes", "no"]
    assert held(lambda width: -15) == ["yes", "yes", "no", "yes"]
    assert held(lambda width: 2) == ["no", "no", "no"]
    # One seed decides nothing.
    assert held(lambda width: -8, seeds=1) == ["open"] * 4


def test_a_best_product_at_the_end_of_those_tried_is_marked(tmp_path):
    _, table, *_ = reported(lambda width: -40, tmp_path)
    assert table.rows[0][1].endswith("the last tried in 4 of 4")


def test_parts_are_reported(tmp_path):
    table, picture, _ = reported(
        lambda width: -8, tmp_path, keep=lambda run: run["seed"] == 0
    )
    assert len(table.rows) == 3 and picture.exists()
    table, picture, _ = reported(
        lambda width: -8, tmp_path, keep=lambda run: run["width"] == 10
    )
    assert len(table.rows) == 1
    table, *_ = reported(lambda width: -8, tmp_path, keep=lambda run: run["product"])
    assert not table.rows
