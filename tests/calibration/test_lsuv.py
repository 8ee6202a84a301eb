import keras
import numpy as np
import pytest

from keras_inits import calibration


def logits(layer, inputs):
    kernel, bias = layer.get_weights()
    return keras.ops.convert_to_numpy(inputs) @ kernel + bias


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "linear"])
def test_logits_have_unit_variance_in_every_layer(activation, x, dense):
    model = dense(*[9] * 12, 4, activation=activation, last="softmax")
    report = calibration.lsuv(model, 30 * x, tol=0.01, seed=1)
    features = 30 * x
    for layer, row in zip(model.layers, report.rows, strict=True):
        assert logits(layer, features).var() == pytest.approx(1, abs=0.011)
        assert row.after["logit variance"] == pytest.approx(1, abs=0.01)
        kernel, bias = layer.get_weights()
        assert not np.any(bias)
        smaller = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
        gram = smaller.T @ smaller
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-5)
        features = layer(features)
    assert not report.missed


def test_from_the_present_weights(x, dense):
    model = dense(6, 3, activation="tanh")
    model.layers[0].bias.assign(np.arange(6.0))
    before = [layer.get_weights() for layer in model.layers]
    calibration.lsuv(model, x, orthogonal=False)
    for (kernel, bias), layer in zip(before, model.layers, strict=True):
        after, bias_after = layer.get_weights()
        ratio = after / kernel
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
        np.testing.assert_array_equal(bias, bias_after)


def test_what_cannot_be_reached_is_missed(x, dense):
    model = dense(6, 3, activation="tanh")
    # The biases of the units vary by more than 1, at any scale of the kernel.
    model.layers[0].bias.assign(10 * np.arange(6.0))
    report = calibration.lsuv(model, x, orthogonal=False, max_iter=3)
    assert report.missed == {
        model.layers[0].name: "its variance is not within 0.05 of 1 after 3 steps"
    }


def test_a_layer_is_scaled_no_more_than_max_iter_times(x, dense):
    model = dense(6, 3, activation="tanh")
    first = model.layers[0]
    first.bias.assign(np.arange(6.0))
    kernel = first.kernel.numpy()
    variance = logits(first, x).var()
    calibration.lsuv(model, x, orthogonal=False, max_iter=1)
    np.testing.assert_allclose(first.kernel, kernel / variance**0.5, rtol=1e-5)


@pytest.mark.parametrize(
    "arguments", [{"tol": 0}, {"tol": np.nan}, {"max_iter": 0}, {"max_iter": "1"}]
)
def test_arguments_that_cannot_do(arguments, x, dense):
    with pytest.raises(ValueError, match=f"Received: {next(iter(arguments))}="):
        calibration.lsuv(dense(3), x, **arguments)
