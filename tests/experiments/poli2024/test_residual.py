"""Tests of residual ReLU networks, and of which of their channels are dead."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import frame, networks
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import residual, residual_report
from experiments.poli2024.channels import Channels
from experiments.poli2024.residual import COMPARED, Cell, Forecast, Start

START = Start("digits", 18, 4, "unit", False, 2)
CELL = Cell("digits", 18, 2, "standard", True, 1, ("yilmaz_poli", "he"), epochs=2)
FORECAST = Forecast("digits", 18, 2, "standard", True, 1, ("yilmaz_poli",), epochs=2)


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


def test_channels_are_told_as_by_hand():
    inputs = keras.Input((2, 2, 4))
    model = keras.Model(inputs, keras.layers.ReLU(name="relu_1")(inputs))
    x = np.full((200, 2, 2, 4), -1.0, "float32")
    x[0, 1, 1, 1] = 5  # Active on one image of 200, at one place.
    x[:2, 0, 0, 2] = 5  # On 1 %.
    x[..., 3] = 0.5
    (layer,) = Channels(model, x).look()
    assert layer == {
        "dead": 0.25,
        "near_dead": 0.5,
        "rare": 0.75,  # Of 800 places channel 2 is active at two.
        "active": pytest.approx((1 / 800 + 2 / 800 + 1) / 4),
    }
    x[5] = np.inf
    (layer,) = Channels(model, x).look()
    assert np.isnan(list(layer.values())).all()


def test_looking_teaches_a_network_nothing_and_needs_no_training():
    model = networks.residual((8, 8, 1), 10, 18, 4)
    before = model.get_weights()
    # Far from the mean and variance that normalization begins with.
    x = 50 + np.random.default_rng(0).normal(size=(200, 8, 8, 1)).astype("float32")
    layers = Channels(model, x).look()
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert 0.3 < layers[0]["active"] and layers[0]["dead"] == 0
    x[0] = np.nan
    assert np.isnan(Channels(model, x).look()[0]["dead"])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("residual") / "ledger.sqlite")
    for cell in (START, CELL, FORECAST):
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
    train, test = residual.images("digits", "standard", None)
    assert train[0].mean() == pytest.approx(0, abs=1e-5)
    assert train[0].std() == pytest.approx(1, abs=1e-5)
    assert train[0].shape == (1498, 8, 8, 1)
    model = residual.build(CELL, "he", 0)
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
    dead = [layer["dead"] for layer in Channels(model, test[0][:256]).look()]
    assert row["dead"] == pytest.approx(np.mean(dead), abs=0.02)
    of_layers = [row[f"dead_{number}"] for number in range(1, 18)]
    assert row["dead"] == pytest.approx(np.mean(of_layers))
    # What is evaluated is what was learned: normalization has come to the data.
    batch = model(train[0][:500], training=True)
    by_batch = np.mean(np.argmax(batch, axis=1) == train[1][:500])
    assert abs(row["accuracy"] - by_batch) < 0.25
    assert row["val_accuracy"] > by_batch - 0.3


def test_all_and_parts_are_reported(ledger, tmp_path):
    cells = [START, CELL, FORECAST]
    results = frame.read(cells, LedgerSource(ledger))
    parts = residual_report.report(results, tmp_path)
    claims, start, picture, trained, epochs, foretold, warned, text = parts
    assert len(start.rows) == len(trained.rows) + 3 == len(COMPARED)
    assert picture.exists() and epochs.exists() and "near dead where" in text
    # Every kernel, those in front of a sum and of the softmax too.
    assert "of 21 of the 21 layers" in warned and "has activation relu" in warned
    assert [row[0].rpartition(": ")[2] for row in foretold.rows] == ["yilmaz_poli"]
    # Of two methods there is no verdict but on what was foretold.
    assert len(claims.rows) == 4
    some = results.frame[results.frame["method"] == "he"]
    part = Results(cells, some, len(some))
    start, _, trained, *_ = residual_report.report(part, tmp_path)
    assert len(start.rows) == len(trained.rows) == 1
    # One that was killed has a method with a seed less than others.
    last = (results.frame["method"] == "he") & (results.frame["seed"] == 1)
    rest = Results(cells, results.frame[~last], 1)
    assert residual_report.report(rest, tmp_path)
    (network,) = residual_report.networks(results)
    assert set(network.scores) == {"yilmaz_poli", "he_normal"}
    assert network.trained == 20


def made(cells, value):
    """Returns results of cells, each quantity by its cell, method and name."""
    rows = []
    for cell in cells:
        for run in cell.describe():
            noise = 0.001 * run["seed"]
            values = {
                name: value(cell, run["method"], name) + noise
                for name in ("dead", "near_dead", "rare", "val_accuracy")
            }
            values |= {f"near_dead_{n}": 0.5 for n in range(1, 18)}
            values["will_train"] = float(run["method"] != "yilmaz_poli")
            values["uncertain"] = 0.0
            rows += [
                run | {"epoch": epoch, "versions": "none"} | values
                for epoch in range(cell.rows_per_run)
            ]
    described = ("kind", "method", "seed", "normalized")
    index = [frame.key({name: row[name] for name in described}) for row in rows]
    table = pd.DataFrame(rows, index=pd.Index(index, name="run"))
    return Results(cells, table, len(cells))


def held(cells, value, folder):
    claims, *_ = residual_report.report(made(cells, value), folder)
    return [row[-1] for row in claims.rows]


def test_claims_follow_the_numbers(tmp_path):
    cells = [Start("digits", 18, 64), Cell("digits", 18, 8, epochs=1, seeds=3)]

    def by(ours, others):
        def value(cell, method, name):
            accuracy = name == "val_accuracy"
            mine, theirs = (1 - ours, 1 - others) if accuracy else (ours, others)
            return (mine if method == "yilmaz_poli" else theirs) / (
                1 + (name == "dead")
            )

        return value

    assert held(cells, by(0.9, 0.4), tmp_path) == ["yes"] * 4
    assert held(cells, by(0.1, 0.15), tmp_path) == ["no", "no", "no", "no"]
    assert held(cells, by(0.5, 0.5), tmp_path)[::3] == ["open"] * 2


def test_normalization_hides_it_where_less_is_dead_and_less_is_lost(tmp_path):
    cells = [
        kind("digits", 18, 8, "standard", normalized, **more)
        for kind, more in ((Start, {}), (Cell, {"epochs": 1}))
        for normalized in (False, True)
    ]

    def value(hides):
        def of(cell, method, name):
            if method != "yilmaz_poli":
                return 0.3 if name != "val_accuracy" else 0.6
            hidden = cell.normalized == hides
            return 0.5 if hidden else {"val_accuracy": 0.1}.get(name, 0.9)

        return of

    assert held(cells, value(True), tmp_path)[-2:] == ["yes", "yes"]
    assert held(cells, value(False), tmp_path)[-2:] == ["no", "no"]


def test_what_was_foretold_is_set_beside_what_came(tmp_path):
    cells = [
        kind("digits", 18, 8, "unit", norm, seeds, epochs=1)
        for norm in (False, True)
        for kind, seeds in ((Cell, 2), (Forecast, 1))
    ]

    def accuracy(right):
        def of(cell, method, name):
            return 0.1 if (method == "yilmaz_poli") == right else 0.6

        return of

    results = made(cells, accuracy(True))
    claims, *_, table, _, _ = residual_report.report(results, tmp_path)
    assert claims.rows[-1][1:] == [
        "right in 10 of 10; of 2 that it says will not train 2 do not, of 8 that will, "
        "8 do (p = 0.022)",
        "yes",
    ]
    assert [row[-1] for row in table.rows] == ["yes"] * 10
    claims, *_ = residual_report.report(made(cells, accuracy(False)), tmp_path)
    assert claims.rows[-1][-1] == "open"
