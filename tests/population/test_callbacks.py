"""Keras' own callbacks work on a population."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import callbacks, layers

from keras_inits import Population

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.integers(0, 3, 40)


def dense():
    hidden = layers.Dense(5, "tanh")  # ReLU may take NaN for 0.
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(3, "softmax")])


def untrained():
    population = Population(dense, [{"seed": seed} for seed in (0, 1, 2)])
    optimizer = keras.optimizers.Adam(0.05)
    population.compile(optimizer, "sparse_categorical_crossentropy")
    return population


@pytest.fixture(scope="module")
def traced():
    population = untrained()
    population.optimizer.build(population.trainable_variables)
    return population, [np.copy(v) for v in population.get_weights()]


@pytest.fixture
def population(traced):
    """A population as if it were new, but traced once for all tests."""
    population, weights = traced
    population.set_weights(weights)
    for variable in population.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    population.optimizer.learning_rate = 0.05
    return population


def fit(population, *each, epochs=3, x=X, y=Y, **arguments):
    arguments = {"batch_size": 8, "verbose": 0, **arguments}
    return population.fit(x, y, epochs=epochs, callbacks=[*each], **arguments).history


def test_early_stopping(population):
    def schedule(epoch):
        return [0.01, 0.01, 50.0, 50.0][min(epoch, 3)]

    stop = callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    logs = fit(
        population,
        stop,
        callbacks.LearningRateScheduler(schedule),
        epochs=9,
        validation_data=(X, Y),
    )
    assert np.argmin(logs["val_loss"]) == 1 and len(logs["val_loss"]) == 4
    assert population.member_logs["val_loss"].shape == (4, 3)
    evaluated = population.evaluate(X, Y, verbose=0)
    assert float(evaluated) == pytest.approx(min(logs["val_loss"]), rel=1e-5)


def test_logger_schedule_and_checkpoint(population, tmp_path):
    logs = fit(
        population,
        callbacks.CSVLogger(str(tmp_path / "log.csv")),
        callbacks.LearningRateScheduler(lambda epoch: 0.1 / 2**epoch),
        callbacks.ModelCheckpoint(
            str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True
        ),
    )
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx(logs["loss"])
    assert logs["learning_rate"] == pytest.approx([0.1, 0.05, 0.025])
    loaded = Population(dense, population.members)
    outputs = []
    for epoch in (1, 3):
        loaded.load_weights(str(tmp_path / f"{epoch}.weights.h5"))
        outputs.append(keras.ops.convert_to_numpy(loaded(X)))
    assert np.array_equal(outputs[1], population(X))
    assert np.any(outputs[0] != outputs[1])


def test_reduce_learning_rate(population):
    # No epoch improves on the first by as much as that.
    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=99)
    fit(population, reduce)
    assert float(population.optimizer.learning_rate) == pytest.approx(0.0125)


def test_terminate_on_nan(population):
    x = X.copy()
    x[-1, 0] = np.nan
    logs = fit(population, callbacks.TerminateOnNaN(), x=x, shuffle=False)
    assert len(logs["loss"]) == 1
    assert np.isnan(population.member_logs["loss"]).all()


def test_callback_reads_the_logs_of_members(population):
    seen = []

    def read(epoch, logs):
        seen.append(population.member_logs["loss"][epoch].mean() / logs["loss"])

    reader = callbacks.LambdaCallback(on_epoch_end=read)
    fit(population, reader)
    assert seen == pytest.approx([1, 1, 1], rel=1e-5)
    everything = callbacks.CallbackList([reader], add_history=True, model=population)
    population.fit(X, Y, callbacks=everything, verbose=0)
    assert population.member_logs["loss"].shape == (1, 3)


class Kill(callbacks.Callback):
    """Ends the process as a power cut would, in the middle of the third epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if (self.model.optimizer.iterations, batch) == (5 * 2 + 3, 2):
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder, *more):
    """Trains for 5 epochs of 5 steps, from where an earlier run stopped."""
    population = untrained()
    backup = callbacks.BackupAndRestore(folder)
    fit(population, backup, *more, epochs=5, data_order="seed")
    return population


def test_run_that_is_killed_goes_on(tmp_path):
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1])['train_and_die'](sys.argv[2])"
    )
    folder = str(tmp_path / "backup")
    killed = subprocess.run(
        [sys.executable, "-c", code, __file__, folder],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = train(folder)
    assert resumed.member_logs["loss"].shape == (3, 3)  # Epochs 3, 4 and 5.
    whole = train(str(tmp_path / "other"))
    assert whole.member_logs["loss"].shape == (5, 3)
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def train_and_die(folder):
    train(folder, Kill())
