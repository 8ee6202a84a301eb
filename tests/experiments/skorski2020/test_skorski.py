"""Tests of the Hessian norms of layers, and of the rates they allow, on digits."""

import dataclasses
import itertools

import numpy as np
import pytest

from experiments import registry
from experiments.engine import descent
from experiments.engine.ledger import Ledger
from experiments.experiment import PRESETS, Options
from experiments.skorski2020 import cells as skorski
from experiments.skorski2020 import norms as statistics
from experiments.skorski2020 import report as skorski_report
from keras_inits import diagnostics


def train(cell, ledger):
    if missing := ledger.missing(cell.describe(), cell.rows_per_run):
        cell.train(missing, ledger)


def bounds_of_probes(model, x, y):
    objective = diagnostics.Objective(model, x, y, descent.LOSSES["cross-entropy"])
    return objective, diagnostics.curvature(objective).rows


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_bounds_are_those_of_the_probes(activation):
    x, y = descent.samples("digits", 8)
    cell = skorski.Cell("digits", activation, 1, 6, samples=8)
    model = cell._network("he_normal", 0, x, y)
    objective, rows = bounds_of_probes(model, x, y)
    found = skorski.layer_bounds(model, activation, x)
    names = {"bound": "bound", "linear": "equation_5", "printed": "theorem_2"}
    for name, field in names.items():
        expected = [getattr(row, field) for row in rows]
        np.testing.assert_allclose(found[name], expected, rtol=1e-3)
    layers = cell._by_layer(objective, x)
    expected = [row.hessian for row in rows]
    np.testing.assert_allclose(layers["hessian"], expected, rtol=1e-4)


@pytest.fixture(scope="module")
def tiny():
    return skorski.Cell("digits", "relu", 1, 4, steps=(0, 2), samples=16)


@pytest.fixture(scope="module")
def results(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    train(tiny, Ledger(folder / "ledger.sqlite"))
    return folder


def test_every_run_is_kept_and_made_once(tiny, results, monkeypatch):
    ledger = Ledger(results / "ledger.sqlite")
    runs = tiny.describe()
    assert len(runs) == len(skorski.INITIALIZERS) * (1 + 2)
    assert {ledger.epochs(run) for run in runs} == {2}
    # Nothing is left to do, and so no data is read.
    monkeypatch.setattr(descent, "samples", None)
    train(tiny, ledger)


def test_a_killed_run_goes_on_with_what_is_missing(tiny, results, tmp_path):
    whole = Ledger(results / "ledger.sqlite")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    kept, missing = tiny.describe()[:-3], tiny.describe()[-3:]
    for run in kept:
        for row in whole.curve(run):
            values = {k: [v] for k, v in row.items() if isinstance(v, float)}
            ledger.record([ledger.begin(run)], row["epoch"], values)
    train(tiny, ledger)
    for run in missing:
        ours, theirs = ledger.curve(run), whole.curve(run)
        for one, other in zip(ours, theirs, strict=True):
            for name in one.keys() - {"versions", "recorded_at"}:
                if isinstance(one[name], float):
                    np.testing.assert_allclose(one[name], other[name], rtol=1e-4)


def test_theorem_1_is_exact_for_relu(tiny, results):
    ledger = Ledger(results / "ledger.sqlite")
    rows = [row for run in tiny.describe() for row in ledger.curve(run)]
    layers = [row for row in rows if row["layer"] is not None]
    assert statistics.errors(layers).max() < 1e-4
    assert (statistics.ratios(layers, "bound") > 0.999).all()
    networks = [row for row in rows if row["layer"] is None and row["epoch"] == 0]
    # One step is stable for longer than many are.
    assert all(row["one_step"] >= 0.97 * row["found"] > 0 for row in networks)
    for row in networks:
        norms = [
            each["jacobian"]
            for each in layers
            if each["epoch"] == 0 and each["initializer"] == row["initializer"]
        ]
        if row["initializer"] == "jacobian_norm":
            np.testing.assert_allclose(norms, 1, atol=0.03)


def test_the_report_is_computed_from_the_rows(tiny, results, tmp_path):
    experiment = registry.find("skorski-hessian")
    experiment = dataclasses.replace(experiment, cells={"smoke": [tiny]})
    shown, written = experiment.publication("smoke").write(results)
    assert [path.name for path in written] == [
        "depth.png",
        "steps.png",
        "theorems.png",
        "rates.png",
        "report.md",
        "skorski-hessian.csv",
    ]
    held = {row[0]: row[2] for row in shown[1].rows}
    (remark_1,) = [value for claim, value in held.items() if "Remark 1" in claim]
    (remark_3,) = [value for claim, value in held.items() if "Remark 3" in claim]
    assert (remark_1, remark_3) == ("yes", "no")
    text = written[4].read_text("utf-8")
    assert "sigmoid: f(0) = 0.5" in text and "18 of 18 runs" in text
    # The CSV alone makes the same report.
    (tmp_path / "skorski-hessian").mkdir()
    csv = tmp_path / "skorski-hessian" / "skorski-hessian.csv"
    csv.write_bytes(written[-1].read_bytes())
    _, again = experiment.publication("smoke").write(tmp_path)
    assert [path.read_bytes() for path in again] == [
        path.read_bytes() for path in written[:-1]
    ]


def test_claims_follow_the_numbers():
    row = {"initializer": "skorski_normal", "activation": "tanh", "gauss_newton": 1.0}
    bounds = dict.fromkeys(("bound", "linear", "printed"), 2.0)
    rows = [row | bounds | {"hessian": h} for h in (1.0, 1.05)]
    claims = skorski_report._theorem_claims(rows)
    assert [held for *_, held in claims] == [True] * 4
    rows += [row | bounds | {"hessian": 4.0}]
    claims = skorski_report._theorem_claims(rows)
    assert [held for *_, held in claims] == [False] * 4
    assert "66.7%" in claims[1][1]


def test_there_are_no_epochs_and_methods(tmp_path):
    experiment = registry.find("skorski-hessian")
    with pytest.raises(ValueError, match="epochs=3"):
        experiment.select("smoke", Options(epochs=3))
    with pytest.raises(ValueError, match=r"`--method` must.*\('he',\)"):
        experiment.select("smoke", Options(methods=["he"]))
    with pytest.raises(FileNotFoundError, match="run skorski-hessian"):
        experiment.publication("smoke").write(tmp_path)


@pytest.mark.parametrize(
    ("name", "preset"),
    [*itertools.product(("skorski-hessian", "relu-range"), PRESETS)],
)
def test_descriptions_of_runs_are_distinct(name, preset):
    cells = registry.find(name).select(preset)
    assert all(cell.describe() for cell in cells)
    if preset == "smoke":
        assert {cell.dataset for cell in cells} == {"digits"}
        runs = [
            str(sorted(run.items(), key=str)) for c in cells for run in c.describe()
        ]
        assert len(set(runs)) == len(runs)
