"""Backups: whole, whenever the process stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from experiments.engine.backup import Backup

X = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")


def model():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    network.compile("adam", "mse")
    return network


def train(folder, epochs=5, **replaced):
    """Trains from the last backup; returns the model and the epochs it trained."""
    network, backup = model(), Backup(folder)
    vars(backup).update(replaced)
    start = backup.restore(network)
    options = {"epochs": epochs, "initial_epoch": start, "callbacks": [backup]}
    history = network.fit(X, X[:, :2], shuffle=False, verbose=0, **options)
    return network, history.epoch


def train_and_die(folder):
    """Is killed in the third epoch, when half of its backup is written."""
    save = keras.Model.save_weights

    def cut(self, path, overwrite=True):
        save(self, path, overwrite)
        if self.optimizer.iterations == 3:
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    keras.Model.save_weights = cut
    train(folder)


def test_a_backup_that_was_cut_off_is_not_taken(tmp_path):
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1])['train_and_die'](sys.argv[2])"
    )
    folder = tmp_path / "backup"
    killed = subprocess.run(
        [sys.executable, "-c", code, __file__, str(folder)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["2.weights.h5", "partial.weights.h5"]
    resumed, epochs = train(folder)
    assert epochs == [2, 3, 4]
    straight, _ = train(tmp_path / "other")
    for one, other in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert not folder.exists()


def test_the_newest_backup_is_taken_by_number(tmp_path):
    def keep(logs=None):
        """Stands for a process that is killed when the training has ended."""

    train(tmp_path, epochs=9, on_train_end=keep)
    nine = (tmp_path / "9.weights.h5").read_bytes()
    train(tmp_path, epochs=10, on_train_end=keep)
    # Killed between the new backup and the removal of the one before.
    (tmp_path / "9.weights.h5").write_bytes(nine)
    network = model()
    assert Backup(tmp_path).restore(network) == 10
    assert int(network.optimizer.iterations) == 10
    assert train(tmp_path)[1] == []


def test_without_a_backup_it_begins_at_the_first_epoch(tmp_path):
    network = model()
    before = network.get_weights()
    assert Backup(tmp_path / "none").restore(network) == 0
    for one, other in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_backup_of_another_network_is_an_error(tmp_path):
    train(tmp_path, epochs=1, on_train_end=lambda logs=None: None)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    other.compile("adam", "mse")
    with pytest.raises(ValueError, match="shape"):
        Backup(tmp_path).restore(other)
