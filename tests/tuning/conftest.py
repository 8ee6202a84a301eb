"""Searches over initializers on a part of scikit-learn's digits."""

from types import SimpleNamespace

import keras
import pytest
from keras_tuner import oracles
from sklearn.datasets import load_digits

from keras_inits import InitializerHyperModel, PopulationTuner

x, y = load_digits(return_X_y=True)
x, y = (x[:200] / 16).astype("float32"), y[:200]


def build(initializer, depth=1):
    hidden = [
        keras.layers.Dense(6, "relu", kernel_initializer=initializer)
        for _ in range(depth)
    ]
    layers = [keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def hypermodel(build=build):
    return InitializerHyperModel(build, ["he_normal", "zer_o", "lee_qr"], [0.1, 1.0])


def search(tuner, **fit):
    given = {"epochs": 2, "batch_size": 50, "validation_split": 0.2, "verbose": 0}
    tuner.search(x, y, **given | fit)
    return tuner


def grid_search(folder, trials_together=16):
    return PopulationTuner(
        oracles.GridSearchOracle("val_accuracy"),
        hypermodel(),
        seeds=[0, 3],
        trials_together=trials_together,
        directory=folder,
    )


def point(values):
    return values["initializer"], values.get("epsilon")


def points(tuner):
    return sorted((point(result["values"]) for result in tuner.results()), key=str)


def losses(tuner):
    return {
        point(trial.hyperparameters.values): trial.metrics.get_history("loss")[0].value
        for trial in tuner.oracle.trials.values()
    }


class Fits(keras.callbacks.Callback):
    """Keeps how many members each population had, and for how many epochs."""

    seen: list = []

    def on_train_begin(self, logs=None):
        self.seen.append((len(self.model.members), self.params["epochs"]))


@pytest.fixture(scope="session")
def digits():
    """The data, the network and the searches of this file."""
    return SimpleNamespace(
        x=x,
        y=y,
        build=build,
        hypermodel=hypermodel,
        search=search,
        grid_search=grid_search,
        # What `grid_search` tries.
        grid=[("he_normal", None), ("lee_qr", 0.1), ("lee_qr", 1.0), ("zer_o", None)],
        points=points,
        losses=losses,
    )


@pytest.fixture
def fits():
    Fits.seen.clear()
    return Fits


@pytest.fixture(scope="session")
def grid(tmp_path_factory):
    """A finished grid search, and the populations that it trained."""
    Fits.seen.clear()
    tuner = grid_search(tmp_path_factory.mktemp("grid"))
    return search(tuner, callbacks=[Fits()]), list(Fits.seen)


@pytest.fixture
def finished(grid):
    return grid[0]
