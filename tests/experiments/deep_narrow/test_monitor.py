"""Tests of where the units of a deep, narrow network die."""

import dataclasses

import matplotlib.image

from experiments import registry
from experiments.deep_narrow.monitor import INITIALIZERS, Watched
from experiments.engine.ledger import Ledger


def test_layers_are_runs_and_are_drawn_for_each_initializer(tmp_path):
    cell = Watched("digits", depth=3, epochs=2)
    experiment = dataclasses.replace(registry.find("monitor"), cells={"desk": [cell]})
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    (first, *_), *_ = [ledger.curve(run) for run in cell.describe()]
    assert first["dead_fraction"] == 0.0 and first["layer"] == 1
    (table, *_), written = experiment.publication("desk").write(tmp_path)
    assert [row[0] for row in table.rows] == list(INITIALIZERS)
    pictures = [path for path in written if path.suffix == ".png"]
    assert [path.stem for path in pictures] == list(INITIALIZERS)
    assert all(matplotlib.image.imread(path).std() > 0 for path in pictures)
