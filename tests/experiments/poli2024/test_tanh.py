"""Tests of a negative mean in tanh networks."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import tanh, tanh_report
from experiments.poli2024.tanh import COMPARED, LAGRANGIAN, Cell
from keras_inits import calibration

CELL = Cell("diabetes", 2, 2, 1, 2)


def test_machines_wear_out():
    x, y, machines = tanh.remaining_life()
    assert x.shape == (len(y), 14) and len(x) == 80 * 30
    assert y.min() > 0 and y.max() == 125
    # A new machine shows its offset and noise; at the end all shows its wear.
    starts = np.flatnonzero(np.diff(y[:, 0], prepend=0) > 0)
    assert len(starts) == 80
    np.testing.assert_array_equal(machines[starts], range(80))
    assert x[starts].std(axis=0).max() < 0.25
    worn = y[:, 0] <= 10
    assert np.abs(x[worn].mean(axis=0)).mean() > 0.4
    # The life can be read from the sensors, but for what is above 125.
    seen = y[:, 0] < 125
    wear = np.column_stack([x[seen], x[seen] ** 2, np.ones(seen.sum())])
    fitted = wear @ np.linalg.lstsq(wear, y[seen], rcond=None)[0]
    assert np.corrcoef(fitted[:, 0], y[seen, 0])[0, 1] > 0.7
    np.testing.assert_array_equal(x, tanh.remaining_life()[0])


@pytest.mark.parametrize("task", tanh.DATA)
def test_a_group_is_trained_on_or_held_out(task):
    *_, groups = tanh.DATA[task]()
    training, held_out = tanh.split(groups, 3)
    assert np.array_equal(np.sort([*training, *held_out]), range(len(groups)))
    assert not set(groups[training]) & set(groups[held_out])
    assert len(set(groups[held_out])) == len(set(groups)) // 5
    assert not np.array_equal(held_out, tanh.split(groups, 4)[1])


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'diabetes'"):
        Cell("diabetis", 2)


def test_networks_start_by_their_method_in_all_layers():
    for method in set(COMPARED) - set(LAGRANGIAN):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*yilmaz_poli")
            model = tanh.build(10, 3, method, 4)
        kernels = [layer.get_weights()[0] for layer in model.layers]
        assert [kernel.shape for kernel in kernels] == [
            (10, 32),
            *[(32, 32)] * 2,
            (32, 1),
        ]
        mean = kernels[1].mean()
        assert abs(mean + (8 / 32 if method == "yilmaz_poli" else 0)) < 0.03
        assert all(
            layer.activation is keras.activations.tanh for layer in model.layers[:-1]
        )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("tanh") / "ledger.sqlite")
    CELL.train(CELL.describe(), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return ledger


def test_a_member_is_a_network_that_plain_fit_trains_at_the_best_rate(trained):
    method = "lagrangian_lr after yilmaz_poli"
    lowest = {
        run["rate"]: min(row["val_loss"] for row in trained.curve(run))
        for run in CELL.describe()
        if run["method"] == method and run["rate"] is not None
    }
    rate = min(lowest, key=lowest.__getitem__)
    x, y, groups = tanh.diabetes()
    x, y = tanh.standard(x), tanh.standard(y)
    assert x.std(axis=0) == pytest.approx(1, abs=1e-5)
    training, held_out = tanh.split(groups, 1)
    model = tanh.build(10, 2, "yilmaz_poli", 1)
    calibration.lagrangian_lr(model, x[training], y[training])
    model.compile(keras.optimizers.Adam(rate), "mean_squared_error")
    for epoch in range(2):
        shuffled = np.random.default_rng((1, epoch)).permutation(training)
        model.fit(x[shuffled], y[shuffled], 32, shuffle=False, verbose=0)
    (run,) = [
        r
        for r in CELL.describe()
        if (r["method"], r["rate"], r["seed"]) == (method, None, 1)
    ]
    last = trained.curve(run)[-1]
    assert last["learning_rate"] == pytest.approx(rate)
    expected = model.evaluate(x[held_out], y[held_out], verbose=0)
    assert last["val_loss"] == pytest.approx(expected, rel=1e-4)


def test_all_and_parts_are_reported(trained, tmp_path):
    results = frame.read([CELL], LedgerSource(trained))
    claims, table, picture, _ = tanh_report.report(results, tmp_path)
    assert len(claims.rows) == 4 and picture.exists()
    assert [row[0] for row in table.rows] == [f"{CELL.name}: {m}" for m in COMPARED]
    (network,) = tanh_report.networks(results)
    assert len(network.scores) == len(COMPARED) - len(LAGRANGIAN)

    def of(chosen):
        part = results.frame[chosen]
        return tanh_report.report(Results([CELL], part, len(part)), tmp_path)

    rows = results.frame
    table, _, _ = of(rows["method"] == "he")
    assert [row[-1] for row in table.rows] == [""]
    table, _, _ = of(rows["rate"].notna())
    assert not table.rows
    # Nothing says what a seed without Glorot's is to reach.
    one = of(rows["seed"] == 1)[0].rows
    more = of((rows["seed"] == 1) | (rows["method"] != "glorot"))[0].rows
    assert [row[-1] for row in more] == [row[-1] for row in one]


def judged(cell, loss, folder):
    rows = [
        run
        | {"epoch": epoch, "val_loss": loss(run, epoch), "versions": "none"}
        | {"learning_rate": 0.03 if run["method"] == "he" else 0.001}
        for run in cell.describe()
        for epoch in range(cell.epochs)
    ]
    keys = ("method", "seed", "rate")
    index = pd.Index([frame.key({k: r[k] for k in keys}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    claims, errors, picture, text = tanh_report.report(
        Results([cell], table, 1), folder
    )
    assert picture.exists() and "made for sigmoid only" in text and "'hidden_1'" in text
    return [row[-1] for row in claims.rows], errors


def test_claims_follow_the_errors(tmp_path):
    cell = Cell("diabetes", 2, 20, 1, 4)

    def falling(rate, lagrangian=1.0):
        def loss(run, epoch):
            pace = {"yilmaz_poli": rate} | dict.fromkeys(LAGRANGIAN, lagrangian)
            lost = 0.1 * pace.get(run["method"], 1.0) * (epoch + 1)
            return max(0.5, 2 - lost) + 0.001 * run["seed"]

        return loss

    def held(*paces):
        return judged(cell, falling(*paces), tmp_path)[0]

    assert held(1.0) == ["yes"] * 4
    assert held(2.0) == ["no", "yes", "yes", "yes"]
    assert held(0.5, 0.5) == ["yes", "no", "yes", "yes"]
    assert held(1.0, 0.5) == ["yes", "yes", "no", "no"]
    answers, errors = judged(cell, falling(0.5), tmp_path)
    assert answers == ["yes", "no", "no", "no"]
    by_method = {row[0]: row[1:] for row in errors.rows}
    assert by_method["diabetes, 2 layers: yilmaz_poli"] == [
        "0.001",
        "1.002 ± 0.001",
        "20",
        "20",
    ]
    assert by_method["diabetes, 2 layers: he"] == [
        "0.03, the last tried",
        "0.502 ± 0.001",
        "15",
        "15",
    ]
    assert (
        judged(Cell("diabetes", 2, 20, 1, 1), falling(0.5), tmp_path)[0] == ["open"] * 4
    )
