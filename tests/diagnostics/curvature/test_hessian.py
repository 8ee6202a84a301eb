import keras
import numpy as np
import pytest

from keras_inits.diagnostics import HessianOperator, Objective, eigenvalues

pytestmark = pytest.mark.usefixtures("float64")


def linear(features, units=1):
    """A linear regression: its Hessian is `2 X^T X / (samples units)` for each unit."""
    layer = keras.layers.Dense(units, use_bias=False, name="linear")
    model = keras.Sequential([keras.Input((features,)), layer])
    model.compile(loss="mse")
    return model


def test_the_spectrum_of_a_quadratic():
    # More than 20 weights: the Lanczos method runs.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 30))
    model = linear(30)
    expected = np.linalg.eigvalsh(2 * x.T @ x / 60)[::-1]
    hessian = HessianOperator(Objective(model, x, np.zeros((60, 1))))
    spectrum = eigenvalues(hessian, k=3)
    np.testing.assert_allclose(spectrum.eigenvalues, expected[:3], rtol=1e-5)
    assert spectrum.norm == spectrum.eigenvalues[0]
    assert 3 < spectrum.num_matvecs
    smallest = eigenvalues(hessian, which="SA")
    np.testing.assert_allclose(smallest.eigenvalues, expected[-1:], rtol=1e-5)


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("which", ["LM", "LA", "SA", "BE"])
@pytest.mark.parametrize("layer", [None, "first", "last/bias", "second/kernel"])
def test_leading_eigenvalues(k, which, layer, objective, matrix):
    places = objective.weight_mask(layer)
    values = np.linalg.eigvalsh(matrix[np.ix_(places, places)])
    k = min(k, len(values))
    low = {"LA": 0, "SA": k, "BE": k // 2}.get(which)
    if which == "LM":
        expected = values[np.argsort(-abs(values))[:k]]
    else:
        expected = np.concatenate([values[:low], values[len(values) - k + low :]])
    spectrum = eigenvalues(HessianOperator(objective, layer), k=k, which=which)
    assert np.all(np.diff(np.abs(spectrum.eigenvalues)) <= 0)
    np.testing.assert_allclose(
        np.sort(spectrum.eigenvalues), np.sort(expected), atol=1e-5 * abs(values).max()
    )


@pytest.fixture(scope="module")
def objective(float64, network, data):
    return Objective(network(), *data, batch_size=16)


@pytest.fixture(scope="module")
def matrix(float64, network, data, explicit_hessian):
    return explicit_hessian(network(), *data)


def test_the_quadratic_form(objective, matrix):
    g = np.linspace(-1, 1, 24).reshape(6, 4)
    places = objective.weight_mask("second/kernel")
    block = matrix[np.ix_(places, places)]
    form = HessianOperator(objective, "second/kernel").quadratic_form(g)
    assert form == pytest.approx(g.reshape(-1) @ block @ g.reshape(-1), rel=1e-9)


@pytest.mark.parametrize("units", [3, 40])
def test_a_dead_layer_has_no_curvature(units, data):
    layers = [
        keras.layers.Dense(
            units, "relu", bias_initializer=keras.initializers.Constant(-99)
        ),
        keras.layers.Dense(3, name="last"),
    ]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile(loss="mse")
    assert (
        eigenvalues(
            HessianOperator(Objective(model, *data), "last/kernel"),
            k=2,
        ).norm
        == 0
    )
    # The mean of the squares of three outputs: 2 / 3 by each bias.
    np.testing.assert_allclose(
        eigenvalues(HessianOperator(Objective(model, *data)), k=3).eigenvalues,
        2 / 3,
        rtol=1e-6,
    )


def test_float32(data, network):
    exact = eigenvalues(HessianOperator(Objective(network(), *data)), k=3).eigenvalues
    keras.config.set_floatx("float32")
    try:
        single = eigenvalues(
            HessianOperator(Objective(network(), *data)), k=3
        ).eigenvalues
    finally:
        keras.config.set_floatx("float64")
    np.testing.assert_allclose(single, exact, rtol=1e-5)


@pytest.mark.parametrize("k", [0, 80, 1.5])
def test_k_that_will_not_do(k, objective):
    with pytest.raises(ValueError, match=f"1 to the number of weights, 79.*k={k}"):
        eigenvalues(HessianOperator(objective), k=k)


def test_names_that_are_not_known(objective):
    with pytest.raises(ValueError, match="Did you mean 'first'.*Received: layer=firts"):
        eigenvalues(HessianOperator(objective, "firts"))
    with pytest.raises(ValueError, match="Unknown weight.*Received: layer=kernle"):
        eigenvalues(HessianOperator(objective, "first/kernle"))
    with pytest.raises(ValueError, match="which"):
        eigenvalues(HessianOperator(objective), which="SM")
