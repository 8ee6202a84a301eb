"""Tests of frames of results, out of a ledger and out of its CSV."""

import csv
import dataclasses
import json
import math

import pytest

from experiments.engine import frame
from experiments.engine.frame import CSVSource, LedgerSource
from experiments.engine.ledger import Ledger


@dataclasses.dataclass
class Described:
    runs: list[dict]

    def describe(self):
        return self.runs


RUNS = [
    {"seed": 0, "note": 'a "quoted", long\nnote', "flag": True, "steps": [0, 10]},
    {"seed": 1, "layer": None, "protocol": {"epsilon": 0.1, "signs": "householder"}},
    {"seed": 2, "samples": "all", "protocol": {"epsilon": 1.0}},
    {"seed": 3, "samples": 4},
]
CELLS = [Described(RUNS[:2]), Described(RUNS[1:])]


@pytest.fixture
def ledger():
    ledger = Ledger(":memory:")
    # In another order than they are described.
    for run in reversed(RUNS[:3]):
        ids = [ledger.begin(run)]
        ledger.record(ids, 0, {"loss": [0.123456789]}, seconds=1.0)
        ledger.record(ids, 1, {"loss": [math.nan], "val_loss": [math.inf]})
    ledger.record([ledger.begin({"seed": 9})], 0, {"loss": [9.0]})
    return ledger


def test_rows_are_those_that_cells_describe(ledger):
    results = frame.read(CELLS, LedgerSource(ledger))
    assert (results.runs, results.described) == (3, 4)
    assert [row["seed"] for row in results.rows] == [0, 0, 1, 1, 2, 2]
    first, second, third, *_ = results.rows
    assert (first["steps"], first["flag"], first["layer"]) == ([0, 10], True, None)
    assert third["protocol.signs"] == "householder"
    assert (first["epoch"], first["loss"]) == (0, 0.1234568)
    assert math.isnan(second["loss"]) and second["val_loss"] == math.inf
    assert math.isnan(first["val_loss"]) and "seconds" not in first
    (versions,) = results.versions
    assert "keras " in versions


def test_epochs_without_the_quantities_are_left_out(ledger):
    results = frame.read(CELLS, LedgerSource(ledger, ["val_loss"]))
    assert [row["epoch"] for row in results.rows] == [1, 1, 1]
    assert "loss" not in results.frame
    curves = results.curves("val_loss")
    assert curves == {frame.key(run): {2: math.inf} for run in RUNS[:3]}


def test_a_csv_has_the_same_rows(ledger, tmp_path):
    results = frame.read(CELLS, LedgerSource(ledger))
    path = frame.write_csv(results, tmp_path / "results.csv")
    again = frame.read(CELLS, CSVSource(path))
    assert str(again.rows) == str(results.rows)
    assert list(again.frame.index) == list(results.frame.index)
    assert (again.runs, again.described) == (3, 4)
    with path.open(encoding="utf-8", newline="") as file:
        first, second, third, *_ = csv.DictReader(file)
    assert (first["note"], third["note"]) == (RUNS[0]["note"], "")
    assert json.loads(first["steps"]) == [0, 10] and first["flag"] == "True"
    assert float(second["val_loss"]) == math.inf and second["loss"] == ""
    assert first["versions"] == results.versions[0] and second["versions"] == ""


def test_a_csv_of_other_runs_has_none_of_these(ledger, tmp_path):
    path = frame.write_csv(
        frame.read(CELLS, LedgerSource(ledger)), tmp_path / "results.csv"
    )
    others = [Described([run | {"engine": 3} for run in RUNS])]
    assert frame.read(others, CSVSource(path)).rows == []
    assert frame.read([Described([{"seed": 7}])], CSVSource(path)).rows == []


def test_a_run_comes_from_where_more_of_it_is(ledger, tmp_path):
    results = frame.read(CELLS, LedgerSource(ledger))
    csv_source = CSVSource(frame.write_csv(results, tmp_path / "results.csv"))
    assert (
        csv_source.missing(RUNS, 2) == RUNS[3:] and csv_source.missing(RUNS, 3) == RUNS
    )
    other = Ledger(":memory:")
    for run, epochs in ((RUNS[0], 1), (RUNS[1], 3), (RUNS[3], 1)):
        for epoch in range(epochs):
            other.record([other.begin(run)], epoch, {"loss": [7.0]})
    rows = frame.read(CELLS, LedgerSource(other), csv_source).rows
    assert [(row["seed"], row["epoch"]) for row in rows] == [
        *((0, 0), (0, 1)),
        *((1, 0), (1, 1), (1, 2)),
        *((2, 0), (2, 1)),
        (3, 0),
    ]
    assert [row["loss"] for row in rows if row["seed"] in (1, 3)] == [7.0] * 4
    assert rows[0]["loss"] == 0.1234568
    nothing = CSVSource(tmp_path / "missing.csv")
    assert nothing.missing(RUNS, 1) == RUNS and nothing.descriptions() == []
    assert frame.read(CELLS, nothing).rows == []


def test_a_csv_of_another_form_is_refused(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("seed,val_accuracy\n0,50.0\n", "utf-8")
    with pytest.raises(ValueError, match="with seed, val_accuracy"):
        frame.read(CELLS, CSVSource(path))


def test_without_results_there_are_no_rows():
    results = frame.read(CELLS, LedgerSource(Ledger(":memory:")))
    assert results.rows == [] and results.curves("val_loss") == {}
    assert frame.read([], LedgerSource(Ledger(":memory:"))).described == 0


def test_what_has_not_ended_is_not_finished():
    runs = [{"seed": seed, "epochs": 3} for seed in range(4)]
    ledger = Ledger(":memory:")
    for run, epochs in zip(runs, ([2], [0, 1], [0, 1, 2]), strict=False):
        for epoch in epochs:
            ledger.record([ledger.begin(run)], epoch, {"loss": [1.0]})
    results = frame.read([Described(runs)], LedgerSource(ledger))
    assert (results.runs, results.finished, results.described) == (3, 2, 4)
    # Of what does not say how many it has, all that there is counts.
    endless = Ledger(":memory:")
    endless.record([endless.begin({"seed": 0})], 0, {"loss": [1.0]})
    results = frame.read([Described([{"seed": 0}])], LedgerSource(endless))
    assert results.finished == 1
