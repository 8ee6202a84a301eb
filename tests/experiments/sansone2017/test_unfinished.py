"""Tests of reports of a part: fewer methods, or trainings that have not ended."""

import dataclasses

import pytest

from experiments import registry
from experiments.engine import frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Table
from experiments.sansone2017 import copy_memory, mnist, penn_treebank, xor

CELLS = {
    "sansone-table3": [
        mnist.Cell((6, 5), 48, watched=True, seeds=1, dataset="digits"),
    ],
    "sansone-table5": [
        penn_treebank.Cell(kind, 4, 12, methods=methods, seeds=1, dataset="markov")
        for kind, methods in (("logistic", ("glorot", "random+EP")), ("lstm", ()))
    ],
    "sansone-copy": [
        copy_memory.Cell(kind, 4, 2, 400, 1) for kind in ("logistic", "lstm")
    ],
    "sansone-xor": [xor.Cell(iterations=100, seeds=1)],
}


@pytest.fixture(scope="module", params=CELLS)
def whole(request, tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("part") / "ledger.sqlite")
    for cell in CELLS[request.param]:
        cell.train(cell.describe(), ledger)
        assert cell.rows_per_run == 2
    return request.param, frame.read(CELLS[request.param], LedgerSource(ledger))


def report(name, results, folder, keep):
    part = Results(results.cells, results.frame[keep(results.frame)], 1)
    parts = registry.find(name).report(part, folder)
    return [table for table in parts if isinstance(table, Table)]


def test_of_one_method_there_is_a_line_and_no_verdict(whole, tmp_path):
    name, results = whole
    (table,) = report(name, results, tmp_path, lambda rows: rows["method"] == "glorot")
    assert [row[0] for row in table.rows] == ["glorot"]


def test_what_has_not_ended_is_drawn_and_not_judged(whole, tmp_path):
    name, results = whole
    (table,) = report(name, results, tmp_path, lambda rows: rows["epoch"] == 0)
    assert table.rows == []


@pytest.mark.parametrize(
    "cell", [mnist.Cell((5,), 10), penn_treebank.Cell("logistic", 5)]
)
def test_a_method_that_is_unknown_is_named_before_anything_is_trained(cell):
    with pytest.raises(ValueError, match="method=he_normal"):
        dataclasses.replace(cell, methods=("he_normal",))


def test_lstm_starts_in_its_own_way_whatever_is_asked_for():
    cell = penn_treebank.Cell("lstm", 5, methods=("glorot",))
    assert dataclasses.replace(cell, seeds=2).methods == ("lstm",)
