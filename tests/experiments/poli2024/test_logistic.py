"""Tests of deep logistic networks, each method at its own best rate."""

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame, networks
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import logistic, logistic_report
from experiments.poli2024.logistic import METHODS, RATES, Cell

CELL = Cell("digits", 3, "adam", 8, 200, 2, choosing=1, seeds=2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("logistic") / "ledger.sqlite")
    CELL.train(CELL.describe(), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return ledger


def test_what_is_judged_has_the_rate_that_other_seeds_chose(trained):
    best = CELL.best_rates(trained)
    for method in METHODS:
        scores = {
            rate: trained.curve(CELL._description(method, 0, rate))[-1]["val_accuracy"]
            for rate in RATES["adam"]
        }
        assert scores[best[method]] == max(scores.values())
        for seed in (1, 2):
            row = trained.curve(CELL._description(method, seed, None))[-1]
            assert row["learning_rate"] == pytest.approx(best[method])


def test_a_member_is_a_network_that_plain_fit_trains_at_that_rate(trained):
    data = datasets.load("digits")
    x = datasets.scale(data, "unit")
    training, held_out = datasets.hold_out(data.y, 0)
    training = training[:200]
    model = networks.feedforward(64, 10, (8,) * 3, "glorot_uniform", "sigmoid")
    logistic.start(model, "random_ep", x[training[:500]], 0)
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    for epoch in range(2):
        order = np.random.default_rng((0, epoch)).permutation(training)
        model.fit(x[order], data.y[order], 100, shuffle=False, verbose=0)
    loss, _ = model.evaluate(x[held_out], data.y[held_out], verbose=0)
    row = trained.curve(CELL._description("random_ep", 0, 0.01))[-1]
    assert row["val_loss"] == pytest.approx(loss, rel=1e-4)


def test_a_start_leaves_the_softmax_to_glorot():
    x = datasets.scale(datasets.load("digits"), "unit")[:300]
    lasts = []
    for method in METHODS:
        model = networks.feedforward(64, 10, (8,) * 3, "zeros", "sigmoid")
        logistic.start(model, method, x, 5)
        *hidden, last = (layer.get_weights()[0] for layer in model.layers)
        lasts.append(last)
        if method == "yilmaz_poli":
            assert hidden[1].mean() == pytest.approx(-1, abs=0.05)
            assert hidden[0].mean() == pytest.approx(-8 / 64, abs=0.05)
        if method == "lsuv":
            variance = (x @ hidden[0]).var()
            assert variance == pytest.approx(1, abs=0.06)
    for last in lasts[1:]:
        np.testing.assert_array_equal(last, lasts[0])
    assert lasts[0].std() == pytest.approx((2 / 18) ** 0.5, rel=0.3)


def test_one_that_was_killed_in_between_goes_on(trained, tmp_path):
    """What chose is there, in part what is judged; the table has both or neither."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for run in CELL._choosing():
        number = ledger.begin(run)
        for row in trained.curve(run):
            ledger.record(
                [number], row["epoch"], {"val_accuracy": [row["val_accuracy"]]}
            )
    missing = ledger.missing(CELL.describe(), CELL.rows_per_run)
    assert missing == CELL._judged()
    CELL.train(missing[3:], ledger)
    run = missing[5]
    assert ledger.curve(run)[-1]["val_loss"] == pytest.approx(
        trained.curve(run)[-1]["val_loss"], rel=1e-4
    )
    assert ledger.missing(CELL.describe(), CELL.rows_per_run) == missing[:3]


def reported(cells, accuracy, folder):
    rows = []
    for cell in cells:
        for run in cell._judged():
            value = accuracy(run) + 0.001 * run["seed"]
            for epoch in range(cell.epochs):
                row = {"epoch": epoch, "val_accuracy": value, "learning_rate": 0.1}
                rows.append(frame.flatten(run) | row | {"versions": "none"})
    names = ("dataset", "depth", "optimizer", "method", "seed")
    index = pd.Index([frame.key({k: r[k] for k in names}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    return logistic_report.report(Results(cells, table, len(rows)), folder)


def test_claims_follow_the_accuracies(tmp_path):
    cells = [
        Cell(dataset, depth, optimizer, epochs=1)
        for dataset in ("mnist", "digits")
        for depth in (10, 15)
        for optimizer in ("sgd", "adam")
    ]

    def as_said(run):
        return {"yilmaz_poli": 0.9, "random_ep": 0.5}.get(run["method"], 0.1)

    claims, table, picture, text = reported(cells, as_said, tmp_path)
    assert [row[-1] for row in claims.rows] == ["yes"] * 4
    assert [row[0] for row in table.rows] == [cell.name for cell in cells]
    assert table.rows[0][1] == "90.3 ± 0.1\nat 0.1, the last tried" and picture.exists()
    assert "in 2 seeds, of sgd" in text

    def not_so(run):
        if run["method"] == "yilmaz_poli":
            return 0.9 if run["optimizer"] == "adam" else 0.1
        return 0.95 if run["method"] == "lsuv" else 0.1

    claims, *_ = reported(cells, not_so, tmp_path)
    # Four of eight are ahead, and four are as others: that decides nothing.
    assert [row[-1] for row in claims.rows] == ["no", "no", "open", "no"]


def test_a_part_is_reported_without_verdicts(trained, tmp_path):
    results = frame.read([CELL], LedgerSource(trained))
    part = results.frame[results.frame["method"] != "he"]
    parts = logistic_report.report(Results([CELL], part, len(part)), tmp_path)
    table, *_ = parts
    assert len(parts) == 3 and table.rows[0][3] == "" and table.rows[0][1]
