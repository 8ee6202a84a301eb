"""Tests of the published numbers, and of ours beside them."""

import collections
import dataclasses
import itertools
import statistics

import numpy as np
import pytest
import scipy.stats

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.lee2024 import accuracies as of_lee
from experiments.lee2024 import cells as lee
from experiments.lee2024 import claims
from experiments.lee2024.accuracies import Accuracies, accuracies, compared
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.reporting import comparison

RELU = Cell("mnist")  # A row of Table 2, in which the proposed method has 86.7.


def small(dataset, units, samples, epochs=100, reported=(10, 100)):
    return Cell(dataset, "relu", min(units, 1), (units,), samples, epochs, reported)


def ours(ledger, *cells, seeds=10):
    cells = [dataclasses.replace(cell, seeds=seeds) for cell in cells]
    return accuracies(frame.read(cells, LedgerSource(ledger)))


def rows(ledger, *cells, experiment="lee-table2", seeds=10):
    return compared(ours(ledger, *cells, seeds=seeds), experiment)


@pytest.fixture
def ledger():
    return Ledger(":memory:")


# The published numbers


@pytest.mark.parametrize(
    ("experiment", "cells", "count"),
    [
        ("lee-table1", lee.table1(), 384),
        ("lee-table2", lee.table2(), 80),
        ("lee-tabular", [c for c in lee.tabular() if "/" not in c.dataset], 10),
    ],
)
def test_each_cell_is_published_once(experiment, cells, count):
    numbers = of_lee.published(experiment)
    lines = [tuple(v for k, v in n.items() if k != "val_accuracy") for n in numbers]
    assert len(lines) == len(set(lines)) == count
    found = [
        of_lee.published_value(experiment, cell, epochs, method)
        for cell, epochs in Accuracies(cells, {}).rows
        for method in METHODS
    ]
    found = [value for value in found if value is not None]
    assert sorted(found) == sorted(float(n["val_accuracy"]) for n in numbers)
    assert all(0 < value < 100 for value in found)
    if count > 10:  # The tables are whole.
        methods = collections.Counter(number["method"] for number in numbers)
        assert methods == dict.fromkeys(METHODS, count // 8)


# Read from the paper by eye.
@pytest.mark.parametrize(
    ("cell", "epochs", "method", "value"),
    [
        (small("mnist", 0, None), 10, "proposed", 88.2),
        (small("mnist", 0, None), 100, "gsm", 89.4),
        (small("fashion_mnist", 512, None), 100, "rai", 85.2),
        (small("mnist", 16, None), 10, "identity", 38.7),
        (small("fashion_mnist", 16, 4), 100, "proposed", 56.3),
        (small("mnist", 512, 4), 10, "zero", 22.0),
        (small("mnist", 512, 2), 100, "identity", 45.4),
        (small("fashion_mnist", 0, 2), 10, "xavier", 31.4),
        (small("fashion_mnist", 512, 1), 10, "identity", 0.3),
        (small("fashion_mnist", 16, 1), 100, "gsm", 21.9),
        (small("mnist", 0, 1), 100, "he", 33.8),
    ],
)
def test_values_of_table_1(cell, epochs, method, value):
    assert of_lee.published_value("lee-table1", cell, epochs, method) == value


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("mnist relu proposed", 86.7),
        ("mnist relu zero", 82.9),
        ("mnist relu rai", 11.3),
        ("mnist tanh identity", 27.0),
        ("mnist gelu orthogonal", 65.5),
        ("fashion_mnist selu zero", 34.5),
        ("fashion_mnist gelu rai", 34.0),
        ("fashion_mnist relu gsm", 8.6),
        ("fashion_mnist tanh gsm", 13.6),
    ],
)
def test_values_of_table_2(row, value):
    dataset, activation, method = row.split()
    cell = Cell(dataset, activation)
    assert of_lee.published_value("lee-table2", cell, 10, method) == value


@pytest.mark.parametrize(
    ("experiment", "cell", "epochs"),
    [
        ("lee-table1", small("mnist", 0, None), 20),
        ("lee-table1", small("mnist", 16, 3), 10),
        ("lee-table1", small("digits", 0, None), 10),
        ("lee-table2", Cell("mnist"), 1),
        ("lee-table2", Cell("mnist", depth=20), 10),
        ("lee-table2", Cell("mnist", "elu"), 10),
        ("lee-tabular", Cell("iris", depth=20, epochs=5), 5),
        ("lee-fig3", Cell("mnist"), 10),
    ],
)
def test_what_was_not_published_has_no_number(experiment, cell, epochs):
    assert of_lee.published_value(experiment, cell, epochs, "proposed") is None


