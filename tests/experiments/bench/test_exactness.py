"""Tests of how cases are checked, kept and reported, on a few that were drawn."""

import dataclasses
import json
import math

import keras
import pytest

from experiments.bench import exactness
from experiments.bench.exactness import cells
from experiments.bench.exactness.cases import Case, cases
from experiments.bench.exactness.cells import Cases
from experiments.bench.exactness.check import KINDS, Outcome
from experiments.engine.ledger import Ledger
from experiments.engine.progress import FitProgress, progress_bar

BACKEND = keras.backend.backend()
SMALL = dict.fromkeys([*KINDS, "moved"], 1e-12)


def publication(cell):
    experiment = exactness.EXPERIMENTS[cell.backend == "jax"]
    experiment = dataclasses.replace(experiment, cells={"smoke": [cell]})
    return experiment.publication("smoke")


def report(cell, results):
    """Returns the tables of the report, by title, and its text, twice the same."""
    page = publication(cell)
    parts, (path, _) = page.write(results)
    text = path.read_text("utf-8")
    (results / "ledger.sqlite").unlink()
    page.write(results)
    assert path.read_text("utf-8") == text
    tables = {part.title: part.rows for part in parts if not isinstance(part, str)}
    return tables, text


def recorded(cell, results, outcomes):
    """Records outcomes as if the first cases of a cell had had them."""
    ledger = Ledger(results / "ledger.sqlite")
    for run, outcome in zip(cell.describe(), outcomes, strict=False):
        ledger.record([ledger.begin(run)], 0, cells._numbers(outcome))


def test_cases_are_checked_into_the_ledger_and_reported_from_the_csv_alone(tmp_path):
    cell = Cases(2, backend=BACKEND)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    bar = progress_bar()
    cell.train(ledger.missing(cell.describe(), 1), ledger, None, FitProgress(bar, "2"))
    assert bar.finished and [task.completed for task in bar.tasks] == [2]
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    for row in ledger.curves():
        assert (row["equal"], row["different"], row["error"]) == (1, 0, 0)
        assert row["variables"] < 1e-4 and row["moved"] > 0 < row["check_seconds"]
    tables, text = report(cell, tmp_path)
    assert tables["Outcomes"][0] == ["equal", "2"]
    assert ["network", "none", "1"] in tables["Cases that have a row"]
    assert not tables["Different, or in error"]
    (largest,) = tables["Largest differences, relative to the largest entry or 1"]
    assert largest[:2] == ["float64", "2"]
    assert "for 2 epochs" in text and "2 of 2 runs" in text


def test_a_description_is_all_of_a_case():
    names = [field.name for field in dataclasses.fields(Case)]
    described = [
        Case(**{name: run[name] for name in names}) for run in Cases(50).describe()
    ]
    assert described == cases(50, 0, "tensorflow")


def test_cases_of_another_backend_are_refused():
    other = "tensorflow" if BACKEND == "jax" else "jax"
    message = f"KERAS_BACKEND={other}. Received: KERAS_BACKEND={BACKEND}"
    with pytest.raises(ValueError, match=message):
        Cases(1, backend=other).train([], Ledger(":memory:"))


def test_what_is_wrong_is_printed_and_kept(monkeypatch, capsys):
    outcomes = [Outcome("different", "[kernel] by 1e-3", SMALL), Outcome("error", "Oh")]
    monkeypatch.setattr(cells, "check", lambda case: outcomes.pop(0))
    cell, ledger = Cases(2, backend=BACKEND), Ledger(":memory:")
    cell.train(cell.describe(), ledger)
    printed = capsys.readouterr().out
    assert "different: [kernel] by 1e-3\nCase(network='none'" in printed
    assert "error: Oh\nCase(network='dense'" in printed
    different, error = ledger.curves()
    assert (different["different"], different["error"]) == (1, 0)
    assert (error["different"], error["error"]) == (0, 1)
    assert different["logs"] == 1e-12 and math.isnan(error["logs"])


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_report_shows_the_cases_that_differ(tmp_path, backend):
    cell = Cases(3, backend=backend)
    wrong = Outcome("different", differences=SMALL | {"logs": math.inf})
    names = Outcome("different")  # Nothing is compared where names differ.
    recorded(cell, tmp_path, [Outcome("equal", differences=SMALL), wrong, names])
    tables, text = report(cell, tmp_path)
    assert dict(tables["Outcomes"]) == {
        "equal": "1",
        "refused": "0",
        "different": "2",
        "error": "0",
    }
    title = "Largest differences, relative to the largest entry or 1"
    accepted = {"tensorflow": "1.0e-09", "jax": "2.0e-05"}[backend]
    assert tables[title] == [
        ["float64", "2", "1.0e-12", "inf", "1.0e-12", "1.0e-12", accepted]
    ]
    shown = tables["Different, or in error"]
    assert [outcome for outcome, _ in shown] == ["different", "different"]
    again = [Case(**json.loads(case)) for _, case in shown]
    assert again == cases(3, 0, backend)[1:]
    assert "`check(Case(**...))`" in text


def test_a_report_of_refusals_alone_has_nothing_that_was_compared(tmp_path):
    cell = Cases(1, backend=BACKEND)
    recorded(cell, tmp_path, [Outcome("refused", "It mixes entries.")])
    tables, text = report(cell, tmp_path)
    assert tables["Outcomes"][1] == ["refused", "1"]
    assert "Nothing was compared." in text
