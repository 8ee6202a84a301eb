"""Tests of training a table's cell into the ledger, on digits."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest

from experiments.engine import datasets, networks
from experiments.engine.ledger import Ledger
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import Protocol
from keras_inits import Population

ROOT = pathlib.Path(__file__).parents[3]
METHODS = ["proposed", "he"]
# Pixels of 0 to 255 would magnify what a sum in another order makes of rounding, and
# where a sample is on the kink of a ReLU rounding decides whether it has a slope.
CELL = Cell("digits", "tanh", depth=2, samples_per_class=20, epochs=4)
PROTOCOL = Protocol(scaling="unit")
PROTOCOLS = [PROTOCOL]
TIMEOUT = 600  # seconds


class Trained(keras.callbacks.Callback):
    """Counts the epochs of every training."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append(epoch)


def train(folder, seeds=2, cell=CELL, methods=METHODS, protocols=PROTOCOLS):
    """Returns the number of members trained, the epochs, and the ledger."""
    ledger, trained = Ledger(folder / "ledger.sqlite"), Trained()
    cell = dataclasses.replace(
        cell, methods=tuple(methods), seeds=seeds, protocols=tuple(protocols)
    )
    missing = ledger.missing(cell.describe(), cell.rows_per_run)
    if missing:
        cell.train(missing, ledger, progress=trained)
    return len(missing), trained.epochs, ledger


def curves(ledger, **where):
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    return {
        (row["method"], row["seed"], row["epoch"]): [row[name] for name in names]
        for row in ledger.curves(**where)
    }


def assert_same_curves(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_allclose(one[key], other[key], rtol=1e-4, err_msg=str(key))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of a cell that was trained without interruption."""
    folder = tmp_path_factory.mktemp("done")
    number, epochs, ledger = train(folder)
    assert (number, epochs) == (4, [0, 1, 2, 3])
    return folder, curves(ledger)


def test_the_ledger_has_a_row_for_each_member_and_epoch(done):
    _, rows = done
    assert set(rows) == {(m, s, e) for m in METHODS for s in range(2) for e in range(4)}
    losses = {rows[m, s, 3][0] for m in METHODS for s in range(2)}
    assert len(losses) == 4


def test_running_again_trains_nothing(done):
    folder, rows = done
    number, epochs, ledger = train(folder)
    assert (number, epochs) == (0, [])
    assert curves(ledger) == rows


def test_the_validation_accuracy_is_that_of_the_seeds_hold_out(tmp_path):
    cell = Cell("digits", "tanh", depth=2, samples_per_class=20, epochs=1)
    _, _, ledger = train(tmp_path, seeds=1, cell=cell, methods=["he"])
    (row,) = ledger.final()
    digits = datasets.load("digits")
    training, held_out = datasets.hold_out(digits.y, 0, 0.15, 20)
    x = datasets.scale(digits, PROTOCOL.scaling)
    model = Population(
        lambda: networks.feedforward(64, 10, (10, 6), PROTOCOL.he, "tanh"),
        [{"seed": 0}],
    ).member(0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    # The order of the runner's first epoch.
    order = np.random.default_rng((0, 0)).permutation(training)
    model.fit(x[order], digits.y[order], 100, shuffle=False, verbose=0)
    loss, accuracy = model.evaluate(x[held_out], digits.y[held_out], verbose=0)
    assert (row["val_loss"], row["val_accuracy"]) == pytest.approx((loss, accuracy))


def test_seeds_that_are_added_later_are_trained_alone(done, tmp_path):
    _, rows = done
    number, _, ledger = train(tmp_path, seeds=1)
    assert number == 2
    number, epochs, ledger = train(tmp_path, seeds=2)
    assert (number, epochs) == (2, [0, 1, 2, 3])
    # Who trains beside a member does not matter.
    assert_same_curves(curves(ledger), rows)


def test_what_is_the_same_under_several_protocols_is_trained_once(done, tmp_path):
    _, rows = done
    protocols = [
        PROTOCOL,
        dataclasses.replace(PROTOCOL, epsilon=10.0),
        dataclasses.replace(PROTOCOL, signs="gram_schmidt"),
    ]
    number, _, ledger = train(tmp_path, seeds=1, protocols=protocols)
    assert number == 4  # One of "he", three of "proposed".
    curves_of = {
        method: [
            [row["loss"] for row in ledger.curve(CELL.description(method, 0, protocol))]
            for protocol in protocols
        ]
        for method in METHODS
    }
    assert curves_of["he"] == [curves_of["he"][0]] * 3
    assert len({tuple(curve) for curve in curves_of["proposed"]}) == 3
    for method in METHODS:
        alone = [rows[method, 0, epoch][0] for epoch in range(4)]
        np.testing.assert_allclose(curves_of[method][0], alone, rtol=1e-4)
    # Under another protocol, what it has in common with these is there.
    (he,) = {"he_normal", "he_uniform"} - {PROTOCOL.he}
    number, _, _ = train(
        tmp_path, seeds=1, protocols=[dataclasses.replace(PROTOCOL, he=he)]
    )
    assert number == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("scaling", "standard"), ("learning_rate", 0.1), ("drop_remainder", True)],
)
def test_protocols_that_train_otherwise_are_not_trained_together(name, value, tmp_path):
    protocols = [PROTOCOL, dataclasses.replace(PROTOCOL, **{name: value})]
    with pytest.raises(ValueError, match=f"initial weights alone.*{name}=.*{value}"):
        train(tmp_path, protocols=protocols)
    assert Ledger(tmp_path / "ledger.sqlite").curves() == []


def test_a_cell_is_validated_where_it_is_reported(tmp_path):
    cell = dataclasses.replace(CELL, reported=(1, 3), epochs=3)
    _, _, ledger = train(tmp_path, seeds=1, cell=cell, methods=["rai"])
    validated = ["val_accuracy" in row for row in ledger.curves()]
    assert validated == [True, False, True]
    assert all("accuracy" in row for row in ledger.curves())


@pytest.mark.parametrize("method", ["rai", "gsm"])
def test_no_hidden_layers_and_all_samples(method, tmp_path):
    cell = Cell("iris", depth=0, widths=(0,), epochs=1)
    number, _, ledger = train(tmp_path, seeds=1, cell=cell, methods=[method])
    (row,) = ledger.final()
    assert number == 1 and 0 <= row["val_accuracy"] <= 1
    assert (row["hidden"], row["samples_per_class"]) == ("0", "all")


def test_a_run_that_was_killed_goes_on_and_ends_the_same(done, tmp_path):
    code = """
        import os, pathlib, signal, keras
        from experiments.engine.ledger import Ledger
        from experiments.lee2024.cells import Cell
        from experiments.lee2024.protocol import Protocol

        class Kill(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        cell = Cell(
            "digits",
            "tanh",
            depth=2,
            samples_per_class=20,
            epochs=4,
            methods=("proposed", "he"),
            seeds=2,
            protocols=(Protocol(scaling="unit"),),
        )
        ledger = Ledger(pathlib.Path(os.environ["FOLDER"]) / "ledger.sqlite")
        cell.train(cell.describe(), ledger, progress=Kill())
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "FOLDER": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = curves(Ledger(tmp_path / "ledger.sqlite"))
    assert {epoch for _, _, epoch in before} == {0, 1}
    number, epochs, ledger = train(tmp_path)
    assert (number, epochs) == (4, [2, 3])
    assert_same_curves(curves(ledger), done[1])
    assert not any((tmp_path / "backups").glob("*/*"))
