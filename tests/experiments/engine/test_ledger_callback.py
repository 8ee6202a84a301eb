"""The callback records what each member of a population scores."""

import contextlib
import copy

import keras
import numpy as np
import pytest

from experiments.engine.backup import Backup
from experiments.engine.ledger_callback import LedgerCallback
from keras_inits.population import Population

MEMBERS = [{"units": 3, "seed": seed} for seed in range(3)]


def make_population():
    def build(units):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])

    population = Population(build, MEMBERS)
    population.compile("sgd", "mse", metrics=["mae"])
    return population


def fit(population, *callbacks, **kwargs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 3))
    data = {"validation_split": 0.25, "shuffle": False, "verbose": 0}
    population.fit(x, y, callbacks=list(callbacks), **data | kwargs)


def test_callback_records_every_member_and_epoch(ledger):
    runs = [ledger.begin(member) for member in MEMBERS]
    population = make_population()
    # KerasTuner copies the callbacks that it is given.
    fit(population, copy.deepcopy(LedgerCallback(ledger, runs)), epochs=4)
    logs = population.member_logs
    assert set(logs) == {"loss", "mae", "val_loss", "val_mae"}
    for index, member in enumerate(MEMBERS):
        curve = ledger.curves(**member)
        assert [row["epoch"] for row in curve] == [0, 1, 2, 3]
        assert all(row["seconds"] > 0 for row in curve)
        for name, values in logs.items():
            assert [row[name] for row in curve] == values[:, index].tolist()


def test_callback_records_validation_only_where_it_was(ledger):
    runs = [ledger.begin(member) for member in MEMBERS]
    fit(make_population(), LedgerCallback(ledger, runs), epochs=4, validation_freq=2)
    assert ["val_loss" in row for row in ledger.curves(seed=0)] == [False, True] * 2


def test_interrupted_fit_goes_on_where_it_stopped(ledger, tmp_path):
    class Interrupted(Exception):
        pass

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise Interrupted

    runs = [ledger.begin(member) for member in MEMBERS]
    straight = make_population()
    fit(straight, epochs=5)
    # Between the ledger and the checkpoint, where the two differ by an epoch.
    for interrupt in ([Interrupt()], []):
        population = make_population()
        backup = Backup(tmp_path / "backup")
        start = backup.restore(population)
        callbacks = [LedgerCallback(ledger, runs), *interrupt, backup]
        with pytest.raises(Interrupted) if interrupt else contextlib.nullcontext():
            fit(population, *callbacks, epochs=5, initial_epoch=start)
    assert len(population.member_logs["loss"]) == 3
    for index, member in enumerate(MEMBERS):
        losses = [row["loss"] for row in ledger.curves(**member)]
        np.testing.assert_allclose(losses, straight.member_logs["loss"][:, index])
