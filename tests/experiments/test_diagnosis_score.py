import csv

import pytest

from experiments import diagnosis_score


@pytest.fixture
def few(monkeypatch):
    initializers = {"he_normal": "he_normal", "zeros": "zeros"}
    monkeypatch.setattr(diagnosis_score, "INITIALIZERS", initializers)
    monkeypatch.setattr(diagnosis_score, "RATES", (1e-6, 0.01))


def test_verdicts_stand_beside_what_became_of_the_networks(few, tmp_path):
    told = []
    tables, paths = diagnosis_score.score(
        tmp_path, told.append, {"fitted": [("relu", (16,))]}
    )
    assert [path.name for path in paths] == ["report.md", "report.html", "cells.csv"]
    with paths[2].open(encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    assert len(cells) == 8 and len(told) == 1
    # Zeros never train, and no network does at the lowest rate.
    trained = {
        (cell["initializer"], cell["optimizer"], cell["learning_rate"])
        for cell in cells
        if float(cell["accuracy"]) >= diagnosis_score.TRAINED
    }
    assert trained == {("he_normal", name, "0.01") for name in ("SGD", "Adam")}
    assert all(
        (cell["will_train"] == "True") == (float(cell["accuracy"]) >= 0.3)
        for cell in cells
    )
    assert tables[0].title.startswith("fitted: 100.0% right of 8")
    assert tables[0].rows == [
        ["said: will train", "2", "0"],
        ["said: will not", "0", "6"],
    ]
    assert "three times chance" in paths[0].read_text(encoding="utf-8")
