"""Tests of the question on ranges of weights, rebuilt, on digits."""

import dataclasses

import keras
import numpy as np
import pytest

from experiments import registry
from experiments.engine import descent
from experiments.engine.ledger import Ledger
from experiments.relu_range import cells as relu_range
from experiments.relu_range import report as relu_range_report
from experiments.relu_range import toy
from keras_inits.diagnostics import Objective


def train(cell, ledger):
    if missing := ledger.missing(cell.describe(), cell.rows_per_run):
        cell.train(missing, ledger)


@pytest.fixture(scope="module")
def cell():
    return relu_range.Cell(
        "digits", "relu", "squared error", 1, 2, 1, samples=64, epochs=1, width=4
    )


@pytest.fixture(scope="module")
def results(cell, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    train(cell, Ledger(folder / "ledger.sqlite"))
    return folder


def test_members_are_trained_as_they_would_be_alone(cell, results):
    rows = Ledger(results / "ledger.sqlite").curves(rate=0.1)
    assert len(rows) == 5 * 2
    # Seeds differ, under every initializer but where all is saturated.
    first = {(row["initializer"], row["seed"]): row["first_loss"] for row in rows}
    assert all(
        first[name, 0] != first[name, 1] for name, _ in first if "0," not in name
    )
    x, y = descent.samples("digits", 64)
    model = cell._network(x, y, "U[-0.5, 0.5]", 1)
    model.compile(keras.optimizers.SGD(0.1), descent.squared_error)
    loss = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(first["U[-0.5, 0.5]", 1], loss, rtol=1e-5)
    keras.utils.set_random_seed(0)
    model.fit(x, y, relu_range.BATCH_SIZE, verbose=0)
    (row,) = [r for r in rows if (r["initializer"], r["seed"]) == ("U[-0.5, 0.5]", 1)]
    loss = model.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(row["last_loss"], loss, rtol=1e-4)


def test_a_training_of_fewer_seeds_measures_no_more(cell):
    one = dataclasses.replace(cell, seeds=1, measured=5)
    assert {run["seed"] for run in one.describe()} == {0}


def test_finished_runs_are_not_made_again(cell, results, monkeypatch):
    monkeypatch.setattr(relu_range, "Population", None)
    monkeypatch.setattr(relu_range, "Objective", None)
    ledger = Ledger(results / "ledger.sqlite")
    before = len(ledger.curves())
    train(cell, ledger)
    assert len(ledger.curves()) == before == len(cell.describe()) == 5 * 5 * 2 + 5


def test_trainings_by_another_engine_are_made_again(cell, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for run in cell.describe():
        run.pop("engine", None)
        ledger.record([ledger.begin(run)], 0, {"accuracy": [1.0]})
    missing = [run for run in cell.describe() if not ledger.epochs(run)]
    assert missing == [run for run in cell.describe() if "rate" in run]


def test_the_same_draw_is_doubled(cell):
    x, y = descent.samples("digits", 4)
    half, wide = (
        cell._network(x, y, name, 3).get_weights()
        for name in ("U[-0.5, 0.5]", "U[-1, 1]")
    )
    for one, two in zip(half, wide, strict=True):
        np.testing.assert_allclose(2 * one, two, rtol=1e-6)


def test_the_largest_stable_rate_of_a_parabola():
    layer = keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)
    model = keras.Sequential([keras.Input((1,)), layer])
    x = np.array([[2.0], [-2.0]])  # The loss is 4 w^2: stable up to 1 / 4.
    objective = Objective(model, x, 0 * x, "mse")
    for guess in (1e-3, 0.25, 30.0):
        found = descent.largest_stable_rate(objective, guess, 10)
        assert 0.24 < found <= 0.25 * (1 + 1e-6)
    np.testing.assert_array_equal(objective.weights, [1.0])


def test_no_rate_is_stable_where_the_loss_is_not_finite():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    objective = Objective(model, np.ones((2, 1)), np.ones((2, 1)), "mse")
    model.set_weights([np.full((1, 1), np.inf), np.zeros(1)])
    assert descent.largest_stable_rate(objective, 0.1, 3) == 0.0


def test_the_report_is_computed_from_the_rows(cell, results):
    experiment = registry.find("relu-range")
    experiment = dataclasses.replace(experiment, cells={"smoke": [cell]})
    _, written = experiment.publication("smoke").write(results)
    assert [path.name for path in written] == [
        "map-digits.png",
        "doubling.png",
        "toy.png",
        "report.md",
        "relu-range.csv",
    ]
    assert "55 of 55 runs" in written[3].read_text("utf-8")


def test_the_law_is_fitted(tmp_path):
    about = {"activation": "relu", "loss": "squared error", "dataset": "digits"}
    rows = [
        about
        | {"depth": depth, "seed": seed, "initializer": name, "found": np.nan}
        | {"gradient": twice ** (2 * depth), "limit": twice**-depth * (1 + spread)}
        for depth in (1, 2, 3)
        for seed in (0, 1)
        for name, twice, spread in (
            ("U[-0.5, 0.5]", 1.0, 0.0),
            ("U[-1, 1]", 2.0, 0.1 * seed),
        )
    ]
    table, claims, _ = relu_range_report._law(rows, tmp_path / "law.png")
    gradient, limit, found = table.rows[0][1:]
    assert gradient == "2.00 [2.00, 2.00]" and found == ""
    assert limit.startswith("1.00 [0.")
    assert [held for *_, held in claims] == [False, True]


def test_the_question_is_answered_by_shares():
    rows = [
        {
            "activation": activation,
            "loss": loss,
            "initializer": name,
            "rate": rate,
            "accuracy": float(name != "U[-1, 1]" or rate < 1e-3),
            "first_loss": 1.0,
            "last_loss": 1.005 if rate == 0.01 else np.nan,
        }
        for activation in ("relu", "sigmoid")
        for loss in descent.LOSSES
        for name in relu_range.INITIALIZERS
        for rate in relu_range.RATES
    ]
    claims = relu_range_report._question(rows)
    assert [held for *_, held in claims] == [True, False, True, True, True, True, False]
    assert "0% at 0.01" in claims[0][1] and "100% at 0.0001" in claims[0][1]
    assert claims[1][1] == "stays: 50%, climbs: 50% of 2"
    assert relu_range_report._question(rows[:25]) == []


def test_the_toy(tmp_path):
    claims, path = toy.compare(tmp_path / "toy.png")
    assert path.stat().st_size
    assert [held for *_, held in claims] == [True, False, False]
