"""Tests of a negative mean in tanh networks."""

import warnings

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import frame
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import tanh
from experiments.poli2024.tanh import COMPARED, Cell


def test_machines_wear_out():
    x, y = tanh.remaining_life()
    assert x.shape == (len(y), 14) and len(x) > 80 * 30
    assert y.min() > 0 and y.max() == 125
    # A new machine shows its offset and noise; at the end all shows its wear.
    starts = np.flatnonzero(np.diff(y[:, 0], prepend=0) > 0)
    assert len(starts) == 80
    assert x[starts].std(axis=0).max() < 0.25
    worn = y[:, 0] <= 10
    assert np.abs(x[worn].mean(axis=0)).mean() > 0.4
    # The life can be read from the sensors, but for what is above 125.
    seen = y[:, 0] < 125
    wear = np.column_stack([x[seen], x[seen] ** 2, np.ones(seen.sum())])
    fitted = wear @ np.linalg.lstsq(wear, y[seen], rcond=None)[0]
    assert np.corrcoef(fitted[:, 0], y[seen, 0])[0, 1] > 0.7
    np.testing.assert_array_equal(x, tanh.remaining_life()[0])


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'diabetes'"):
        Cell("diabetis", 2)


def test_networks_start_by_their_method_in_all_layers():
    for method in COMPARED:
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


def test_a_member_is_a_network_that_plain_fit_trains():
    cell, ledger = Cell("diabetes", 2, 2, 2), Ledger(":memory:")
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    x, y = (tanh.standard(values) for values in tanh.diabetes())
    assert x.std(axis=0) == pytest.approx(1, abs=1e-5)
    order = np.random.default_rng(1).permutation(442)
    held_out, training = order[:88], order[88:]
    model = tanh.build(10, 2, "yilmaz_poli", 1)
    model.compile(keras.optimizers.Adam(0.001), "mean_squared_error")
    for epoch in range(2):
        shuffled = np.random.default_rng((1, epoch)).permutation(training)
        model.fit(x[shuffled], y[shuffled], 32, shuffle=False, verbose=0)
    (run,) = [
        r for r in cell.describe() if (r["method"], r["seed"]) == ("yilmaz_poli", 1)
    ]
    expected = model.evaluate(x[held_out], y[held_out], verbose=0)
    assert ledger.curve(run)[-1]["val_loss"] == pytest.approx(expected, rel=1e-4)


def judged(cell, loss, folder):
    rows = [
        run | {"epoch": epoch, "val_loss": loss(run, epoch), "versions": "none"}
        for run in cell.describe()
        for epoch in range(cell.epochs)
    ]
    index = pd.Index([frame.key({k: r[k] for k in ("method", "seed")}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    claims, errors, picture, text = tanh.report(Results([cell], table, 1), folder)
    assert picture.exists() and "made for sigmoid only" in text and "'hidden_1'" in text
    return [row[-1] for row in claims.rows], errors


def test_claims_follow_the_errors(tmp_path):
    cell = Cell("diabetes", 2, 20, 4)

    def falling(rate):
        def loss(run, epoch):
            pace = rate if run["method"] == "yilmaz_poli" else 1.0
            return max(0.5, 2 - 0.1 * pace * (epoch + 1)) + 0.001 * run["seed"]

        return loss

    assert judged(cell, falling(1.0), tmp_path)[0] == ["yes", "yes"]
    assert judged(cell, falling(2.0), tmp_path)[0] == ["no", "yes"]
    held, errors = judged(cell, falling(0.5), tmp_path)
    assert held == ["yes", "no"]
    by_method = {row[0]: row[1:] for row in errors.rows}
    assert by_method["diabetes, 2 layers: yilmaz_poli"] == ["1.002 ± 0.001", "20"]
    assert by_method["diabetes, 2 layers: glorot"] == ["0.502 ± 0.001", "15"]
