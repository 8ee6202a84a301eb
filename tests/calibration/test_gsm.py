import keras
import numpy as np
import pytest

from keras_inits import calibration


def jacobian(model, inputs):
    """The matrix of a linear model, or what it would be."""
    return keras.ops.convert_to_numpy(model(np.eye(inputs, dtype="float32")))


def assert_linear(model, x, atol=1e-4):
    matrix = jacobian(model, x.shape[1])
    outputs = keras.ops.convert_to_numpy(model(x))
    scale = np.abs(outputs).max()
    assert scale > 0
    np.testing.assert_allclose(outputs / scale, x @ matrix / scale, atol=atol)


@pytest.mark.parametrize("submatrix", ["he_normal", "orthogonal"])
@pytest.mark.parametrize(
    "widths",
    [[16] * 10 + [5], [7, 16, 9, 9, 4, 15, 8, 3, 11, 12, 5]],
    ids=["even", "odd"],
)
def test_ten_layers_of_relu_are_linear(submatrix, widths, x, dense):
    model = dense(*widths)
    calibration.gsm(model, submatrix, seed=2)
    assert_linear(model, x)
    for layer in model.layers:
        assert not np.any(layer.get_weights()[1])


def test_orthogonal_submatrices_keep_every_length(dense):
    model = dense(*[24] * 10, 12)
    calibration.gsm(model, "orthogonal", seed=2)
    values = np.linalg.svd(jacobian(model, 12), compute_uv=False)
    np.testing.assert_allclose(values, 1, atol=1e-5)


@pytest.mark.parametrize("filters", [6, 5])
def test_through_flattening(filters, x):
    model = keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Reshape((4, 3, 1)),
            keras.layers.Conv2D(filters, 2, activation="relu", padding="same"),
            keras.layers.Conv2D(filters, 2),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(8, keras.layers.ReLU()),
            keras.layers.Dense(3),
        ]
    )
    calibration.gsm(model, seed=1)
    assert_linear(model, x)


def test_odd_widths_can_be_refused(dense, weights_of):
    model = dense(8, 5, 3)
    before = weights_of(model)
    with pytest.raises(ValueError, match="even numbers"):
        calibration.gsm(model, odd="raise")
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)
    calibration.gsm(dense(8, 6, 3), odd="raise")


def test_hidden_layers_that_are_not_relu_stay(dense):
    model = dense(6, 6, 6, 3)
    model.layers[1].activation = keras.activations.tanh
    report = calibration.gsm(model, seed=1)
    assert report.skipped == {model.layers[1].name: "its activation is tanh, not ReLU"}


def test_a_single_layer_is_no_chain(dense):
    with pytest.raises(ValueError, match="a first and a last layer"):
        calibration.gsm(dense(3))


@pytest.mark.parametrize("arguments", [{"submatrix": "he"}, {"odd": "drop"}])
def test_what_gsm_does_not_know(arguments, dense):
    with pytest.raises(ValueError, match="Received: "):
        calibration.gsm(dense(4, 3), **arguments)
