"""Tests of the score of `diagnose`, on a few networks."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

import keras_inits
from experiments import registry
from experiments.diagnosis_score import cells, measures, networks, report, tasks
from experiments.engine.ledger import Ledger
from keras_inits.diagnostics import outlook


@pytest.fixture
def few(monkeypatch):
    initializers = {"he_normal": "he_normal", "zeros": "zeros"}
    monkeypatch.setattr(cells, "INITIALIZERS", initializers)
    monkeypatch.setattr(cells, "RATES", (1e-6, 0.003))
    optimizers = {name: cells.OPTIMIZERS[name] for name in ("momentum", "Adam")}
    monkeypatch.setattr(cells, "OPTIMIZERS", optimizers)
    monkeypatch.setattr(report, "OPTIMIZERS", optimizers)
    monkeypatch.setattr(cells, "SCALES", (1.0,))
    monkeypatch.setattr(cells, "_is_a_tenth", lambda run: run["initializer"] != "zeros")


def test_predictions_are_beside_what_became_of_the_networks(few, tmp_path):
    cell = cells.Cell("judged", "iris", "tanh 16", 0)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    assert ledger.missing(cell.describe(), cell.rows_per_run) == []
    experiment = registry.find("diagnose-score")
    experiment = dataclasses.replace(experiment, cells={"desk": [cell]})
    (_, table, *_), paths = experiment.publication("desk").write(tmp_path)
    assert [path.name for path in paths] == ["report.md", "diagnose-score.csv"]
    trained = {
        (run["engine"], run["initializer"], run["optimizer"], run["learning_rate"])
        for run in cell.describe()
        if "engine" in run and ledger.curve(run)[0]["skill"] > 0.5
    }
    # Zeros never train, and no network does at the lowest rate.
    assert trained == {
        (engine, "he_normal", name, 0.003)
        for engine in (cells.ENGINE, "fit")
        for name in ("momentum", "Adam")
    }
    # Eight networks: two train and were said to, six do not and were said not to.
    assert table.rows == [
        ["judged", "8", "8", "0.0", "100.0", "100.0", "2", "0", "0", "6"]
    ]
    text = paths[0].read_text("utf-8")
    assert (
        "4 of them were trained by plain fit as well: 100.0% came to the same" in text
    )


def test_what_is_recorded_says_what_diagnose_says(few, monkeypatch, tmp_path):
    """That it does so by the batches and weights that `diagnose` has itself."""
    monkeypatch.setattr(cells, "STEPS", 60)
    cell = cells.Cell("judged", "iris", "tanh 16", 0)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train([run for run in cell.describe() if "diagnosis" in run], ledger)
    task = tasks.task("iris")
    recorded = 0
    for run in cell.describe():
        if "diagnosis" not in run:
            continue
        progress = measures.progress_of(ledger.curve(run)[0])
        keras.utils.set_random_seed(0)
        model = networks.build("tanh 16", task, run["initializer"])
        optimizer = cells.OPTIMIZERS[run["optimizer"]](run["learning_rate"])
        model.compile(optimizer, task.loss)
        found = keras_inits.diagnose(model, task.x, task.y, steps=60, advice=False)
        again = measures.columns(found.progress)
        assert again == pytest.approx(measures.columns(progress), rel=1e-5, nan_ok=True)
        expected = outlook.outlook(progress, 60)
        assert found.will_train == (expected.score > 0)
        recorded += 1
    assert recorded == 8


@pytest.mark.parametrize("name", [n for n in tasks.TASKS if "mnist" not in n])
def test_a_task_can_be_learnt_and_its_skill_is_0_by_chance_and_1_without_error(name):
    task = tasks.task(name)
    assert set(tasks.FAMILIES) == set(tasks.TASKS)
    assert np.isfinite(task.x).all() and len(task.x) == len(task.y)
    if task.loss == "mse":
        variance = np.mean((task.y - task.y.mean(axis=0)) ** 2)
        skill = functools.partial(task.skill, accuracy=None)
        assert skill(np.array([variance, 0.0])) == pytest.approx([0, 1], abs=1e-6)
    else:
        accuracies = np.array([task.chance, 1.0])
        assert task.skill(np.zeros(2), accuracies) == pytest.approx([0, 1])
        # The frequencies of the classes cost this.
        parts = np.unique(task.y, return_counts=True)[1] / len(task.y)
        guess = np.log(parts)[np.searchsorted(np.unique(task.y), task.y.ravel())]
        assert task.skill(np.array([-guess.mean()]), None) == pytest.approx(0)


def test_no_task_of_the_judged_third_was_seen_before():
    tasks_of = {third: {task for task, _ in of} for third, of in cells.NETWORKS.items()}
    judged = tasks_of.pop("judged")
    assert judged.isdisjoint(set().union(*tasks_of.values()))
    families = {tasks.FAMILIES[task] for task in tasks.TASKS}
    for of in (judged, *tasks_of.values()):
        assert {tasks.FAMILIES[task] for task in of} == families
    architectures = [{network for _, network in of} for of in cells.NETWORKS.values()]
    assert architectures[2].isdisjoint(architectures[0])
