import functools

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def float64():
    """Networks whose derivatives are exact to more digits than are compared."""
    set_dtype("float64")
    yield
    set_dtype("float32")


def set_dtype(dtype):
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)  # Goes before it, once any test has set one.


@pytest.fixture(scope="module")
def data():
    """20 samples of 5 features, and targets of 3."""
    return np.random.normal(size=(20, 5)), np.random.normal(size=(20, 3))


def build(seed, activation="tanh", last=None, loss="mse", **kwargs):
    """Dense layers of 6, 4 and 3 units, whose biases are not zero."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(6, activation, name="first", **kwargs),
            keras.layers.Dense(4, activation, name="second", **kwargs),
            keras.layers.Dense(3, last, name="last", **kwargs),
        ]
    )
    for layer in model.layers:
        layer.bias.assign(0.1 * np.arange(layer.units) - 0.1)
    model.compile(loss=loss)
    return model


@pytest.fixture(scope="module")
def network():
    """Returns a function whose networks have the same weights, call by call."""
    return functools.partial(build, np.random.randint(2**31))


@pytest.fixture(scope="module")
def explicit_hessian():
    """Returns the Hessian by all trainable weights, by nested tapes."""
    tf = pytest.importorskip("tensorflow")

    def hessian(model, x, y, loss=None):
        variables = [variable.value for variable in model.trainable_variables]
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                outputs = model(x, training=False)
                value = loss(y, outputs) if loss else model.compute_loss(x, y, outputs)
            slopes = inner.gradient(value, variables)
            flat = tf.concat([tf.reshape(slope, [-1]) for slope in slopes], axis=0)
        blocks = outer.jacobian(flat, variables)
        size = flat.shape[0]
        return np.concatenate([b.numpy().reshape(size, -1) for b in blocks], axis=1)

    return hessian
