"""A layer whose units have all died is told of."""

import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import DeadUnitMonitor

LOSS = "sparse_categorical_crossentropy"


def collapsing():
    keras.utils.set_random_seed(0)
    bias = keras.initializers.Constant(-50)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4, "relu", name="dead", bias_initializer=bias),
            layers.Dense(4, "tanh", name="after"),
            layers.Dense(3, "softmax", name="last"),
        ]
    )
    model.compile("sgd", LOSS, jit_compile=False)
    return model


COLLAPSE = (
    r"In epoch 1 layer 'dead' has collapsed: all of its 4 relu units are dead.*So have "
    r"2 layers after it \('after', 'last'\)\. Initializers for relu: 'lee_qr'"
)


def test_a_collapse_is_told_once_a_fit_whatever_the_filter_has_let_through(fit):
    model, monitor = collapsing(), DeadUnitMonitor()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            fit(model, monitor, epochs=2)
    assert len(caught) == 2
    assert all(re.match(COLLAPSE, str(each.message)) for each in caught)


def test_a_collapse_stops_training(fit):
    model = collapsing()
    with pytest.warns(UserWarning, match=COLLAPSE):
        logs = fit(model, DeadUnitMonitor(on_collapse="stop"), epochs=3)
    assert logs["dead_fraction"] == [1.0]


def test_a_collapse_is_an_error(fit, assert_as_found):
    model = collapsing()
    with pytest.raises(RuntimeError, match=COLLAPSE):
        fit(model, DeadUnitMonitor(on_collapse="raise"), epochs=3)
    assert_as_found(model)


def test_layers_that_are_constant_have_collapsed(compiled, fit):
    model = compiled()
    model.get_layer("second").kernel.assign(np.zeros((6, 4)))
    model.optimizer.learning_rate = 0.0
    with pytest.warns(UserWarning, match="'second' .* 4 tanh units return the same"):
        fit(model, DeadUnitMonitor())


def test_an_initializer_for_another_activation(fit):
    part = layers.Dense(4, "tanh", kernel_initializer="yilmaz_poli", name="part")
    model = keras.Sequential([keras.Input((5,)), part, layers.Dense(3, "softmax")])
    model.compile("sgd", LOSS)
    with pytest.warns(UserWarning, match="'part' has activation tanh, and 'yilmaz_p"):
        fit(model, DeadUnitMonitor())
