"""Layers whose kernel is not one variable are left as they are, with the reason."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits import calibration, diagnostics

X = np.random.default_rng(0).normal(size=(20, 6)).astype("float32")


def quantized(mode):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu")])
    model.add(layers.Dense(3))
    for layer in model.layers if mode == "all int8" else model.layers[:1]:
        if mode == "LoRA":
            layer.enable_lora(2)
        else:
            layer.quantize(mode.removeprefix("all "))
    return model


REASONS = {
    "LoRA": "it has LoRA factors beside its kernel",
    "int8": "it is quantized: int8",
    "float8": "it is quantized: float8",
}
METHODS = {
    "initialize": lambda model: keras_inits.initialize(model, "lee_qr"),
    "rai": lambda model: calibration.rai(model, seed=0),
    "lsuv": lambda model: calibration.lsuv(model, X, seed=0),
}


@pytest.mark.parametrize("mode", REASONS)
@pytest.mark.parametrize("method", METHODS)
def test_they_are_left_alone_and_named(method, mode):
    model = quantized(mode)
    special, plain = model.layers
    before = [layer.get_weights() for layer in model.layers]
    report = METHODS[method](model)
    assert list(report.skipped.values()) == [REASONS[mode]]
    assert [row.name for row in report.rows] == [plain.name]
    for value, then in zip(special.get_weights(), before[0], strict=True):
        np.testing.assert_array_equal(value, then)
    assert np.any(plain.get_weights()[0] != before[1][0])


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_nothing_else_is_refused(method):
    model = quantized("all int8")
    before = model.predict(X, verbose=0)
    with pytest.raises(ValueError, match="it is quantized: int8"):
        METHODS[method](model)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)


@pytest.mark.parametrize("mode", REASONS)
def test_their_units_are_seen(mode):
    model = quantized(mode)
    (activity,) = diagnostics.activity(model, X, layers=[model.layers[0].name])
    outputs = keras.ops.convert_to_numpy(model.layers[0](X))
    np.testing.assert_allclose(activity.unit_mean, outputs.mean(axis=0), atol=1e-5)
