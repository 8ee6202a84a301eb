"""Elliptical projection: the length of each unit's weights, and what it is for."""

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from keras_inits import OrthoEP, RandomEP
from keras_inits.initializers.elliptical_projection import logistic_variance

OPTIMUM = np.sqrt(np.pi / 2)

both = pytest.mark.parametrize("initializer", [RandomEP, OrthoEP])


def kernel(initializer, shape, dtype="float64", **kwargs):
    tensor = initializer(**kwargs)(shape, dtype=dtype)
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def test_the_papers_k():
    # The paper prints 0.0589, with the last digit cut off.
    assert logistic_variance(OPTIMUM) == pytest.approx(0.05896, abs=5e-6)


@pytest.mark.parametrize("logit_std", [0.1, 0.5, OPTIMUM, 5.0, 100.0, 1e4])
def test_the_variance_by_another_integral(logit_std):
    # The logistic density is f' = f - f ** 2, and the mean of f is 1/2.
    z = np.linspace(-45, 45, 200_001)
    density = stats.logistic.pdf(z) * stats.norm.pdf(z, scale=logit_std)
    expected = 1 / 4 - np.trapezoid(density, z)
    assert logistic_variance(logit_std) == pytest.approx(expected, rel=1e-10)


def test_the_variance_at_its_ends():
    # A narrow logit sees a straight line of slope 1/4, a wide one a step.
    assert logistic_variance(1e-6) == pytest.approx(1e-12 / 16, rel=1e-9)
    assert logistic_variance(1e300) == pytest.approx(1 / 4, rel=1e-9)


@both
@pytest.mark.parametrize("logit_std", [0.5, OPTIMUM, 3.0])
@pytest.mark.parametrize("shape", [(1, 5), (784, 10), (4, 30), (3, 3, 8, 16)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_unit_has_weights_of_the_same_length(
    initializer, logit_std, shape, dtype
):
    ours = kernel(initializer, shape, dtype, logit_std=logit_std, seed=1)
    lengths = np.linalg.norm(ours.reshape(-1, shape[-1]), axis=0)
    expected = logit_std / np.sqrt(logistic_variance(logit_std))
    np.testing.assert_allclose(lengths, expected, rtol=1e-6)


@both
def test_the_optimum_is_the_default(initializer):
    ours = kernel(initializer, (50, 4), seed=1)
    lengths = np.linalg.norm(ours, axis=0)
    np.testing.assert_allclose(lengths, np.sqrt(np.pi / 2 / 0.05896), rtol=1e-4)


@both
def test_the_logits_of_logistic_units_have_the_standard_deviation(initializer):
    rng = np.random.default_rng(0)
    x = expit(rng.normal(scale=OPTIMUM, size=(10_000, 200))) - 1 / 2
    logits = x @ kernel(initializer, (200, 100), seed=1)
    assert logits.std() == pytest.approx(OPTIMUM, rel=0.01)


def test_random_ep_has_uniform_entries():
    ours = kernel(RandomEP, (20_000, 3), seed=2)
    # A uniform entry is as long as sqrt(1 / 3) in the mean of squares.
    entries = ours * np.sqrt(20_000 / 3) / np.linalg.norm(ours[:, 0])
    assert stats.kstest(entries.ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(20, 20), (30, 10), (3, 3, 4, 10)], ids=str)
def test_ortho_ep_has_orthogonal_columns(shape):
    ours = kernel(OrthoEP, shape, seed=3).reshape(-1, shape[-1])
    gram = ours.T @ ours
    np.testing.assert_allclose(gram, gram[0, 0] * np.eye(shape[-1]), atol=1e-12)


def test_an_entry_of_zero_that_is_alone_gets_the_length_too():
    shape = (1, 2**24)
    uniform = keras.random.uniform(shape, -1, 1, seed=4)
    assert keras.ops.any(uniform == 0)
    ours = keras.ops.abs(RandomEP(seed=4)(shape))
    assert float(keras.ops.min(ours)) == pytest.approx(5.1616, abs=1e-4)
    assert float(keras.ops.max(ours)) == pytest.approx(5.1616, abs=1e-4)


@both
@pytest.mark.parametrize("logit_std", [0.0, -1.0, np.nan, np.inf, "1", None, True])
def test_logit_std_must_be_positive(initializer, logit_std):
    with pytest.raises(ValueError, match="at least 1e-06. Received: logit_std="):
        initializer(logit_std=logit_std)
