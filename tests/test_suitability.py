import keras
import pytest
from keras import layers

import keras_inits
from keras_inits import suitability
from keras_inits.suitability import FACTS, fitting, misfits


def test_every_name_of_the_table_is_one_that_keras_knows():
    for fact in FACTS:
        assert keras_inits.get(fact.initializer) is not None
        assert fact.source and fact.activations
        for activation in fact.activations:
            assert activation == "prelu" or keras.activations.get(activation)


def test_initializers_for_logistic_units_are_for_no_others():
    logistic = {"yilmaz_poli", "random_ep", "ortho_ep"}
    assert {*fitting("sigmoid")} == logistic
    assert {fact.initializer for fact in FACTS if fact.only} == logistic
    assert "lee_qr" in fitting("relu") and fitting("unheard_of") == {}


def dense(initializer, activation=None, name="part"):
    return layers.Dense(3, activation, kernel_initializer=initializer, name=name)


def model(*parts):
    return keras.Sequential([keras.Input((4,)), *parts])


@pytest.mark.parametrize("initializer", ["yilmaz_poli", "random_ep", "ortho_ep"])
@pytest.mark.parametrize(
    ("parts", "activation"),
    [
        (["relu"], "relu"),
        (["softmax"], "softmax"),
        ([None], "linear"),
        ([layers.LeakyReLU()], "leaky_relu"),
        ([None, layers.ReLU()], "relu"),
        ([None, layers.BatchNormalization(), layers.Activation("tanh")], "tanh"),
        ([None, dense("zeros", "sigmoid", "next")], "linear"),
        (["sigmoid"], None),
        ([None, layers.Dropout(0.1), layers.Activation("sigmoid")], None),
    ],
)
def test_misfits(initializer, parts, activation):
    first, *rest = parts
    found = misfits(model(dense(initializer, first), *rest))
    assert [(m.layer, m.activation, m.fact.initializer) for m in found] == (
        [] if activation is None else [("part", activation, initializer)]
    )


def test_a_branch_has_the_activation_behind_its_sum():
    inputs = keras.Input((4,))
    short, deep, last = (layers.Dense(4, name=n) for n in ("short", "deep", "last"))
    hidden = layers.Dense(4, "sigmoid", name="hidden")(inputs)
    total = layers.BatchNormalization()(layers.Add()([deep(hidden), short(inputs)]))
    # Behind the layer in the order of the network, and not on its way.
    other = layers.Activation("tanh")(inputs)
    outputs = last(layers.ReLU()(total) + other)
    network = keras.Model(inputs, outputs)
    found = {misfit.layer: misfit.activation for misfit in misfits(network, "ortho_ep")}
    assert found == {"short": "relu", "deep": "relu", "last": "linear"}
    # One that two layers take: that which goes on is no activation.
    both = layers.Dense(4, name="both")
    kept = both(inputs)
    sums = layers.Dense(4, name="next")(kept) + keras.ops.tanh(kept)
    found = misfits(keras.Model(inputs, sums), "ortho_ep")
    assert {m.layer: m.activation for m in found} == {"both": "tanh", "next": "linear"}


@pytest.mark.parametrize(
    "part",
    [
        layers.Conv2D(2, 3, activation="relu", kernel_initializer="ortho_ep"),
        layers.SeparableConv2D(2, 3, pointwise_initializer="ortho_ep"),
        layers.DepthwiseConv2D(3, depthwise_initializer="ortho_ep"),
        layers.ConvLSTM1D(2, 3, kernel_initializer="ortho_ep"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_kernels_of_every_kind_of_layer(part):
    (found,) = misfits(keras.Sequential([part]))
    assert found.layer == part.name


def test_what_keras_sets_by_default_fits_anywhere():
    parts = [dense("glorot_uniform", "relu"), layers.LSTM(3), layers.Conv1D(2, 3)]
    assert not misfits(keras.Sequential(parts))


def test_a_method_that_is_to_be_used_in_all_layers():
    network = model(dense("zeros", "sigmoid"), dense("zeros", "relu", "last"))
    (found,) = misfits(network, "random_ep")
    assert found.layer == "last"
    assert not misfits(network, "lsuv")
    with pytest.warns(UserWarning, match="Layer 'last' has activation relu.*'lee_qr'"):
        suitability.warn_of_misfits(network, "random_ep")


def test_advice_leaves_out_what_was_tried():
    assert suitability.advice("elu") == "Initializers for elu: 'he_normal'."
    assert suitability.advice("elu", "he_normal") == (
        "No initializer is known to be made for elu."
    )
