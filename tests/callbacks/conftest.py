"""A network with dead units, and how it is trained under a monitor."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import DeadUnitMonitor
from keras_inits.callbacks import train_function

X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 50)
LOSS = "sparse_categorical_crossentropy"


def network(dead=2):
    """Returns a network that draws at random in training, with some dead units."""
    keras.utils.set_random_seed(0)
    first = layers.Dense(6, "relu", name="first")
    model = keras.Sequential(
        [
            keras.Input((5,), name="input"),
            first,
            layers.BatchNormalization(name="normal"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(4, "tanh", name="second"),
            layers.Dense(3, "softmax", name="last"),
        ],
        name="network",
    )
    first.bias.assign(np.where(np.arange(6) < dead, -50.0, 0.0))
    return model


@pytest.fixture(scope="session")
def compiled():
    """Returns a function that builds and compiles the network."""

    def build(dead=2, **arguments):
        model = network(dead)
        model.compile("adam", LOSS, **{"jit_compile": False, **arguments})
        return model

    return build


@pytest.fixture(scope="module")
def once(compiled):
    """A model and the monitor that watches it, for TensorFlow to trace once."""
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    start = [np.copy(keras.ops.convert_to_numpy(variable)) for variable in variables]
    return model, DeadUnitMonitor(on_collapse=None), variables, start


@pytest.fixture
def traced(once):
    """The same model and monitor in each test, with the weights of the start."""
    model, monitor, variables, start = once
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    return model, monitor


@pytest.fixture(scope="session")
def fit():
    """Returns a function that trains a model with callbacks, and returns its logs."""

    def train(model, *given, epochs=1, x=X, y=Y, **arguments):
        arguments = {"batch_size": 8, "verbose": 0, **arguments}
        return model.fit(x, y, epochs=epochs, callbacks=[*given], **arguments).history

    return train


@pytest.fixture(scope="session")
def assert_as_found():
    """Returns a function that finds nothing of an observation left in a model."""

    def check(model):
        assert not isinstance(model.train_function, train_function.ObservedTraining)
        for layer in model._flatten_layers():
            assert not {"call", "inner_loop"} & vars(layer).keys()
        assert "train_step" not in vars(model)

    return check
