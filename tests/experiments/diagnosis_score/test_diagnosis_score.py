"""Tests of the score of `diagnose`, on a few networks."""

import dataclasses

import pytest

from experiments import registry
from experiments.diagnosis_score import cells, report
from experiments.engine.ledger import Ledger


@pytest.fixture
def few(monkeypatch):
    initializers = {"he_normal": "he_normal", "zeros": "zeros"}
    monkeypatch.setattr(cells, "INITIALIZERS", initializers)
    monkeypatch.setattr(cells, "RATES", (1e-6, 0.01))


def test_predictions_are_beside_what_became_of_the_networks(few, tmp_path):
    (cell,) = cells.cells({"fitted": [("relu", (16,))]})
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    assert ledger.missing(cell.describe(), cell.rows_per_run) == []
    experiment = registry.find("diagnose-score")
    experiment = dataclasses.replace(experiment, cells={"smoke": [cell]})
    (_, *tables), paths = experiment.publication("smoke").write(tmp_path)
    assert [path.name for path in paths] == ["report.md", "diagnose-score.csv"]
    rows = ledger.curves()
    assert len(rows) == 8
    # Zeros never train, and no network does at the lowest rate.
    trained = {
        (row["initializer"], row["optimizer"], row["learning_rate"])
        for row in rows
        if row["accuracy"] >= report.TRAINED
    }
    assert trained == {("he_normal", name, 0.01) for name in ("SGD", "Adam")}
    assert all(row["will_train"] == (row["accuracy"] >= 0.3) for row in rows)
    assert tables[0].title.startswith("fitted: 100.0% right of 8")
    assert tables[0].rows == [
        ["predicted to train", "2", "0"],
        ["predicted not to", "0", "6"],
    ]
    assert "three times chance" in paths[0].read_text(encoding="utf-8")
