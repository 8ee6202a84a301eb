import keras
import numpy as np
import pytest


@pytest.fixture
def x():
    """200 samples whose features differ in mean and variance."""
    rng = np.random.default_rng(5)
    scales = np.linspace(0.1, 3.0, 12)
    return (rng.normal(size=(200, 12)) * scales + 0.5).astype("float32")


@pytest.fixture
def weights_of():
    def weights(model):
        return [keras.ops.convert_to_numpy(v).copy() for v in model.variables]

    return weights


def dense(*widths, activation="relu", inputs=12, last=None, **kwargs):
    """A Sequential model of dense layers."""
    *hidden, outputs = widths
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            *(keras.layers.Dense(width, activation, **kwargs) for width in hidden),
            keras.layers.Dense(outputs, last, **kwargs),
        ]
    )


@pytest.fixture(name="dense")
def _dense():
    return dense
