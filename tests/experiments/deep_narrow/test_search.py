"""Tests of what a search concludes."""

import dataclasses

import matplotlib.image
import numpy as np
import pytest

from experiments import deep_narrow
from experiments.deep_narrow import plots
from experiments.deep_narrow.report import epsilon_matters
from experiments.deep_narrow.search import Search
from experiments.engine.ledger import Ledger


def result(epsilon, scores, **values):
    scores = np.asarray(scores)
    return {
        "values": {"initializer": "lee_qr", "epsilon": epsilon, **values},
        "scores": dict(enumerate(scores)),
        "mean": scores.mean(),
        "sd": scores.std(ddof=1),
    }


def test_a_value_that_is_worse_in_every_seed_matters():
    seeds = np.linspace(0.5, 0.9, 6)
    results = [result(e, seeds - loss) for e, loss in ((0.1, 0), (1, 0.1), (10, 0.2))]
    (sentence,) = epsilon_matters(results)
    assert "ε between 0.1 and 10 matters" in sentence
    assert "50.0 to 70.0 %" in sentence and sentence.endswith("Best is ε = 0.1.")


@pytest.mark.parametrize("tied", [False, True])
def test_values_that_take_turns_do_not(tied):
    seeds = np.full((3, 3), 0.8) - (0 if tied else 0.1 * np.eye(3))
    (sentence,) = epsilon_matters(
        [result(e, row) for e, row in zip((0.1, 1, 10), seeds, strict=True)]
    )
    assert "makes no difference" in sentence and "p = 1)" in sentence


def test_each_method_is_answered_for_where_there_are_values_enough():
    results = [
        result(e, [0.1, 0.2], signs=signs)
        for signs, values in (("householder", (1, 2, 3)), ("gram_schmidt", (1, 2)))
        for e in values
    ]
    none = {"values": {"initializer": "he_normal"}, "scores": {}, "mean": 0, "sd": 0}
    (sentence,) = epsilon_matters([*results, none])
    assert sentence.startswith("lee_qr, householder")


def test_a_picture_over_epsilon_needs_two_values(tmp_path):
    def at(epsilon):
        values = {"initializer": "lee_qr", "epsilon": epsilon}
        return {"values": values, "mean": 0.5, "sd": 0.1, "scores": {0: 0.5}}

    path = tmp_path / "epsilon.png"
    assert plots.epsilon([at(0.1)], "a title", path) is None
    assert not path.exists()
    assert plots.epsilon([at(0.1), at(1.0)], "a title", path) == path
    assert matplotlib.image.imread(path).std() > 0


def test_a_search_is_reported_from_its_csv_alone(tmp_path):
    small = {"depth": (1, 2), "width": ("4", "10-6"), "initializer": ("he_normal",)}
    experiment = deep_narrow.search(epochs=1, seeds=2, batch_size=256, **small)
    (cell,) = experiment.cells["desk"]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    # A trial of another search is not one of its own.
    other = dataclasses.replace(cell, epochs=2)
    ledger.record(
        [ledger.begin(other.describe()[0] | {"values": {}, "seed": 0})], 0, {"x": [1.0]}
    )
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    shown, written = experiment.publication("desk").write(tmp_path)
    assert sum(len(getattr(part, "rows", [])) for part in shown) == 4
    texts = [path.read_text("utf-8") for path in written if path.suffix == ".md"]
    for path in [*written[:-1], ledger.path]:
        path.unlink()
    _, again = experiment.publication("desk").write(tmp_path)
    assert [p.read_text("utf-8") for p in again if p.suffix == ".md"] == texts
    assert "| 10-6 |" not in texts[0] and "1 layer of 10-6" in texts[0]


def test_what_only_keras_tuner_has_is_searched_again(tmp_path):
    small = {"depth": (1,), "initializer": ("he_normal",)}
    cell = Search(epochs=1, seeds=1, batch_size=256, **small)
    cell.train(cell.describe(), Ledger(tmp_path / "ledger.sqlite"))
    assert list((tmp_path / "keras_tuner" / cell.key).iterdir())
    (tmp_path / "ledger.sqlite").unlink()
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    runs = ledger.descriptions(search=cell.key)
    assert [run for run in runs if "values" in run]


@pytest.mark.parametrize(
    "options",
    [
        {"oracle": "gird"},
        {"scaling": "unti"},
        {"initializer": ("he_nromal",)},
        {"width": ("10,6",)},
    ],
)
def test_what_a_search_cannot_be_is_said_before_it_begins(options):
    with pytest.raises(ValueError, match="Received"):
        Search(**options)
