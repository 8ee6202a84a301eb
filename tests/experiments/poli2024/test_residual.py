"""Tests of residual ReLU networks, and of which of their units are dead."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import frame, networks
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import residual, residual_report
from experiments.poli2024.residual import COMPARED, Cell, Start, Units

START = Start("digits", 18, 4, "unit", False, 2)
CELL = Cell("digits", 18, 2, "standard", True, 1, ("yilmaz_poli", "he"), epochs=2)


def test_networks_are_those_of_he_et_al():
    """Parameters of the form for CIFAR, by hand, of ten classes."""
    for layers, blocks in ((18, (2, 2, 2, 2)), (34, (3, 4, 6, 3))):
        expected, channels = 9 * 3 * 64 + 64, 64
        for stage, count in enumerate(blocks):
            filters = 64 * 2**stage
            for _ in range(count):
                expected += 9 * channels * filters + filters
                expected += 9 * filters * filters + filters
                if channels != filters:
                    expected += channels * filters + filters
                channels = filters
        expected += 512 * 10 + 10
        model = networks.residual((32, 32, 3), 10, layers, normalized=False)
        assert model.count_params() == expected
        # As many layers with weights as its name says, shortcuts aside.
        assert 1 + 2 * sum(blocks) + 1 == layers
        relus = [x for x in model.layers if isinstance(x, keras.layers.ReLU)]
        assert len(relus) == layers - 1
        assert [relu.name for relu in relus][:2] == ["relu_1", "relu_2"]
        assert relus[-1].output.shape[1:3] == (4, 4)
    with pytest.raises(ValueError, match="layers=20"):
        networks.residual((32, 32, 3), 10, 20)


def test_units_are_told_as_by_hand():
    inputs = keras.Input((2, 2, 4))
    model = keras.Model(inputs, keras.layers.ReLU(name="relu_1")(inputs))
    x = np.full((200, 2, 2, 4), -1.0, "float32")
    x[0, 1, 1, 1] = 5  # Active on one image of 200, at one place.
    x[:2, 0, 0, 2] = 5  # On 1 %.
    x[..., 3] = 0.5
    (layer,) = Units(model, x).look()
    assert layer == {
        "dead": 0.25,
        "near_dead": 0.5,
        "active": pytest.approx((0.005 + 0.01 + 1) / 4),
    }


def test_looking_teaches_a_network_nothing_and_needs_no_training():
    model = networks.residual((8, 8, 1), 10, 18, 4)
    before = model.get_weights()
    # Far from the mean and variance that normalization begins with.
    x = 50 + np.random.default_rng(0).normal(size=(200, 8, 8, 1)).astype("float32")
    layers = Units(model, x).look()
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0.3 < layers[0]["active"] and layers[0]["dead"] == 0
    x[0] = np.nan
    assert np.isnan(Units(model, x).look()[0]["dead"])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("residual") / "ledger.sqlite")
    for cell in (START, CELL):
        cell.train(cell.describe(), ledger)
        assert not ledger.missing(cell.describe(), cell.rows_per_run)
    return ledger


def test_a_negative_mean_kills_the_first_layer_of_positive_inputs(ledger):
    runs = {(run["method"], run["seed"]): run for run in START.describe()}
    first = {of: ledger.curve(run)[0] for of, run in runs.items()}
    assert all(first["yilmaz_poli", seed]["near_dead"] > 0.9 for seed in (0, 1))
    assert all(first["he", seed]["near_dead"] < 0.3 for seed in (0, 1))
    assert len(ledger.curve(runs["he", 0])) == START.rows_per_run == 17


def test_what_is_trained_is_what_plain_fit_trains(ledger):
    train, test, classes = residual.images("digits", "standard", None)
    assert train[0].mean() == pytest.approx(0, abs=1e-5)
    assert train[0].std() == pytest.approx(1, abs=1e-5)
    assert train[0].shape == (1498, 8, 8, 1) and classes == 10
    model = residual.build(CELL, classes, "he", 0)
    model.compile(
        keras.optimizers.Adam(0.001),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for epoch in range(2):
        order = np.random.default_rng((0, epoch)).permutation(1498)[: 11 * 128]
        model.fit(train[0][order], train[1][order], 128, shuffle=False, verbose=0)
    loss, accuracy = model.evaluate(*test, verbose=0)
    (run,) = [run for run in CELL.describe() if run["method"] == "he"]
    row = ledger.curve(run)[-1]
    assert row["val_loss"] == pytest.approx(loss, rel=1e-3)
    assert row["val_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    dead = [layer["dead"] for layer in Units(model, test[0][:500]).look()]
    assert row["dead"] == pytest.approx(np.mean(dead), abs=0.02)
    # What is evaluated is what was learned: normalization has come to the data.
    batch = model(train[0][:500], training=True)
    by_batch = np.mean(np.argmax(batch, axis=1) == train[1][:500])
    assert abs(row["accuracy"] - by_batch) < 0.25
    assert row["val_accuracy"] > by_batch - 0.3


def test_all_and_parts_are_reported(ledger, tmp_path):
    results = frame.read([START, CELL], LedgerSource(ledger))
    claims, start, picture, trained, text = residual_report.report(results, tmp_path)
    assert len(start.rows) == len(trained.rows) + 3 == len(COMPARED)
    assert picture.exists() and "near dead where" in text
    # Of two methods there is no verdict.
    assert len(claims.rows) == 3
    some = results.frame[results.frame["method"] == "he"]
    part = Results(results.cells, some, len(some))
    start, _, trained, _ = residual_report.report(part, tmp_path)
    assert len(start.rows) == len(trained.rows) == 1
    # One that was killed has a method with a seed less than others.
    last = (results.frame["method"] == "he") & (results.frame["seed"] == 1)
    rest = Results(results.cells, results.frame[~last], 1)
    *_, trained, text = residual_report.report(rest, tmp_path)


def reported(near_dead, accuracy, folder):
    cells = [Start("digits", 18, 64), Cell("digits", 18, 8, epochs=1, seeds=3)]
    rows = []
    for cell in cells:
        for run in cell.describe():
            noise = 0.001 * run["seed"]
            part = near_dead(run["method"]) + noise
            values = {"dead": part / 2, "near_dead": part, "val_accuracy": np.nan}
            if cell is cells[1]:
                values["val_accuracy"] = accuracy(run["method"]) + noise
            rows += [
                run | {"epoch": epoch, "versions": "none"} | values
                for epoch in range(cell.rows_per_run)
            ]
    index = pd.Index(
        [frame.key({k: r[k] for k in ("kind", "method", "seed")}) for r in rows]
    )
    table = pd.DataFrame(rows, index=index.rename("run"))
    claims, *_ = residual_report.report(Results(cells, table, 1), folder)
    return [row[-1] for row in claims.rows]


def test_claims_follow_the_numbers(tmp_path):
    def dead(method):
        return 0.9 if method == "yilmaz_poli" else 0.4

    def poor(method):
        return 0.1 if method == "yilmaz_poli" else 0.5

    assert reported(dead, poor, tmp_path) == ["yes"] * 4
    assert reported(poor, dead, tmp_path) == ["no", "no", "yes", "no"]
    assert reported(lambda m: 0.1, lambda m: 0.5, tmp_path)[::3] == ["open"] * 2
