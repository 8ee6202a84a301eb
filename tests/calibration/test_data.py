import keras
import numpy as np

from keras_inits.calibration.data import Data, Moments


def test_moments_of_batches_are_those_of_all():
    # A mean that is large beside the deviation shows a loss of accuracy.
    rows = np.random.default_rng(0).normal(size=(1000, 3)) * [1, 1e-3, 5] + [0, 1e4, 7]
    moments = Moments(3)
    for part in np.split(rows, [1, 10, 400]):
        moments.update(part)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0), atol=1e-12, rtol=1e-12)
    np.testing.assert_allclose(moments.variance, rows.var(axis=0), rtol=1e-9)


def test_structures_keep_their_form_in_batches():
    a, b = np.arange(600.0).reshape(300, 2), np.arange(300.0)
    batches = list(Data(keras.Sequential(), {"a": a, "b": [b]}, y=b))
    assert [len(y) for _, y in batches] == [256, 44]
    np.testing.assert_array_equal(np.concatenate([x["a"] for x, _ in batches]), a)
    np.testing.assert_array_equal(np.concatenate([x["b"][0] for x, _ in batches]), b)
