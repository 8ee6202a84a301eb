"""An objective that is not logged ends the search before it has trained."""

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner import errors, oracles

from keras_inits import DeadUnitMonitor, InitializerHyperModel, PopulationTuner


class Epochs(keras.callbacks.Callback):
    """Counts epochs, and logs for each member what it is told to."""

    begun: list = []

    def __init__(self, name=None):
        super().__init__()
        self.name = name

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if self.name:
            self.model.log_members(self.name, np.array([1.0, 3.0]))


@pytest.fixture
def epochs():
    Epochs.begun.clear()
    return Epochs


def searching(folder, build, objective):
    return PopulationTuner(
        oracles.GridSearchOracle(objective),
        InitializerHyperModel(build, ["he_normal"]),
        seeds=2,
        directory=folder,
    )


MISSPELT = keras_tuner.Objective("val_acuracy", "max")
LOGS = ("loss", "accuracy", "val_loss", "val_accuracy")


@pytest.mark.parametrize(
    ("objective", "fit", "logs"),
    [
        (MISSPELT, {}, LOGS),
        (MISSPELT, {"callbacks": [keras.callbacks.EarlyStopping()]}, LOGS),
        ([MISSPELT, "val_loss"], {}, LOGS),
        ("val_loss", {"validation_split": 0}, ("without validation data",)),
        (None, {}, ("default_objective", *LOGS)),
    ],
)
def test_nothing_is_trained_for_an_objective_that_is_not_logged(
    objective, fit, logs, tmp_path, digits, monkeypatch
):
    def trained(*args, **kwargs):
        raise AssertionError("The population was trained.")

    monkeypatch.setattr("keras_inits.population.Population.fit", trained)
    tuner = searching(tmp_path, digits.build, objective)
    with pytest.raises(errors.FatalValueError, match="must be among") as caught:
        digits.search(tuner, **fit)
    for name in logs:
        assert name in str(caught.value)


def generator(digits):
    while True:
        yield digits.x, digits.y


@pytest.mark.parametrize("data", ["arrays", "generator"])
def test_the_first_epoch_is_the_last_without_the_objective(
    data, tmp_path, digits, epochs
):
    """A callback may have added it, and a generator has no sample to spare."""
    fit = {"epochs": 5, "callbacks": [epochs("other")]}
    if data == "generator":
        fit |= {"steps_per_epoch": 1, "shuffle": False, "validation_split": 0}
        fit |= {"x": generator(digits), "validation_data": (digits.x, digits.y)}
    else:
        fit |= {"x": digits.x, "y": digits.y, "validation_split": 0.2}
    tuner = searching(tmp_path, digits.build, MISSPELT)
    with pytest.raises(errors.FatalValueError, match="val_accuracy.*other.*val_acur"):
        tuner.search(**fit, verbose=0)
    assert epochs.begun == [0]


def test_a_callback_may_log_the_objective(tmp_path, digits, epochs):
    tuner = searching(tmp_path, digits.build, keras_tuner.Objective("mine", "max"))
    (result,) = digits.search(tuner, callbacks=[epochs("mine")]).results()
    assert result["scores"] == {0: 1.0, 1: 3.0}


def test_the_objective_may_be_of_dead_units(tmp_path, digits):
    objective = keras_tuner.Objective("dead_fraction", "min")
    tuner = searching(tmp_path, digits.build, objective)
    monitor = DeadUnitMonitor(on_collapse=None)
    (result,) = digits.search(tuner, callbacks=[monitor]).results()
    assert result["metrics"]["dead_fraction"] == result["scores"]


@pytest.mark.parametrize("with_callback", [False, True])
def test_validation_may_have_its_turn_later(with_callback, tmp_path, digits, epochs):
    tuner = searching(tmp_path, digits.build, "val_loss")
    callbacks = [epochs()] if with_callback else []
    digits.search(tuner, validation_freq=2, callbacks=callbacks)
    assert len(tuner.results()) == 1
