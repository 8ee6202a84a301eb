"""Training under a monitor is what it would be without, also when it is cut short."""

import zipfile

import keras
import numpy as np
import pytest
from keras import callbacks, layers

from keras_inits import DeadUnitMonitor

FRACTIONS = {
    f"{state}_fraction" for state in ("dead", "saturated", "constant", "duplicate")
}
X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 50)
LOSS = "sparse_categorical_crossentropy"


@pytest.mark.parametrize(
    "how",
    [{}, {"steps_per_execution": 3}, {"run_eagerly": True}],
    ids=["graph", "several steps", "eager"],
)
def test_training_is_the_same_to_the_bit(how, compiled, fit):
    runs = []
    numpy = keras.ops.convert_to_numpy
    for monitors in ([], [DeadUnitMonitor()]):
        model = compiled(**how)
        logs = fit(model, *monitors, epochs=2, validation_data=(X, Y))
        variables = [*model.variables, *model.optimizer.variables]
        runs.append(([numpy(v) for v in variables], logs, variables))
    (plain, logs, one), (watched, more, other) = runs
    assert all(map(np.array_equal, plain, watched))
    assert [v.name for v in one] == [v.name for v in other]
    assert logs == {name: more[name] for name in logs}
    assert more.keys() - logs.keys() == FRACTIONS


class Late(keras.Model):
    """Makes its layers when it is built."""

    def build(self, shape):
        self.hidden = layers.Dense(6, "relu", name="hidden")
        self.last = layers.Dense(3, "softmax")
        self.hidden.build(shape)
        self.last.build((None, 6))

    def call(self, x):
        return self.last(self.hidden(x))


def deferred():
    return keras.Sequential(
        [layers.Dense(6, "relu", name="hidden"), layers.Dense(3, "softmax")]
    )


@pytest.mark.parametrize("make", [Late, deferred])
def test_models_that_are_built_by_the_first_batch(make, fit):
    weights = []
    for monitors in ([], [DeadUnitMonitor()]):
        keras.utils.set_random_seed(0)
        model = make()
        model.compile("adam", LOSS, jit_compile=False)
        fit(model, *monitors, epochs=2)
        weights.append(model.get_weights())
    assert monitors[0].activity[0].layer == "hidden"
    assert all(map(np.array_equal, *weights))


def test_what_is_saved_in_between_is_what_is_saved_without(
    tmp_path, compiled, fit, assert_as_found
):
    between, after, plain = (tmp_path / f"{n}.keras" for n in ("one", "two", "three"))
    save = callbacks.ModelCheckpoint(str(between), save_freq=7)  # The last batch.
    model = compiled()
    fit(model, DeadUnitMonitor(), save)
    assert_as_found(model)
    model.save(after)
    other = compiled()
    fit(other)
    other.save(plain)
    configs = []
    for path in (between, after):
        with zipfile.ZipFile(path) as file:
            configs.append(file.read("config.json"))
    assert configs[0] == configs[1]
    loaded = [keras.saving.load_model(path) for path in (between, plain)]
    # A file does not hold the seed of dropout.
    variables = [model.weights + model.optimizer.variables for model in loaded]
    for one, two in zip(*variables, strict=True):
        assert np.array_equal(*map(keras.ops.convert_to_numpy, (one, two)))


class Interrupt(callbacks.Callback):
    """Raises an exception at a batch, or within a step."""

    def __init__(self, error, inside):
        super().__init__()
        self.error, self.inside = error, inside

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and not self.inside:
            raise self.error
        if batch == 2:
            self.function = self.model.train_function._function
            self.model.train_function._function = self.fail

    def fail(self, iterator):
        self.model.train_function._function = self.function
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
@pytest.mark.parametrize("inside", [True, False], ids=["step", "callback"])
def test_after_an_interruption(error, inside, compiled, fit, assert_as_found):
    model, monitor = compiled(), DeadUnitMonitor()
    with pytest.raises(error):
        fit(model, monitor, Interrupt(error, inside))
    if inside:
        assert_as_found(model)
    logs = fit(model)
    assert_as_found(model)
    assert not FRACTIONS & logs.keys() and len(monitor.history) == 0
    logs = fit(model, monitor)
    assert logs["dead_fraction"] == [2 / 6]
    assert_as_found(model)


def test_one_batch_after_an_interruption(traced, fit, assert_as_found):
    model, monitor = traced
    with pytest.raises(ArithmeticError):
        fit(model, monitor, Interrupt(ArithmeticError, inside=False))
    model.train_on_batch(X[:8], Y[:8])
    assert_as_found(model)


def test_a_second_fit_starts_anew_without_tracing(compiled, fit, assert_as_found):
    model, monitor = compiled(), DeadUnitMonitor(on_collapse=None)
    fit(model, monitor, epochs=2)
    function = monitor._training
    logs = fit(model, monitor, epochs=3, initial_epoch=2)
    assert [row["epoch"] for row in monitor.history] == [2, 2, 2]
    assert monitor._training is function and FRACTIONS < logs.keys()
    model.compile("adam", LOSS, jit_compile=False)
    fit(model, monitor)
    assert monitor._training is not function
    assert_as_found(model)
