"""Tests of what the paper says in words, against accuracies written by hand."""

import dataclasses

import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.lee2024 import cells as lee
from experiments.lee2024 import claims
from experiments.lee2024.accuracies import accuracies
from experiments.lee2024.protocol import METHODS
from experiments.registry import ALL

SEEDS = 6  # The fewest with which a paired test can be significant: p = 2 / 64.


@pytest.fixture
def judged(record):
    """Returns what is held, by the start of a claim, and what was measured."""

    def judge(of, cells, accuracy):
        """`accuracy(cell, method)` is the mean of the seeds, or `None`."""
        ledger = Ledger(":memory:")
        cells = [dataclasses.replace(cell, seeds=SEEDS) for cell in cells]
        for cell in cells:
            for method in METHODS:
                value = accuracy(cell, method)
                if value is not None:
                    seeds = [value + 0.1 * seed for seed in range(SEEDS)]
                    record(ledger, cell, method, seeds)
        found = of(accuracies(frame.read(cells, LedgerSource(ledger))))
        return {said: (measured, held) for said, measured, held in found}

    return judge


def only(judged, words):
    ((measured, held),) = [found for said, found in judged.items() if words in said]
    return measured, held


RELU = [cell for cell in lee.table2() if cell.activation == "relu"]
RECTIFIED = [
    cell for cell in lee.table2() if cell.activation not in ("tanh", "sigmoid")
]


def test_an_order_holds_in_every_row_or_not(judged):
    def ahead(cell, method):
        return 80.0 if method == "proposed" else 70.0

    measured, held = only(judged(claims.table2, RECTIFIED, ahead), "outperforms")
    assert held is True
    assert measured == (
        "higher in 6 of 6 rows, significantly in 6; significantly lower in 0; "
        "by +10.0 to +10.0 points"
    )

    def behind_once(cell, method):
        ahead_of = (cell.dataset, cell.activation, method) == ("mnist", "selu", "zero")
        return 90.0 if ahead_of else ahead(cell, method)

    measured, held = only(judged(claims.table2, RECTIFIED, behind_once), "outperforms")
    assert held is False and "significantly lower in 1; by -10.0" in measured

    def equal(cell, method):
        return 80.0

    assert only(judged(claims.table2, RECTIFIED, equal), "outperforms")[1] is None


def test_what_has_not_been_run_leaves_a_claim_open(judged):
    def mnist_alone(cell, method):
        value = 80.0 if method == "proposed" else 70.0
        return value if cell.dataset == "mnist" else None

    measured, held = only(judged(claims.table2, RECTIFIED, mnist_alone), "outperforms")
    assert held is None and measured.endswith("(3 of 6 rows have been run)")
    assert judged(claims.table2, RECTIFIED, lambda cell, method: None) == {}


def test_who_trains_is_counted_by_seeds(judged):
    def as_published(cell, method):
        return {"proposed": 86.0, "zero": 82.0}.get(method, 11.0)

    measured, held = only(judged(claims.table2, RELU, as_published), "only those")
    assert held is True
    assert measured.startswith("seeds that train: proposed 12 of 12; zero 12 of 12")
    assert measured.endswith("gsm 0 of 12")
    for method, value in (("gsm", 37.0), ("zero", 11.0)):
        changed = judged(
            claims.table2,
            RELU,
            lambda cell, of, m=method, v=value: (
                v if of == m else as_published(cell, of)
            ),
        )
        assert only(changed, "only those")[1] is False
    measured, held = only(judged(claims.table2, RELU, as_published), "activation")
    assert measured == "seeds that train: proposed, relu 12 of 12" and held is True


def test_similar_is_within_ten_points(judged):
    wide = [cell for cell in lee.table1() if cell.hidden == "512"]

    def lead(points):
        return lambda cell, method: 50.0 + points * (method == "proposed")

    assert only(judged(claims.table1, wide, lead(9)), "similar")[1] is True
    assert only(judged(claims.table1, wide, lead(-11)), "similar")[1] is False


def test_a_decline_is_tested_from_one_epoch_to_another(record):
    (cell,) = [
        dataclasses.replace(cell, seeds=SEEDS)
        for cell in lee.table1(["fashion_mnist"])
        if (cell.hidden, cell.samples_per_class) == ("0", 1)
    ]

    def held(change):
        ledger = Ledger(":memory:")
        record(ledger, cell, "proposed", [43.0 + seed for seed in range(SEEDS)])
        runs = cell.describe()
        for seed in range(SEEDS):
            (run,) = [
                run
                for run in runs
                if (run["method"], run["seed"]) == ("proposed", seed)
            ]
            value = (43.0 + seed + change) / 100
            ledger.record([ledger.begin(run)], 99, {"val_accuracy": [value]})
        found = accuracies(frame.read([cell], LedgerSource(ledger)))
        ((_, _, held),) = [c for c in claims.table1(found) if "declines" in c[0]]
        return held

    assert [held(change) for change in (-4.0, 4.0, 0.0)] == [True, False, None]


def test_depth_is_judged_by_width_and_data_set(judged):
    def as_published(cell, method):
        if method == "proposed":
            return 90.0
        if cell.widths == (4,):
            return 11.0 if cell.depth == 100 else 50.0
        if method == "zero":
            return 80.0
        hard = cell.depth >= (100 if cell.dataset == "mnist" else 50)
        return 11.0 if hard else 60.0

    found = judged(claims.figure3, lee.figure3(), as_published)
    # Accuracies that do not vary over epochs leave nothing to compare.
    assert {said: held for said, (_, held) in found.items() if not held} == {
        said: False for said in found if "vary more" in said
    }
    assert len(found) == 8

    def all_train(cell, method):
        return 90.0

    found = judged(claims.figure3, lee.figure3(), all_train)
    for words in ("and hardly with 100", "hardly on Fashion", "only the proposed"):
        assert only(found, words)[1] is False


def test_narrow_layers_are_judged_by_the_lowest(judged):
    cells = lee.two_layers("fashion_mnist", (2, 4), 1)

    def as_published(cell, method):
        if method == "proposed":
            return 25.0 + cell.widths[0]
        return 10.0 if cell.widths == (2, 2) else 24.0

    found = judged(claims.figure5, cells, as_published)
    assert [held for _, held in found.values()] == [True, True, True]
    assert only(found, "at chance")[0].startswith("orthogonal 10.2, xavier 10.2")

    found = judged(claims.figure5, cells, lambda cell, method: 24.0)
    assert only(found, "at chance")[1] is False


def test_tables_are_judged_with_the_methods_that_the_paper_names(judged):
    def as_published(cell, method):
        return {"proposed": 58.0, "zero": 50.0, "gsm": 70.0}.get(method, 40.0)

    found = judged(claims.tabular, lee.tabular(), as_published)
    assert [held for _, held in found.values()] == [True, True]


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith("lee-")])
def test_no_claim_is_made_of_nothing(name):
    made = {
        "lee-table1": claims.table1,
        "lee-table2": claims.table2,
        "lee-fig3": claims.figure3,
        "lee-fig4": claims.figure4,
        "lee-fig5": claims.figure5,
        "lee-tabular": claims.tabular,
    }
    if name in made:
        cells = ALL[name].cells["smoke"]
        nothing = accuracies(frame.read(cells, LedgerSource(Ledger(":memory:"))))
        assert made[name](nothing) == []
