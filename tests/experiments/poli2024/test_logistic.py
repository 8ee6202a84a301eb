"""Tests of deep logistic networks, each method at its own best rate."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame, networks
from experiments.engine.frame import CSVSource, LedgerSource, Results
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
        model.fit(x[order], data.y[order], 50, shuffle=False, verbose=0)
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
    """What chose is there, and in part what is judged."""
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for run in CELL._choosing():
        number = ledger.begin(run)
        for row in trained.curve(run):
            known = [name for name in ("loss", "val_accuracy") if name in row]
            ledger.record([number], row["epoch"], {name: [row[name]] for name in known})
    missing = ledger.missing(CELL.describe(), CELL.rows_per_run)
    assert missing == CELL._judged()
    CELL.train(missing[3:], ledger)
    run = missing[5]
    assert ledger.curve(run)[-1]["val_loss"] == pytest.approx(
        trained.curve(run)[-1]["val_loss"], rel=1e-4
    )
    assert ledger.missing(CELL.describe(), CELL.rows_per_run) == missing[:3]


def test_rates_that_a_csv_chose_are_not_chosen_again(trained, tmp_path):
    folder = tmp_path / "poli-logistic"
    folder.mkdir()
    choosing = LedgerSource(trained, ("val_accuracy",))
    results = frame.read([CELL], choosing)
    chosen = results.frame[results.frame["rate"].notna()]
    csv = frame.write_csv(
        Results([CELL], chosen, len(chosen)), folder / "poli-logistic.csv"
    )
    ledger = Ledger(tmp_path / "ledger.sqlite")
    # As `run` finds what is missing.
    missing = ledger.missing(CELL.describe(), CELL.rows_per_run)
    missing = CSVSource(csv).missing(missing, CELL.rows_per_run)
    assert missing == CELL._judged()
    CELL.train(missing[:1], ledger)
    assert ledger.descriptions() == missing[:1]
    row = ledger.curve(missing[0])[-1]
    best = CELL.best_rates(trained)
    assert row["learning_rate"] == pytest.approx(best[row["method"]])


def test_what_chooses_is_evaluated_once_and_what_is_judged_ten_times(tmp_path):
    cell = dataclasses.replace(CELL, samples=50, epochs=21, seeds=1)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    known = LedgerSource(ledger, ("val_accuracy", "learning_rate"))
    for run in cell.describe():
        evaluated = [row["epoch"] for row in known.rows(run)]
        assert evaluated == ([*range(2, 21, 3)] if run["rate"] is None else [20])


def results_of(cells, accuracy):
    rows = []
    for cell in cells:
        for run in cell._judged():
            value = accuracy(run) + 0.001 * run["seed"]
            for epoch in range(cell.epochs):
                row = {"epoch": epoch, "val_accuracy": value, "learning_rate": 0.1}
                rows.append(frame.flatten(run) | row | {"versions": "none"})
    names = ("dataset", "depth", "optimizer", "method", "seed")
    index = pd.Index([frame.key({k: r[k] for k in names}) for r in rows])
    return Results(cells, pd.DataFrame(rows, index=index.rename("run")), len(rows))


def cells_of(*datasets_, depths=(10, 15)):
    return [
        Cell(dataset, depth, optimizer, epochs=1)
        for dataset in datasets_
        for depth in depths
        for optimizer in ("sgd", "adam")
    ]


def test_claims_follow_the_accuracies(tmp_path):
    cells = cells_of("mnist", "digits")

    def as_said(run):
        return 0.9 if run["method"] == "yilmaz_poli" else 0.1

    parts = logistic_report.report(results_of(cells, as_said), tmp_path)
    claims, table, picture, text = parts
    assert [row[-1] for row in claims.rows] == ["yes"] * 12
    assert claims.rows[0][1] == "mnist 5 of 5 (yes); digits 5 of 5 (yes)"
    assert claims.rows[1][1] == "mnist 0 of 5 each (yes); digits 0 of 5 each (yes)"
    assert [row[0] for row in table.rows] == [cell.name for cell in cells]
    assert table.rows[0][1] == "90.3 ± 0.2\n5 of 5 at 0.1, the last tried"
    assert table.rows[1][1] == "90.3 ± 0.2\n5 of 5 at 0.1"
    assert picture.exists()
    assert "1 seed(s), of sgd 0.1, 0.3, 1, 3; adam" in text


def test_claims_fail_on_one_data_set_and_are_open_where_seeds_differ(tmp_path):
    cells = cells_of("mnist", "digits", depths=(10,))

    def not_so(run):
        if run["method"] == "yilmaz_poli":
            return 0.9 if run["dataset"] == "mnist" else 0.1
        if run["method"] == "lsuv":
            return 0.95
        # One seed of five trains: that decides nothing.
        return 0.9 if (run["method"], run["seed"]) == ("he", 3) else 0.1

    claims, *_ = logistic_report.report(results_of(cells, not_so), tmp_path)
    assert [row[-1] for row in claims.rows] == ["no", "open", "no"] * 2
    assert claims.rows[0][1] == "mnist 5 of 5 (yes); digits 0 of 5 (no)"
    assert claims.rows[1][1].startswith(
        "mnist glorot 0 of 5, he 1 of 5, lecun 0 of 5, ortho 0 of 5 (open)"
    )


def test_that_a_method_is_not_stalled_is_corrected_for_their_number(tmp_path):
    cells = cells_of("digits", depths=(10,))

    def one_above(run):
        """Returns accuracies above a half by a p of 0.045."""
        above = {1: 0.48, 2: 0.6, 3: 0.62, 4: 0.56, 5: 0.64}[run["seed"]]
        return above if run["method"] == "he" else 0.1

    claims, *_ = logistic_report.report(results_of(cells, one_above), tmp_path)
    assert claims.rows[1][-1] == "open"


def test_a_part_is_reported_without_verdicts(trained, tmp_path):
    whole = frame.read([CELL], LedgerSource(trained)).frame
    judged = whole["rate"].isna()
    for part, of_glorot in [
        (whole[whole["method"] != "he"], True),
        (whole[~judged | (whole["seed"] == 1)], True),
        (whole[whole["method"] == "he"], False),
    ]:
        results = Results([CELL], part, len(part))
        table, *others = logistic_report.report(results, tmp_path)
        assert len(others) == 2 and bool(table.rows[0][2]) == of_glorot
        assert len(logistic_report.networks(results)) == 1
    for part in (whole[~judged], whole[~judged].drop(columns="val_accuracy")):
        results = Results([CELL], part, len(part))
        table, _ = logistic_report.report(results, tmp_path)
        (network,) = logistic_report.networks(results)
        assert not table.rows and not network.ranked


def test_the_guide_has_the_judged_seeds(trained):
    (network,) = logistic_report.networks(frame.read([CELL], LedgerSource(trained)))
    assert set(network.scores) == set(METHODS.values())
    assert all(set(of) == {1, 2} for of in network.scores.values())
