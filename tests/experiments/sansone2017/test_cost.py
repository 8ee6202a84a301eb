"""Tests of what the paper's sizes cost, on small ones."""

import os

import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.sansone2017 import copy_memory, cost, mnist, penn_treebank
from experiments.sansone2017.cost import Cell

MNIST = Cell("Table 1", mnist.Cell((12,), 900, seeds=2, dataset="digits"), 2)
WORDS = penn_treebank.Cell("logistic", 6, 60, seeds=2, dataset="markov")


def test_steps_are_measured_and_broken_off(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    MNIST.train(MNIST.describe(), ledger)
    (row,) = ledger.curve(MNIST.describe()[0])
    assert 0 < row["seconds_per_step"] < 1
    # 16 networks; weights, gradients and momenta in float32.
    weights = 16 * (64 * 12 + 12 + 12 * 10 + 10)
    assert row["bytes"] == pytest.approx(3 * 4 * weights, rel=0.02)
    # Nothing of the training itself is kept.
    assert [run["experiment"] for run in ledger.descriptions()] == ["sansone-cost"]
    results = frame.read([MNIST], LedgerSource(ledger))
    table, text = cost.report(results, tmp_path)
    assert table.rows[0][2:4] == ["16", "0.00"] and table.rows[0][6] == "888"
    assert "no GPU was measured" in text
    cores = len(os.sched_getaffinity(0))
    assert row["cores"] == cores and ("one core" if cores == 1 else "cores of") in text
    more = [MNIST, Cell("Table 5", WORDS)]
    table, _ = cost.report(frame.read(more, LedgerSource(ledger)), tmp_path)
    assert [row[0] for row in table.rows] == ["Table 1"]


def test_an_lstm_is_set_beside_logistic_networks(tmp_path):
    cells = [
        Cell("Table 5", penn_treebank.Cell(kind, units, 60))
        for kind, units in (("logistic", 6), ("lstm", 5))
    ]
    # Words that are drawn cost as much: no text is needed.
    assert [cell.dataset for cell in cells] == ["uniform"] * 2

    def held(seconds):
        ledger = Ledger(":memory:")
        for cell, value in zip(cells, seconds, strict=True):
            values = {"seconds_per_step": [value], "bytes": [1.0], "cores": [1.0]}
            ledger.record([ledger.begin(cell.describe()[0])], 0, values)
        claims, *_ = cost.report(frame.read(cells, LedgerSource(ledger)), tmp_path)
        return claims.rows[0][1:]

    text, yes = held([0.1, 0.25])
    assert text.startswith("a step of LSTM takes 2.50 times as long") and yes == "yes"
    assert held([0.1, 0.11])[1] == "no"


def test_steps_on_drawn_words_are_those_of_the_cell():
    cell = Cell("Table 5", penn_treebank.Cell("logistic", 6, 60, seeds=1), 2)
    ledger = Ledger(":memory:")
    cell.train(cell.describe(), ledger)
    (row,) = ledger.curve(cell.describe()[0])
    # Embedding, recurrent layer, softmax; weights, gradients and two moments, states.
    weights = 10_000 * 6 + (6 * 6 * 2 + 6) + (6 * 10_000 + 10_000)
    assert row["bytes"] == pytest.approx(4 * 4 * weights, rel=0.01)


def test_operations_and_steps():
    assert MNIST.operations == 6 * 16 * 50 * (64 * 12 + 12 * 10)
    assert MNIST.steps == 37 * 24
    words = Cell("Table 5", WORDS)
    assert (words.networks, words.at_once) == (16, 1)
    assert words.steps == 16 * 10 * 6
    assert words.operations == 6 * 400 * (2 * 36 + 6 * 10_000)
    lstm = Cell("Figure 8", copy_memory.Cell("lstm", 52, 100, seeds=3))
    assert lstm.operations == 6 * 3 * 50 * 106 * (8 * 52 * 52 + 520)
