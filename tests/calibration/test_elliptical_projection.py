import math

import keras
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import erf, lambertw

from keras_inits import RandomEP, calibration
from keras_inits.calibration.base import seeds
from keras_inits.calibration.elliptical_projection import project


def logistic(dense, *widths, **kwargs):
    return dense(*widths, activation="sigmoid", last="sigmoid", **kwargs)


@pytest.mark.parametrize("mu", [0.0, 0.3, -1.0, 2.5])
def test_the_ridge_of_theorem_1(mu):
    def bound(sigma):  # Equation 4.
        return (
            0.5
            + 0.5 * math.log(2 * math.pi * sigma**2)
            - mu * erf(mu / (sigma * math.sqrt(2)))
            - 2 * sigma / math.sqrt(2 * math.pi) * math.exp(-(mu**2) / (2 * sigma**2))
        )

    best = minimize_scalar(lambda s: -bound(s), bounds=(0.1, 20), method="bounded")
    w = lambertw(2 * mu**2 / math.pi).real
    assert best.x == pytest.approx(math.sqrt(math.pi / 2) * math.exp(w / 2), rel=1e-4)


@pytest.mark.parametrize("base", ["random", "orthogonal"])
def test_every_unit_is_on_the_ellipsoid_with_mean_zero(base, x, dense):
    model = logistic(dense, 40, 7)
    calibration.elliptical_projection(model, x, base, seed=3)
    features = x.astype("float64")
    for layer in model.layers:
        # The first layer has more units than inputs, the second fewer.
        kernel, bias = layer.get_weights()
        kernel = kernel.astype("float64")
        variances = features.var(axis=0)
        np.testing.assert_allclose(variances @ kernel**2, math.pi / 2, rtol=1e-6)
        logits = features @ kernel + bias
        np.testing.assert_allclose(logits.mean(axis=0), 0, atol=1e-6)
        features = keras.ops.convert_to_numpy(layer(features)).astype("float64")


def test_equal_variances_give_the_formula_of_section_6():
    rng = np.random.default_rng(0)
    x = rng.choice([-0.2, 0.2], size=(500, 6))
    x = np.concatenate([x, -x])
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "sigmoid")])
    calibration.elliptical_projection(model, x, "orthogonal", seed=3)
    kernel, _ = model.layers[0].get_weights()
    expected = np.eye(5) * math.pi / 2 / 0.2**2
    np.testing.assert_allclose(kernel.T @ kernel, expected, atol=1e-3)


def nearest(vector, variances, radius, tries=300):
    """The distance to the ellipsoid that descent finds from many starts."""
    rng = np.random.default_rng(2)
    w = rng.normal(size=(len(vector), tries))
    d, v = variances[:, None], vector[:, None]
    scale = np.sqrt(d)
    u = w * scale
    for _ in range(20000):
        u *= np.sqrt(radius / np.sum(u**2, axis=0))
        u -= 0.2 * d.min() * (u / scale - v) / scale
    u *= np.sqrt(radius / np.sum(u**2, axis=0))
    return np.linalg.norm(u / scale - v, axis=0).min()


@pytest.mark.parametrize(
    "vector",
    [
        [0.4, -0.3, 0.8],  # Inside.
        [4.0, -3.0, 2.0],  # Outside.
        [0.0, 0.2, -0.1],  # Inside, and nothing where the variance is largest.
        [0.0, 9.0, -1.0],  # Outside, and nothing there.
        [0.0, 0.0, 0.0],
    ],
    ids=str,
)
def test_no_point_of_the_ellipsoid_is_nearer(vector):
    vector, variances = np.array(vector), np.array([3.0, 1.5, 0.5])
    w = project(vector[:, None], variances[:, None], math.pi / 2)[:, 0]
    assert variances @ w**2 == pytest.approx(math.pi / 2, rel=1e-12)
    least = nearest(vector, variances, math.pi / 2)
    assert np.linalg.norm(w - vector) == pytest.approx(least, abs=1e-6)


def test_weights_of_constant_inputs_stay():
    w = project(np.array([[0.5], [7.0], [0.1]]), np.array([[2.0], [0.0], [1.0]]), 1.5)
    assert w[1, 0] == 7
    assert 2 * w[0, 0] ** 2 + w[2, 0] ** 2 == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_by_channel(groups):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 9, 9, 4)) * [0.5, 1, 2, 4] + [1, -1, 2, 0]
    x = x.astype("float32")
    model = keras.Sequential(
        [
            keras.Input((9, 9, 4)),
            keras.layers.Conv2D(6, 3, groups=groups, activation="sigmoid"),
        ]
    )
    report = calibration.elliptical_projection(model, x, seed=1)
    kernel, _ = model.layers[0].get_weights()
    variances = x.var(axis=(0, 1, 2)).reshape(groups, -1)
    for group, part in enumerate(np.split(kernel, groups, axis=-1)):
        total = np.einsum("hwio,i->o", part**2, variances[group])
        np.testing.assert_allclose(total, math.pi / 2, rtol=1e-5)
    # Independent inputs: their logits have that variance. Borders weigh less, so the
    # mean is 0 for independent samples but for their number.
    after = report.rows[0].after
    assert abs(after["logit mean"]) < 0.05
    assert after["logit variance"] == pytest.approx(math.pi / 2, rel=0.1)


def test_a_group_of_constant_channels_stays_as_drawn():
    x = np.random.default_rng(0).normal(size=(40, 6, 6, 4)).astype("float32")
    x[..., 2:] = 1
    layer = keras.layers.Conv2D(6, 3, groups=2, activation="sigmoid")
    model = keras.Sequential([keras.Input((6, 6, 4)), layer])
    calibration.elliptical_projection(model, x, seed=1)
    kernel, bias = layer.get_weights()
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()
    total = np.einsum("hwio,i->o", kernel[..., :3] ** 2, x[..., :2].var(axis=(0, 1, 2)))
    np.testing.assert_allclose(total, math.pi / 2, rtol=1e-5)
    (layer_seed,) = seeds(1, 1)
    drawn = np.asarray(RandomEP(seed=layer_seed)(kernel.shape))
    np.testing.assert_allclose(kernel[..., 3:], drawn[..., 3:], rtol=1e-6)
    # The means of all channels are answered.
    np.testing.assert_allclose(
        bias[3:], -kernel[..., 3:].sum(axis=(0, 1, 2)), rtol=1e-5
    )


def test_only_logistic_layers(x, dense):
    model = dense(
        8, 6, 3, activation=keras.layers.Activation("sigmoid"), last="softmax"
    )
    report = calibration.elliptical_projection(model, x, logit_std=2.0)
    assert list(report.skipped.values()) == ["its activation is softmax, not sigmoid"]
    assert report.rows[0].after["logit variance"] == pytest.approx(4, rel=0.3)
    with pytest.raises(ValueError, match="relu, not sigmoid"):
        calibration.elliptical_projection(dense(8, 3), x)


@pytest.mark.parametrize("arguments", [{"base": "uniform"}, {"logit_std": 0}])
def test_what_it_does_not_know(arguments, x, dense):
    with pytest.raises(ValueError, match="Received: "):
        calibration.elliptical_projection(logistic(dense, 3), x, **arguments)
