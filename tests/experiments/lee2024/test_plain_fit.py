"""Tests of numbers that plain `fit` makes beside the population."""

import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.lee2024 import plain_fit
from experiments.lee2024.cells import Cell, table1, table2

CELL = Cell("digits", depth=6, epochs=3)


def accuracies(ledger, run):
    return [row["val_accuracy"] for row in ledger.curve(run)]


def test_a_network_alone_is_the_member_of_its_seed(tmp_path):
    number = plain_fit.number(CELL, "he", seeds=2)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    runs = number.describe()
    assert len(runs) == 4
    number.train(ledger.missing(runs, number.rows_per_run), ledger)
    assert ledger.missing(runs, number.rows_per_run) == []
    first, second, *alone = [accuracies(ledger, run) for run in runs]
    assert first != second
    # Three epochs of six layers amplify no rounding to a sample.
    assert alone == [pytest.approx(first), pytest.approx(second)]
    losses = [[row["loss"] for row in ledger.curve(run)] for run in runs]
    assert losses[2:] == [pytest.approx(of, rel=1e-3) for of in losses[:2]]


def test_what_is_there_is_not_trained_again(tmp_path):
    number = plain_fit.number(Cell("digits", depth=1, epochs=1), "xavier", seeds=2)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    member, _, alone, _ = number.describe()
    number.train([member], ledger)
    assert len(ledger.curves()) == 1
    number.train([alone], ledger)
    assert len(ledger.curves()) == 2


def reported(tmp_path, members, alone):
    ledger = Ledger(":memory:")
    number = plain_fit.number(CELL, "rai", seeds=len(members))
    for run, value in zip(number.describe(), [*members, *alone], strict=True):
        for epoch in range(CELL.epochs):
            ledger.record([ledger.begin(run)], epoch, {"val_accuracy": [value]})
    results = frame.read([number], LedgerSource(ledger, ["val_accuracy"]))
    sentence, table, _ = plain_fit.report(results, tmp_path)
    return sentence, table.rows[0]


def test_the_spread_of_seeds_decides_what_agrees(tmp_path):
    sentence, row = reported(tmp_path, [0.5, 0.7, 0.6], [0.55, 0.65, 0.66])
    assert sentence.startswith("1 of 1 numbers agree") and "3 pairs" in sentence
    assert row[3:6] == ["60.0 ± 10.0", "62.0 ± 6.1", "6.00"] and row[-1] == "agrees"
    sentence, row = reported(tmp_path, [0.5, 0.51, 0.49], [0.55, 0.56, 0.54])
    assert sentence.startswith("0 of 1 numbers agree") and row[-1] == "differs"


def test_numbers_are_drawn_once_from_what_is_published():
    chosen = plain_fit.numbers(table2(), 6, seeds=5, above=12.5)
    assert chosen == plain_fit.numbers(table2(), 6, seeds=5, above=12.5)
    assert len({number.name for number in chosen}) == 6
    assert all("sigmoid" not in number.name for number in chosen)
    every = plain_fit.numbers(table1(), 24 * 8, seeds=5)
    assert {number.cell.methods[0] for number in every} == set(Cell("mnist").methods)
