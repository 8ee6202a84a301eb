"""YilmazPoli: the mean depends on the number of inputs, the deviation does not."""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_inits import YilmazPoli


@pytest.mark.parametrize(
    ("shape", "mean"),
    [
        ((1, 20_000), -1),
        ((4, 10_000), -1),
        ((8, 5_000), -1),
        ((16, 5_000), -0.5),
        ((800, 100), -0.01),
        ((5, 5, 4, 1_000), -0.08),
    ],
)
@pytest.mark.parametrize("stddev", [0.1, 0.3])
def test_normal_with_the_mean_of_the_paper(shape, mean, stddev):
    ours = keras.ops.convert_to_numpy(YilmazPoli(stddev, seed=1)(shape)).ravel()
    # Four standard errors of each estimate.
    assert ours.mean() == pytest.approx(mean, abs=4 * stddev / len(ours) ** 0.5)
    assert ours.std() == pytest.approx(stddev, rel=4 / (2 * len(ours)) ** 0.5)
    assert stats.kstest((ours - mean) / stddev, "norm").pvalue > 1e-3


def test_the_default_is_that_of_the_paper():
    assert YilmazPoli().stddev == 0.1


@pytest.mark.parametrize("stddev", [-0.1, np.nan, np.inf, "1", None, True])
def test_stddev_must_be_a_number_of_at_least_zero(stddev):
    with pytest.raises(ValueError, match="at least 0. Received: stddev="):
        YilmazPoli(stddev)
