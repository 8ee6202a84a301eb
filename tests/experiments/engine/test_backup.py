"""Backups: whole, whenever the process stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from experiments.engine import backup as backup_module
from experiments.engine.backup import Backup
from keras_inits import Population

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
    save, saved = np.savez, []

    def cut(file, *arrays):
        save(file, *arrays)
        saved.append(file)
        if len(saved) == 3:
            file.flush()
            os.truncate(file.name, os.path.getsize(file.name) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    np.savez = cut
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
    assert files == ["2.npz", "partial.npz"]
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
    nine = (tmp_path / "9.npz").read_bytes()
    train(tmp_path, epochs=10, on_train_end=keep)
    # Killed between the new backup and the removal of the one before.
    (tmp_path / "9.npz").write_bytes(nine)
    network = model()
    assert Backup(tmp_path).restore(network) == 10
    assert int(network.optimizer.iterations) == 10
    assert train(tmp_path)[1] == []


def test_saving_takes_a_share_of_the_time(tmp_path, monkeypatch):
    """A clock that tells 1 second for each backup, and 2 for each epoch between."""
    saved = []
    backup = Backup(tmp_path, share=0.25)
    backup.set_model(model())
    now = [0.0]
    monkeypatch.setattr(backup_module.time, "perf_counter", lambda: now[0])

    def save(file, *arrays):
        now[0] += 1.0

    monkeypatch.setattr(np, "savez", save)
    for epoch in range(8):
        now[0] += 2.0
        before = now[0]
        backup.on_epoch_end(epoch)
        if now[0] > before:
            saved.append(epoch)
    # Three seconds must pass before the next: two epochs.
    assert saved == [0, 2, 4, 6]


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
    with pytest.raises(ValueError, match=r"other shapes. Received: .*\(3, 4\)"):
        Backup(tmp_path).restore(other)


def reader():
    """Drops, and keeps states from batch to batch."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input(batch_shape=(4, 3, 2)),
            keras.layers.Dropout(0.5),
            keras.layers.SimpleRNN(5, stateful=True, return_sequences=True),
            keras.layers.LSTM(5, stateful=True),
            keras.layers.Dense(1),
        ]
    )
    network.compile("adam", "mse")
    return network


def dropping():
    """Two networks that drop, as one population."""

    def build(seed):
        return keras.Sequential(
            [
                keras.Input((3, 2)),
                keras.layers.Flatten(),
                keras.layers.Dense(5, kernel_initializer=keras.initializers.Ones()),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(1),
            ]
        )

    population = Population(build, [{"seed": 0}, {"seed": 1}])
    population.compile("adam", "mse")
    return population


@pytest.mark.parametrize("build", [reader, dropping])
def test_a_training_that_goes_on_is_that_which_was_not_stopped(build, tmp_path):
    x = np.random.default_rng(0).normal(size=(16, 3, 2)).astype("float32")
    y = x.sum(axis=(1, 2))[:, None]

    def fit(folder, **options):
        network, backup = build(), Backup(folder)
        start = backup.restore(network)
        common = {"batch_size": 4, "shuffle": False, "verbose": 0}
        callbacks = [backup, *options.pop("callbacks", [])]
        network.fit(x, y, initial_epoch=start, callbacks=callbacks, **common, **options)
        return network.get_weights(), start

    def stop(epoch, logs):
        if epoch == 1:
            raise KeyboardInterrupt

    whole, _ = fit(tmp_path / "whole", epochs=4)
    with pytest.raises(KeyboardInterrupt):
        stopper = keras.callbacks.LambdaCallback(on_epoch_end=stop)
        fit(tmp_path / "part", epochs=4, callbacks=[stopper])
    resumed, start = fit(tmp_path / "part", epochs=4)
    assert start == 2
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
