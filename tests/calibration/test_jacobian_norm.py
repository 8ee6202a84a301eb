import keras
import numpy as np
import pytest

from keras_inits import calibration
from keras_inits.calibration.jacobian_norm import _norms

tf = pytest.importorskip("tensorflow")


def mean_norm(layer, features, scale=1.0):
    """The mean spectral norm of a layer's Jacobian, by automatic differentiation."""
    kernel, features = layer.kernel * scale, tf.constant(features)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        outputs = layer.activation(features @ kernel + layer.bias)
    # Without pfor, which takes seconds to trace.
    jacobians = tape.batch_jacobian(outputs, features, experimental_use_pfor=False)
    return np.linalg.norm(jacobians.numpy(), 2, axis=(1, 2)).mean()


def inputs_of(model, x):
    """Pairs of a layer and what reaches it."""
    pairs = []
    for layer in model.layers:
        pairs.append((layer, x))
        x = layer(x).numpy()
    return pairs


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
    # A logit of exactly 0 would be on the edge of ReLU, where it has no derivative, for
    # each sample at which all units before are dead: hence the biases.
    model = dense(
        *(10, 16, 5),
        activation=activation,
        last=activation,
        bias_initializer="random_normal",
    )
    for layer in model.layers:
        layer.kernel.assign(layer.kernel * scale)
    x = x[:60]
    report = calibration.jacobian_norm(model, x)
    for (layer, features), row in zip(inputs_of(model, x), report.rows, strict=True):
        norm = mean_norm(layer, features)
        assert row.after["Jacobian norm"] == pytest.approx(norm, abs=5e-3)
        if layer.name in report.missed:
            # Units may saturate too soon for a norm of 1, or be dead at any scale.
            assert activation != "linear" and norm < 0.985
            assert all(
                mean_norm(layer, features, 2.0**exponent) < 1
                for exponent in range(-6, 7)
            )
        else:
            assert norm == pytest.approx(1, abs=0.02)


def test_without_data_inputs_are_normal(dense):
    model = dense(10, 5, activation="tanh")
    calibration.jacobian_norm(model, samples=400, seed=3)
    x = np.random.default_rng(9).normal(size=(400, 12)).astype("float32")
    for layer, features in inputs_of(model, x):
        # Two samples of 400 differ by some percent.
        assert mean_norm(layer, features) == pytest.approx(1, abs=0.06)


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


@pytest.mark.parametrize("start", [0.1, 1.5, 40.0, 1e4])
def test_a_norm_that_is_never_1_comes_as_near_as_it_can(start, dense):
    model = dense(1, inputs=2, last="sigmoid")
    (layer,) = model.layers
    layer.kernel.assign([[start], [0.0]])
    # The derivative of f(w) is w f'(w): at most 0.2239, where w tanh(w / 2) = 1.
    report = calibration.jacobian_norm(model, np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert report.rows[0].after["Jacobian norm"] == pytest.approx(0.2239, abs=1e-4)
    assert layer.get_weights()[0][0] == pytest.approx(1.543, rel=0.03)
    assert report.missed == {layer.name: "the norm that comes nearest to 1 is 0.2239"}


def test_a_scale_that_saturates_is_brought_down(dense):
    model = dense(1, inputs=2, last="sigmoid")
    (layer,) = model.layers
    # At x = 0.1 the slope is w f'(w / 10): 1 at w = 4.18, and at w = 34.9.
    layer.kernel.assign([[1e4], [0.0]])
    report = calibration.jacobian_norm(model, np.array([[0.1, 0.0], [0.1, 1.0]]))
    assert not report.missed
    assert layer.get_weights()[0][0] == pytest.approx(4.177, rel=1e-2)


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
