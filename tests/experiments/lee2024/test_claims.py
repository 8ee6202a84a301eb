"""Tests of what the paper says in words, against accuracies written by hand."""

import dataclasses

import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.lee2024 import cells as lee
from experiments.lee2024 import claims
from experiments.lee2024.accuracies import accuracies
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.registry import ALL

SEEDS = 6  # The fewest with which a paired test can be significant: p = 2 / 64.


@pytest.fixture
def judged(record):
    """Returns what is held, by the start of a claim, and what was measured."""

    def judge(of, cells, accuracy, spread=0.0):
        """`accuracy(cell, method)` is the mean of the seeds, or `None`.

        By `spread` the seeds of a method go up and down, in an order of its own.
        """
        ledger = Ledger(":memory:")
        cells = [dataclasses.replace(cell, seeds=SEEDS) for cell in cells]
        for cell in cells:
            for method in METHODS:
                value = accuracy(cell, method)
                if value is not None:
                    place = METHODS.index(method)
                    signs = [1 if (seed + place) % 2 else -1 for seed in range(SEEDS)]
                    seeds = [
                        value + 0.1 * seed + spread * sign
                        for seed, sign in enumerate(signs)
                    ]
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

    def hardly(cell, method):
        return 70.05 if method == "proposed" else 70.0

    # Higher in all rows, and by chance for all that six seeds tell.
    assert only(judged(claims.table2, RECTIFIED, hardly, 3.0), "outperforms")[1] is None

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
    assert measured == (
        "seeds that train: proposed, relu on mnist 6 of 6; proposed, relu on "
        "fashion_mnist 6 of 6"
    )
    assert held is True


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


def test_a_decline_needs_seeds_with_both(record):
    (cell,) = [
        dataclasses.replace(cell, seeds=SEEDS)
        for cell in lee.table1(["fashion_mnist"])
        if (cell.hidden, cell.samples_per_class) == ("0", 1)
    ]
    ledger = Ledger(":memory:")
    for run in cell.describe():
        if run["method"] == "proposed":
            epoch = 99 if run["seed"] < 2 else 9
            ledger.record([ledger.begin(run)], epoch, {"val_accuracy": [0.4]})
    found = accuracies(frame.read([cell], LedgerSource(ledger)))
    assert not [said for said, *_ in claims.table1(found) if "declines" in said]
    early = dataclasses.replace(cell, epochs=10, reported=(10,))
    found = accuracies(frame.read([early], LedgerSource(ledger)))
    assert not [said for said, *_ in claims.table1(found) if "declines" in said]


def test_zero_is_judged_in_both_orientations(record):
    (cell,) = [
        dataclasses.replace(cell, seeds=SEEDS, reported=(10,), epochs=10)
        for cell in lee.table1(["mnist"])
        if (cell.hidden, cell.samples_per_class) == ("0", 4)
    ]
    ledger = Ledger(":memory:")
    for method in METHODS:
        high = method in ("proposed", "identity")
        record(ledger, cell, method, [50.0 + 20 * high + s for s in range(SEEDS)])
    turned = dataclasses.replace(Protocol(), zero_transpose=False)
    record(ledger, cell, "zero", [70.0 + s for s in range(SEEDS)], turned)
    found = claims.table1(accuracies(frame.read([cell], LedgerSource(ledger))))
    held = {said: verdict for said, _, verdict in found if "ZerO and identity" in said}
    assert list(held.values()) == [None, True]
    assert '"an identity matrix when' in list(held)[1]


def test_wide_networks_are_set_against_narrow_ones(judged):
    def accuracy(gap):
        return lambda cell, method: 50.0 + gap * (cell.hidden == "512")

    cells = [cell for cell in lee.table1() if cell.hidden != "0"]
    for gap, held in ((5.0, True), (-5.0, False), (0.0, None)):
        assert only(judged(claims.table1, cells, accuracy(gap)), "narrow")[1] is held


def test_depth_is_judged_by_width_and_data_set(judged):
    def as_published(cell, method):
        if method == "proposed":
            return 90.0
        if cell.widths == (4,):
            fails = cell.dataset == "fashion_mnist" and method == "zero"
            return 11.0 if cell.depth == 100 or fails else 50.0
        if method == "zero":
            return 80.0
        hard = cell.depth >= (100 if cell.dataset == "mnist" else 50)
        return 11.0 if hard else 60.0

    found = judged(claims.figure3, lee.figure3(), as_published)
    # Accuracies that do not vary over epochs leave nothing to compare.
    assert {said for said, (_, held) in found.items() if not held} == {
        said for said in found if "up and down" in said
    }
    assert len(found) == 12

    def all_train(cell, method):
        return 90.0

    found = judged(claims.figure3, lee.figure3(), all_train)
    for words in ("hardly with 100", "hardly on Fashion", "most methods", "unstable"):
        assert only(found, words)[1] is False
    assert only(found, "of 10 units it has a higher")[1] is None


def test_what_goes_up_and_down_over_epochs_varies():
    (cell,) = [
        dataclasses.replace(cell, seeds=SEEDS)
        for cell in lee.figure3()
        if cell.hidden == "10-6x40"
    ]

    def held(falls):
        ledger = Ledger(":memory:")
        for run in cell.describe():
            if run["method"] not in ("proposed", "rai", "gsm"):
                continue
            down = falls(run["method"])
            number = ledger.begin(run)
            for epoch in range(cell.epochs):
                value = 50 + 5 * epoch - down * (epoch % 2) + 0.1 * run["seed"]
                ledger.record([number], epoch, {"val_accuracy": [value / 100]})
        found = accuracies(frame.read([cell], LedgerSource(ledger)))
        ((_, text, held),) = [c for c in claims.figure3(found) if "up and down" in c[0]]
        return text, held

    # One that rises steadily does not vary, however far it rises.
    text, verdict = held(lambda method: 0 if method == "proposed" else 20)
    assert verdict is True and "proposed 0.00, rai 8.33, gsm 8.33" in text
    assert held(lambda method: 20 if method == "proposed" else 0)[1] is False
    assert held(lambda method: 20 if method == "rai" else 0)[1] is None


def test_narrow_layers_are_judged_by_the_lowest(judged):
    cells = lee.two_layers("fashion_mnist", (2, 4), 1)

    def as_published(cell, method):
        if method == "proposed":
            return 24.8 + (cell.widths != (2, 4))
        return 10.0 if cell.widths == (2, 2) else 24.0

    found = judged(claims.figure5, cells, as_published)
    assert [held for _, held in found.values()] == [True, True, True, True]
    assert only(found, "has 25 %")[0] == "25.1 ± 0.2"
    assert only(found, "at chance")[0].startswith("orthogonal 10.2, xavier 10.2")

    found = judged(claims.figure5, cells, lambda cell, method: 24.0)
    assert only(found, "at chance")[1] is False


def test_tables_are_judged_with_the_methods_that_the_paper_names(judged):
    def as_published(cell, method):
        return {"proposed": 58.0, "zero": 50.0, "gsm": 70.0}.get(method, 40.0)

    found = judged(claims.tabular, lee.tabular(), as_published)
    assert [held for _, held in found.values()] == [True] * 4


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
