"""Tests of the last layer by Lagrangian LR, after other methods."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame, networks
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import lagrangian
from experiments.poli2024.lagrangian import COMPARED, Cell, start_last
from experiments.poli2024.methods import start
from keras_inits import calibration

CELL = Cell("digits", "digits", 300, 2, 2)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("lagrangian") / "ledger.sqlite")
    CELL.train(CELL.describe(), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return ledger


def run(method, last, seed):
    (found,) = [
        each
        for each in CELL.describe()
        if (each["method"], each["last"], each["seed"]) == (method, last, seed)
    ]
    return found


def test_a_member_is_a_network_that_plain_fit_trains(ledger):
    data = datasets.load("digits")
    x = datasets.scale(data, "unit")
    training, held_out = datasets.hold_out(data.y, 1)
    training = training[:300]
    model = networks.feedforward(64, 10, (100,) * 3, "zeros")
    for layer, weights in zip(
        model.layers[:-1], lagrangian._features("digits", 300, None), strict=True
    ):
        layer.set_weights(weights)
    start_last(model, "glorot", 1)
    calibration.lagrangian_lr(model, x[training], data.y[training])
    model.compile(
        keras.optimizers.Adam(0.001),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    rows = ledger.curve(run("glorot", "lagrangian_lr", 1))
    loss, accuracy = model.evaluate(x[held_out], data.y[held_out], verbose=0)
    assert rows[0]["start_loss"] == pytest.approx(loss, rel=1e-4)
    assert rows[0]["start_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert "start_loss" not in rows[1]
    for epoch in range(2):
        order = np.random.default_rng((1, epoch)).permutation(training)
        model.fit(x[order], data.y[order], 100, shuffle=False, verbose=0)
    loss, _ = model.evaluate(x[held_out], data.y[held_out], verbose=0)
    assert rows[1]["val_loss"] == pytest.approx(loss, rel=1e-3)


def test_features_know_nothing_of_the_last_layer_that_is_drawn(ledger):
    """They fit the last layer that they began with: no member may have its seed."""
    for method in COMPARED:
        for seed in (0, 1):
            row = ledger.curve(run(method, "method", seed))[0]
            assert row["start_accuracy"] < 0.4


def test_methods_set_all_layers_or_the_last():
    model = networks.feedforward(64, 10, (100,) * 3, "zeros")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*yilmaz_poli")
        start_last(model, "yilmaz_poli", 0)
    *others, last = (layer.get_weights()[0] for layer in model.layers)
    assert not any(kernel.any() for kernel in others)
    assert last.mean() == pytest.approx(-8 / 100, abs=0.02)
    start(model, "he", 0)
    assert all(layer.get_weights()[0].any() for layer in model.layers)


def test_all_and_parts_are_reported(ledger, tmp_path):
    results = frame.read([CELL], LedgerSource(ledger))
    claims, table, picture, text = lagrangian.report(results, tmp_path)
    assert len(claims.rows) == 6 and len(table.rows) == 2 * len(COMPARED)
    assert picture.exists() and "a reconstruction" in text

    def of(chosen):
        part = results.frame[chosen]
        return lagrangian.report(Results([CELL], part, len(part)), tmp_path)

    rows = results.frame
    table, _, _ = of(rows["method"] == "glorot")
    assert [row[-2:] for row in table.rows] == [["", ""]] * 2
    table, _, _ = of(rows["seed"] == 1)
    assert len(table.rows) == 2 * len(COMPARED)
    table, _, _ = of((rows["method"] == "he") & (rows["last"] == "lagrangian_lr"))
    assert [row[-2:] for row in table.rows] == [["", ""]]


def test_seeds_without_kaimings_have_no_number_of_epochs(ledger, tmp_path):
    """They would count as never there: nothing says what they are to reach."""
    results = frame.read([CELL], LedgerSource(ledger))
    rows = results.frame
    kaiming = (rows["method"] == "he") & (rows["last"] == "method")

    def of(chosen):
        part = Results([CELL], rows[chosen], 1)
        (table, *_) = lagrangian.report(part, tmp_path)
        return {row[0]: row[-2:] for row in table.rows}

    one = of(rows["seed"] == 0)
    assert of((rows["seed"] == 0) | ~kaiming) == one


def reported(loss, start, folder, seeds=5):
    cell = Cell("digits", "digits", epochs=20, seeds=seeds)
    rows = []
    for each in cell.describe():
        noise = 0.001 * each["seed"]
        begins = {"start_loss": start(each) + noise, "start_accuracy": 0.6 + noise}
        for epoch in range(cell.epochs):
            value = max(0.5, loss(each, epoch)) + noise
            more = begins if epoch == 0 else dict.fromkeys(begins, np.nan)
            rows.append(
                each | {"epoch": epoch, "val_loss": value, "versions": "none"} | more
            )
    keys = ("method", "last", "seed")
    index = pd.Index([frame.key({k: r[k] for k in keys}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    claims, table, *_ = lagrangian.report(Results([cell], table, 1), folder)
    return [row[-1] for row in claims.rows], table


def falling(pace):
    def loss(each, epoch):
        by = pace if each["last"] == "lagrangian_lr" else 1
        return 2 - 0.1 * by * (epoch + 1)

    return loss


def test_claims_follow_the_losses(tmp_path):
    def lower(each):
        return 1.0 if each["last"] == "lagrangian_lr" else 2.0

    # 15 epochs and 10: a third fewer. 15 and 8, or 15 and 13, are fewer and not that.
    held, table = reported(falling(1.5), lower, tmp_path)
    assert held == ["yes"] * 6
    assert [row[-2:] for row in table.rows[:2]] == [["15", "15"], ["10", "10"]]
    for pace in (2, 1.2):
        held, _ = reported(falling(pace), lower, tmp_path)
        assert held[1:5] == ["yes", "no"] * 2
    held, _ = reported(falling(0.9), lambda each: -lower(each), tmp_path)
    assert held[:5] == ["no"] * 5
    # One seed decides nothing.
    assert reported(falling(2), lower, tmp_path, 1)[0] == ["open"] * 6
