import keras
import numpy as np
import pytest

from keras_inits import calibration
from keras_inits.calibration.jacobian_norm import _norms

tf = pytest.importorskip("tensorflow")


def mean_norms(model, x):
    """Spectral norms of every layer's Jacobian, by automatic differentiation."""
    norms = []
    features = tf.constant(x)
    for layer in model.layers:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            outputs = layer(features)
        # Without pfor, which takes seconds to trace.
        jacobians = tape.batch_jacobian(
            outputs, features, experimental_use_pfor=False
        ).numpy()
        norms.append(np.linalg.norm(jacobians, 2, axis=(1, 2)).mean())
        features = outputs
    return norms


@pytest.mark.parametrize(
    ("activation", "scale"),
    [
        ("tanh", 0.01),
        ("tanh", 5.0),
        ("sigmoid", 0.1),
        ("sigmoid", 30.0),
        ("relu", 7.0),
        ("linear", 0.2),
        ("gelu", 1.0),
    ],
)
def test_every_layer_has_norm_1(activation, scale, x, dense):
    model = dense(10, 16, 5, activation=activation, last=activation)
    for layer in model.layers:
        layer.kernel.assign(layer.kernel * scale)
    x = x[:60]
    report = calibration.jacobian_norm(model, x)
    assert not report.missed
    np.testing.assert_allclose(mean_norms(model, x), 1, atol=0.02)
    for row, norm in zip(report.rows, mean_norms(model, x), strict=True):
        assert row.after["Jacobian norm"] == pytest.approx(norm, abs=5e-3)


def test_without_data_inputs_are_normal(dense):
    model = dense(10, 5, activation="tanh")
    calibration.jacobian_norm(model, samples=400, seed=3)
    x = np.random.default_rng(9).normal(size=(400, 12)).astype("float32")
    # Two samples of 400 differ by some percent.
    np.testing.assert_allclose(mean_norms(model, x), 1, atol=0.06)


def test_norms_of_wide_layers():
    rng = np.random.default_rng(0)
    kernel, slopes = rng.normal(size=(300, 200)), rng.uniform(size=(7, 200))
    slopes[0] = 0
    expected = np.linalg.norm(slopes[:, :, None] * kernel.T, 2, axis=(1, 2))
    np.testing.assert_allclose(_norms(slopes, kernel), expected, rtol=1e-3)


def test_two_inputs():
    inputs = [keras.Input((3,)), keras.Input((2,))]
    outputs = keras.layers.Dense(4, "tanh")(keras.layers.Concatenate()(inputs))
    report = calibration.jacobian_norm(keras.Model(inputs, outputs), seed=1)
    assert report.rows[0].after["Jacobian norm"] == pytest.approx(1, abs=0.02)


def test_a_norm_that_is_never_1_comes_as_near_as_it_can(x, dense):
    model = dense(4, 3, activation="sigmoid")
    # At a logit of 12 or more the slope is 6e-6: it takes weights that bring logits
    # back, and then only some samples have a slope at all.
    model.layers[0].bias.assign(np.full(4, 1e3))
    report = calibration.jacobian_norm(model, x)
    name = model.layers[0].name
    reached = report.rows[0].after["Jacobian norm"]
    if abs(reached - 1) > 0.02:
        assert f"{reached:.4g}" in report.missed[name]
    else:
        assert name not in report.missed


def test_a_kernel_of_zeros_is_missed(x, dense):
    model = dense(4, 3, activation="tanh", kernel_initializer="zeros")
    report = calibration.jacobian_norm(model, x)
    assert list(report.missed) == [layer.name for layer in model.layers]
    assert "comes nearest to 1 is 0" in report.missed[model.layers[0].name]


def test_what_has_no_elementwise_activation_stays(x, dense):
    report = calibration.jacobian_norm(dense(4, 3, last="softmax"), x)
    assert "softmax, is not elementwise" in next(iter(report.skipped.values()))


@pytest.mark.parametrize("shape", [(None, 3), None], ids=["length", "integers"])
def test_inputs_that_cannot_be_drawn(shape):
    if shape:
        layers = [keras.Input(shape), keras.layers.Dense(2)]
    else:
        layers = [keras.Input((4,), dtype="int32"), keras.layers.Embedding(5, 2)]
        layers.append(keras.layers.Dense(2))
    with pytest.raises(ValueError, match="Inputs are drawn for models"):
        calibration.jacobian_norm(keras.Sequential(layers))