# Agreement


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([], 86.7, ""),
        ([86.7], 86.7, ""),
        # t(0.975, 2) = 4.3027, sd = 1: 4.3027 sqrt(1/3 + 1/10) + 0.05 = 2.882
        ([86.0, 88.0, 87.0], 89.88, "inside"),
        ([86.0, 88.0, 87.0], 89.89, "outside"),
        ([86.0, 88.0, 87.0], 84.12, "inside"),
        ([86.0, 88.0, 87.0], 84.11, "outside"),
        ([50.0, 50.0], 50.04, "inside"),
        ([50.0, 50.0], 50.1, "outside"),
        ([11.3, 9.8], 10.3, "chance"),
        ([11.3], 11.3, ""),
        ([11.3, 12.3], 11.3, "inside"),
        # t(0.975, 1) = 12.7062, sd = 0.7071 d: 12.7062 0.7071 d sqrt(1/2 + 1/10) + 0.05
        ([50.0, 51.4], 11.3, "outside"),
        ([50.0, 51.5], 11.3, "outside"),
        ([50.0, 51.5], 45.0, "wide"),
        # Half of the seeds train, and the published ones did not.
        ([11.3] * 3 + [80.0] * 7, 11.3, "outside"),
        ([11.3] * 3 + [80.0] * 7, 70.0, "wide"),
        ([11.3, 30.0], 11.3, "wide"),
        ([11.3, 11.3], 13.6, "outside"),
        ([11.3, 11.2], 8.6, "outside"),
    ],
)
def test_agreement(ours, theirs, expected):
    assert comparison.agreement(ours, theirs) == expected


@pytest.mark.parametrize("n", [2, 5, 10])
def test_the_interval_holds_a_mean_of_ten_in_95_of_100_cases(n, monkeypatch):
    monkeypatch.setattr(comparison, "WIDEST", np.inf)
    draws = np.random.default_rng(n).normal(60, 8, (4000, n + 10))
    inside = sum(
        comparison.agreement(draw[:n].tolist(), draw[n:].mean()) == "inside"
        for draw in draws
    )
    # Three standard errors of the share are 0.010; the rounding adds at most 0.005.
    assert 0.940 < inside / 4000 < 0.965


# Ours beside the published numbers


@pytest.fixture
def relu(ledger, record):
    record(ledger, RELU, "proposed", [86.0, 88.0, 87.0])
    record(ledger, RELU, "orthogonal", [40.0])
    record(ledger, RELU, "he", [11.3, 11.3])
    record(ledger, RELU, "zero", [50.0, 51.0])
    # What was trained otherwise is not of this table.
    record(ledger, RELU, "xavier", [50.0], Protocol(scaling="standard"))
    record(ledger, dataclasses.replace(RELU, epochs=9), "identity", [50.0])
    return ledger


def test_ours_stands_beside_the_published_number(relu):
    (table, by_method), sentence = comparison.beside_published(
        rows(relu, RELU), METHODS
    )
    assert "mnist" in table.title and table.columns == ["", *METHODS]
    assert table.rows == [
        [
            "10 epochs",
            "87.0 ± 1.0\n86.7 (+0.3) ✓",
            "40.0\n11.3 (+28.7)",
            "11.3",
            "11.3 ± 0.0\n11.3 (+0.0) ○",
            "50.5 ± 0.7\n82.9 (-32.4) ✗",
            "11.3",
            "11.3",
            "11.3",
        ]
    ]
    assert table.styles == [
        ["", "inside", "", "", "chance", "outside", "", "", ""],
    ]
    assert sentence.startswith("2 of 3 published numbers lie inside the 95 % interval")
    assert "(1 of them are both at chance). 0 more lie inside one" in sentence
    assert "5 of 8 have not been run" in sentence
    assert [row[:6] for row in by_method.rows] == [
        ["inside", "1", "0", "0", "0", "0"],
        ["both at chance", "0", "0", "0", "1", "0"],
        ["outside", "0", "0", "0", "0", "1"],
        ["share of these that agree", "100%", "", "", "100%", "0%"],
        ["interval too wide", "0", "0", "0", "0", "0"],
    ]


