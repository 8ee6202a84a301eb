"""Lecun98Uniform fills its bound evenly, and it is not that of lecun_uniform."""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_inits import Lecun98Uniform


@pytest.mark.parametrize("shape", [(400, 100), (5, 5, 16, 100)], ids=str)
def test_uniform_within_the_bound(shape):
    ours = keras.ops.convert_to_numpy(Lecun98Uniform(seed=1)(shape)).ravel()
    assert 0.999 / 20 < np.abs(ours).max() <= 1 / 20
    assert stats.kstest(20 * ours, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_narrower_than_keras_lecun_uniform():
    ours = Lecun98Uniform(seed=1)((400, 100))
    theirs = keras.initializers.LecunUniform(seed=1)((400, 100))
    ratio = keras.ops.std(theirs) / keras.ops.std(ours)
    assert float(ratio) == pytest.approx(np.sqrt(3), rel=0.01)
