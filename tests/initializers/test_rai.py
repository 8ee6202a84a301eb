"""RAI: normal entries, and in each row of the joint matrix one from Beta(2, 1)."""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_inits import RAI

SIGMA = -2 * np.sqrt(2) / (3 * np.sqrt(np.pi)) + np.sqrt(1 + 8 / (9 * np.pi))


def joint_matrix(shape, seed, dtype="float32"):
    """Returns the paper's matrix, a row a unit with its bias last."""
    kernel, bias = RAI(seed).draw_jointly(shape, dtype)
    parts = (keras.ops.reshape(kernel, (-1, shape[-1])), bias[None])
    return keras.ops.convert_to_numpy(keras.ops.concatenate(parts)).T


@pytest.fixture(scope="module", params=[(1600, 1000), (5, 5, 64, 1000)], ids=str)
def drawn(request):
    """A joint matrix, and the bound past which hardly any normal entry lies."""
    matrix = joint_matrix(request.param, seed=1)
    # 1.6 million normal entries: 0.03 of them are expected past 5.5 deviations.
    return matrix, 5.5 * SIGMA / np.sqrt(matrix.shape[1] - 1)


def test_the_papers_constant():
    assert SIGMA == pytest.approx(0.6007, abs=5e-5)


def test_at_most_one_large_entry_a_row(drawn):
    matrix, bound = drawn
    large = (matrix > bound).sum(axis=1)
    assert large.max() == 1
    # A draw from Beta(2, 1) is below the bound with probability bound ** 2.
    expected = len(matrix) * (1 - bound**2)
    assert large.sum() == pytest.approx(expected, abs=4 * bound * len(matrix) ** 0.5)


def test_the_large_entries_are_from_beta(drawn):
    matrix, bound = drawn
    # The distribution function of Beta(2, 1) is x ** 2; this is the part past bound.
    uniform = (matrix[matrix > bound] ** 2 - bound**2) / (1 - bound**2)
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3


def test_the_other_entries_are_normal(drawn):
    matrix, bound = drawn
    others = matrix[matrix <= bound]
    scaled = others * np.sqrt(matrix.shape[1] - 1)
    assert scaled.std() == pytest.approx(SIGMA, rel=5e-3)
    assert scaled.mean() == pytest.approx(0, abs=4 * SIGMA / len(scaled) ** 0.5)
    assert scaled.min() < -4.5 * SIGMA
    assert stats.kstest(scaled[:100_000] / SIGMA, "norm").pvalue > 1e-3


def test_every_place_is_as_likely_the_bias_too():
    fan_in, units = 100, 20_000
    matrix = joint_matrix((fan_in, units), seed=2)
    hits = (matrix > 5.5 * SIGMA / np.sqrt(fan_in)).sum(axis=0)
    assert stats.chisquare(hits).pvalue > 1e-3
    expected = hits.sum() / (fan_in + 1)
    assert hits[-1] == pytest.approx(expected, abs=4 * np.sqrt(expected))


def test_the_draws_are_independent():
    matrix = joint_matrix((100, 20_000), seed=3)
    kernel, bias = matrix[:, :-1], matrix[:, -1]
    # Four standard errors of a correlation of nothing.
    assert abs(np.corrcoef(kernel[:, 0], bias)[0, 1]) < 4 / 20_000**0.5
    units, places = np.nonzero(matrix > 5.5 * SIGMA / 10)
    chance = matrix[units, places]
    assert abs(np.corrcoef(places, chance)[0, 1]) < 4 / len(units) ** 0.5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 4), (6, 5), (3, 3, 2, 7)])
def test_the_kernel_of_the_joint_draw_is_that_of_a_call(shape, dtype):
    kernel, bias = RAI(seed=3).draw_jointly(shape, dtype)
    assert tuple(bias.shape) == shape[-1:]
    assert keras.backend.standardize_dtype(bias.dtype) == dtype
    np.testing.assert_array_equal(kernel, RAI(seed=3)(shape, dtype))


def test_the_joint_draw_of_a_generator():
    kernel, _ = RAI(keras.random.SeedGenerator(3)).draw_jointly((6, 5))
    np.testing.assert_array_equal(kernel, RAI(keras.random.SeedGenerator(3))((6, 5)))


def test_the_joint_draw_checks_shape_and_dtype():
    with pytest.raises(ValueError, match="two or more axes"):
        RAI().draw_jointly((5,))
    with pytest.raises(ValueError, match="floating-point"):
        RAI().draw_jointly((5, 5), "int32")
