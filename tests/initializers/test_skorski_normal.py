"""SkorskiNormal: the linear map of a layer has a mean spectral norm of one."""

import keras
import numpy as np
import pytest

from keras_inits import SkorskiNormal

DISTRIBUTIONS = ["truncated_normal", "untruncated_normal"]

both = pytest.mark.parametrize("distribution", DISTRIBUTIONS)


def kernel(shape, distribution, seed):
    return keras.ops.convert_to_numpy(SkorskiNormal(distribution, seed)(shape))


@both
@pytest.mark.parametrize("shape", [(256, 512), (512, 256)])
def test_the_mean_spectral_norm_is_one(shape, distribution):
    norms = [np.linalg.norm(kernel(shape, distribution, i), 2) for i in range(5)]
    assert np.mean(norms) == pytest.approx(1, rel=0.03)


@both
def test_the_norm_of_a_convolution_is_one(distribution):
    taps, inputs, outputs, length = 5, 64, 128, 32
    # A convolution of a ring is a product at each frequency: its norm is the largest.
    norms = []
    for seed in range(3):
        ours = kernel((taps, inputs, outputs), distribution, seed)
        spectrum = np.fft.fft(ours, length, axis=0)
        norms.append(np.linalg.norm(spectrum, 2, axis=(1, 2)).max())
    # The largest of 32 is a little above the mean of each.
    assert np.mean(norms) == pytest.approx(1, rel=0.05)


@both
@pytest.mark.parametrize(
    ("shape", "fans"), [((100, 900), (100, 900)), ((3, 3, 40, 250), (360, 2250))]
)
def test_the_standard_deviation(shape, fans, distribution):
    ours = kernel(shape, distribution, seed=1)
    sigma = 1 / np.sqrt(fans).sum()
    # Ninety thousand draws: four standard errors.
    assert ours.std() == pytest.approx(sigma, rel=0.01)
    assert abs(ours.mean()) < 4 * sigma / 300
    bound = 2 * sigma / 0.87962566
    assert (np.abs(ours).max() <= bound * (1 + 1e-6)) == (
        distribution == "truncated_normal"
    )


def test_truncated_is_the_default():
    assert SkorskiNormal().distribution == "truncated_normal"


@pytest.mark.parametrize("distribution", ["normal", "uniform", "", None, 1, []])
def test_an_unknown_distribution_is_refused(distribution):
    with pytest.raises(ValueError, match="must be one of 'trun.*Received: distrib"):
        SkorskiNormal(distribution)