def test_an_interval_that_is_too_wide_is_counted_apart(ledger, record):
    record(ledger, RELU, "proposed", [86.0, 87.0])
    record(ledger, RELU, "gsm", [11.3, 11.2, 70.0])
    of_table = rows(ledger, RELU)
    (table, by_method), sentence = comparison.beside_published(of_table, METHODS)
    assert table.rows[0][-1] == "30.8 ± 33.9\n11.3 (+19.5) ?\n1 of 3 train"
    assert table.styles[0][-1] == "wide"
    assert sentence.startswith("1 of 1 published numbers lie inside")
    assert "1 more lie inside one of more than 10 points" in sentence
    assert by_method.rows[-1][-1] == "1" and by_method.rows[3][-1] == ""


def test_each_data_set_has_a_table_whose_rows_name_its_networks(ledger, record):
    cells = [small("mnist", 16, 4), small("mnist", 0, None), small("iris", 0, None)]
    record(ledger, cells[2], "he", [50.0])
    of_table = rows(ledger, *cells, experiment="lee-table1")
    mnist, iris, _ = comparison.beside_published(of_table, METHODS)[0]
    assert [row[0] for row in mnist.rows] == [
        "16 units, 4 a class, 10 epochs",
        "16 units, 4 a class, 100 epochs",
        "0 units, all a class, 10 epochs",
        "0 units, all a class, 100 epochs",
    ]
    assert [row[1] for row in mnist.rows] == ["51.2", "52.9", "88.2", "88.5"]
    # What was not published has ours alone.
    assert [row[1:5] for row in iris.rows] == [["", "", "", "50.0"]] * 2


def test_both_wines_are_beside_the_numbers_of_the_one_that_is_printed(ledger, record):
    cells = lee.tabular()
    for cell, value in zip(cells, (45.0, 41.0, 33.0), strict=True):
        record(ledger, cell, "he", [value, value + 1])
    of_table = rows(ledger, *cells, experiment="lee-tabular")
    he = [
        comparison.entry(list(r.ours["he"].values()), r.published["he"], r.chance)
        for r in of_table
    ]
    # All answer one class alone, of which these tables have three or seven.
    assert [mark for _, mark in he] == ["chance"] * 3
    assert [text.splitlines()[1] for text, _ in he] == [
        "40.0 (+5.5) ○",
        "40.0 (+1.5) ○",
        "38.0 (-4.5) ○",
    ]
    assert he[2][0].count("train") == 0


def test_of_one_seed_nothing_is_said_to_agree(ledger, record):
    for method in METHODS:
        record(ledger, RELU, method, [11.3])
    _, sentence = comparison.beside_published(rows(ledger, RELU), METHODS)
    assert sentence == "None of 8 numbers has been run with enough seeds."
    assert claims.table2(ours(ledger, RELU)) == []


def test_without_published_numbers_there_is_no_sentence(ledger):
    of_table = rows(ledger, Cell("digits"))
    tables, sentence = comparison.beside_published(of_table, METHODS)
    assert sentence == "" and len(tables) == 1


def test_other_choices_are_shown_for_the_methods_that_they_change(relu, record):
    turned = Protocol(zero_transpose=not Protocol().zero_transpose)
    both = dataclasses.replace(RELU, protocols=(Protocol(), turned))

    one_draw = dataclasses.replace(both, protocols=(*both.protocols, lee.ONE_DRAW))

    def tables_of(cell):
        return of_lee.other_choices(ours(relu, cell), "lee-table2")

    assert tables_of(RELU) == tables_of(both) == []
    record(relu, RELU, "zero", [82.5, 83.5], turned)
    assert tables_of(RELU) == []
    (table,) = tables_of(one_draw)
    assert table.title.startswith(f"With zero_transpose = {turned.zero_transpose}: ")
    assert table.columns == ["", "zero"]
    assert table.rows == [["mnist, 10 epochs", "83.0 ± 0.7\n82.9 (+0.1) ✓"]]
    assert table.styles == [["", "inside"]]
    record(relu, RELU, "rai", [11.3, 11.3], lee.ONE_DRAW)
    record(relu, RELU, "orthogonal", [11.3, 11.3], lee.ONE_DRAW)
    table = tables_of(one_draw)[1]
    assert table.title.startswith("With draws = one: ")
    assert table.columns == ["", "orthogonal", "rai"]


