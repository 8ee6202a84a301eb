import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from keras_inits.inspection.activations import activation_of, kind_of, name_of

ELEMENTWISE = (
    "elu celu exponential gelu hard_silu leaky_relu log_sigmoid mish selu silu "
    "softplus softsign squareplus tanh_shrink hard_shrink soft_shrink sparse_plus"
).split()


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        (keras.activations.relu, "relu"),
        (tf.nn.relu, "relu"),
        (lambda x: np.maximum(x, 0), "relu"),
        (layers.ReLU(), "relu"),
        (layers.ReLU(max_value=1e3), "elementwise"),
        (keras.activations.relu6, "relu6"),
        (layers.ReLU(6.0), "relu6"),
        (layers.LeakyReLU(0.0), "relu"),
        (layers.PReLU(), "elementwise"),
        (tf.math.tanh, "tanh"),
        (ops.sigmoid, "logistic"),
        (keras.activations.hard_sigmoid, "hard logistic"),
        (keras.activations.hard_tanh, "hard tanh"),
        (keras.activations.linear, "linear"),
        (keras.activations.log_softmax, "along units"),
        (layers.Softmax(), "along units"),
        (lambda x: x - ops.mean(x, axis=-1, keepdims=True), "along units"),
        (lambda x: ops.reshape(x, (7, 7)), "along units"),
        *((getattr(keras.activations, name), "elementwise") for name in ELEMENTWISE),
    ],
)
def test_kinds(activation, kind):
    assert kind_of(activation) == kind


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(2), "linear"),
        (layers.Conv2D(2, 3, activation="relu"), "relu"),
        (layers.SimpleRNN(2, activation="relu"), "relu"),
        (layers.GRU(2), "tanh"),
        (layers.Activation("gelu"), "gelu"),
        (layers.ReLU(), "relu"),
        (layers.Dense(2, layers.ELU()), "elu"),
        (layers.TimeDistributed(layers.Dense(2, "selu")), "selu"),
        (layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)]), None),
        (layers.Flatten(), None),
        (layers.BatchNormalization(), None),
    ],
)
def test_activation_of_a_layer(layer, name):
    activation = activation_of(layer)
    assert (activation and name_of(activation)) == name
