"""Tests of reports of a part: fewer methods, or trainings that have not ended."""

import dataclasses

import pytest

from experiments import registry
from experiments.engine import frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Table
from experiments.sansone2017 import (
    copy_memory,
    methods,
    mnist,
    penn_treebank,
    start,
    xor,
)

CELLS = {
    "sansone-table3": [
        mnist.Cell((6, 5), 48, watched=True, seeds=2, dataset="digits"),
    ],
    "sansone-table5": [
        penn_treebank.Cell(kind, 4, 12, methods=methods, seeds=2, dataset="markov")
        for kind, methods in (("logistic", ("glorot", "random+EP")), ("lstm", ()))
    ],
    "sansone-copy": [
        copy_memory.Cell(kind, 4, 2, 400, seeds=2) for kind in ("logistic", "lstm")
    ],
    "sansone-xor": [xor.Cell(iterations=100, seeds=1)],
    "sansone-table4": [
        mnist.Cell((6, 5), 48, distorted=True, watched=True, seeds=1, dataset="digits")
    ],
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


def test_a_run_that_was_never_finite_has_no_epoch_to_be_chosen(whole, tmp_path):
    name, results = whole
    frame = results.frame.copy()
    # One seed of two: the other is shown, and what is lost is counted.
    gone = (frame["method"] == "glorot") & (frame["seed"] == 1)
    columns = [name for name in frame if "loss" in name]
    frame.loc[gone, columns] = float("nan")
    exploded = Results(results.cells, frame, 1)
    *_, table = report(name, exploded, tmp_path, lambda rows: rows["epoch"] >= 0)
    (of_method,) = [row for row in table.rows if row[0] == "glorot"]
    if name == "sansone-copy":
        assert "1 of 2 not finite" in of_method[2]
    # Of another method one seed is not there.
    last = (frame["method"] == "ortho") & (frame["seed"] == 1)
    assert report(name, results, tmp_path, lambda rows: ~last)


def test_a_part_of_what_is_measured_at_the_start_is_reported(tmp_path):
    cells = [start.Start("digits", (6, 5), 1), start.Start("digits", (4,) * 10, 1)]
    ledger = Ledger(":memory:")
    for cell in cells:
        cell.train(cell.describe(), ledger)
    results = frame.read(cells, LedgerSource(ledger))

    def keep(rows):
        return (rows["hidden"] == "6-5") | (rows["method"] == "glorot")

    optima, both, one = report("sansone-theory", results, tmp_path, keep)[1:]
    assert len(both.rows) == len(methods.METHODS)
    assert [row[0] for row in one.rows] == ["glorot"]


@pytest.mark.parametrize(
    "cell", [mnist.Cell((5,), 10), penn_treebank.Cell("logistic", 5)]
)
def test_a_method_that_is_unknown_is_named_before_anything_is_trained(cell):
    with pytest.raises(ValueError, match="method=he_normal"):
        dataclasses.replace(cell, methods=("he_normal",))


def test_lstm_starts_in_its_own_way_whatever_is_asked_for():
    cell = penn_treebank.Cell("lstm", 5, methods=("glorot",))
    assert dataclasses.replace(cell, seeds=2).methods == ("lstm",)