# Who wins


def outcome(record, cell, best, others):
    """Returns the row of a cell in which one method differs from the others."""
    ledger = Ledger(":memory:")
    for method in METHODS:
        record(ledger, cell, method, best if method == "proposed" else others)
    return comparison.winners(rows(ledger, cell)).rows[0]


@pytest.mark.parametrize("n", [1, 2, 5, 10])
@pytest.mark.parametrize(("shift", "held"), [(6, "holds"), (-6, "does not hold")])
def test_the_order_is_tested_by_the_exact_sign_flip_test(record, n, shift, held):
    random = np.random.default_rng(n)
    best = random.normal(50 + shift, 1, n).tolist()
    others = random.normal(50, 1, n).tolist()
    gaps = np.subtract(best, others)
    flips = [abs(np.dot(s, gaps)) for s in itertools.product([1, -1], repeat=n)]
    p = np.mean([flip >= abs(gaps.sum()) - 1e-9 for flip in flips])
    if n > 1:  # SciPy refuses one pair.
        assert p == pytest.approx(
            scipy.stats.permutation_test(
                (gaps,), np.mean, permutation_type="samples"
            ).pvalue
        )
    assert outcome(record, RELU, best, others) == [
        "mnist, 10 epochs",
        "proposed 86.7",
        f"proposed {statistics.fmean(best):.1f}",
        f"orthogonal {statistics.fmean(others):.1f}",
        f"{p:.3f}",
        held if n == 10 else "undecided",
    ]


def test_an_order_may_be_undecided(record):
    gaps = np.array([3.0, -2.5, 1.0, -0.5, 2.0, 0.5, -1.0, 1.5])
    row = outcome(record, RELU, (50 + gaps).tolist(), [50.0] * 8)
    exact = scipy.stats.permutation_test((gaps,), np.mean, permutation_type="samples")
    assert row[4:] == [f"{exact.pvalue:.3f}", "undecided"]


def test_nobody_wins_at_chance(record):
    row = outcome(record, Cell("mnist", "sigmoid"), [11.3] * 10, [9.8] * 10)
    assert row[-1] == "all at chance"


def test_an_order_needs_published_numbers_and_all_methods(relu, record):
    assert comparison.winners(rows(relu, RELU)) is None
    for method in METHODS:
        record(relu, Cell("digits"), method, [50.0, 60.0])
    assert comparison.winners(rows(relu, Cell("digits"))) is None


# Accuracies


def test_accuracies_are_in_percent_and_of_one_protocol(relu):
    of_relu = ours(relu, RELU)
    assert of_relu.scores(RELU, 10, "proposed")[0] == 86.0
    found = {method: len(of_relu.scores(RELU, 10, method)) for method in METHODS}
    assert {method: count for method, count in found.items() if count} == {
        "proposed": 3,
        "orthogonal": 1,
        "he": 2,
        "zero": 2,
    }


def test_two_epochs_are_reported_out_of_one_training(ledger):
    cell = small("fashion_mnist", 16, 4)

    def reported():
        found = ours(ledger, cell)
        return [
            (epochs, f"{value:.2f}")
            for of_cell, epochs in found.rows
            for value in found.scores(of_cell, epochs, "he").values()
        ]

    run = ledger.begin(cell.description("he", 0, Protocol()))
    for epoch in range(60):
        accuracy = {"val_accuracy": [0.2]} if epoch + 1 in cell.reported else {}
        ledger.record([run], epoch, {"accuracy": [0.5]} | accuracy)
    # It is shown as far as it has come.
    assert reported() == [(10, "20.00")]
    for epoch in range(60, 100):
        ledger.record([run], epoch, {"val_accuracy": [0.256]})
    assert reported() == [(10, "20.00"), (100, "25.60")]
    assert len(ledger.final()) == 1


def test_seeds_beyond_those_asked_for_are_left_out(ledger, record):
    record(ledger, RELU, "he", [10.0, 11.0, 12.0])
    found = ours(ledger, RELU, seeds=2)
    assert list(found.scores(found.cells[0], 10, "he")) == [0, 1]
