"""ZerO against the algorithm that its paper prints."""

import keras
import numpy as np
import pytest
from scipy.linalg import hadamard

from keras_inits import ZerO

SIZES = (1, 2, 3, 4, 5, 8, 12, 33)


def kernel(shape, **kwargs):
    return keras.ops.convert_to_numpy(ZerO(**kwargs)(shape, dtype="float64"))


def algorithm_1(p, q, half_exponent):
    """The paper's `W` for `q` inputs and `p` outputs, a `p x q` matrix."""
    if p <= q:
        return np.eye(p, q)
    m = int(np.ceil(np.log2(p)))
    size = 2**m
    factor = 2 ** (-(m - half_exponent) / 2)
    return factor * np.eye(p, size) @ hadamard(size) @ np.eye(size, q)


@pytest.mark.parametrize(("scale", "half_exponent"), [("paper", 1), ("notebook", 0)])
def test_algorithm_1(scale, half_exponent):
    for inputs in SIZES:
        for outputs in SIZES:
            paper = algorithm_1(outputs, inputs, half_exponent)
            ours = kernel((inputs, outputs), scale=scale)
            np.testing.assert_allclose(ours, paper.T, rtol=1e-15)


def test_transpose_applies_the_rule_to_the_kernel_as_it_lies():
    for inputs in SIZES:
        for outputs in SIZES:
            paper = algorithm_1(inputs, outputs, 1)
            ours = kernel((inputs, outputs), transpose=True)
            np.testing.assert_allclose(ours, paper, rtol=1e-15)


def test_of_784_pixels_only_the_transposed_rule_sees_all():
    assert np.count_nonzero(kernel((784, 10)).any(axis=1)) == 10
    assert kernel((784, 10), transpose=True).all()


@pytest.mark.parametrize("outputs", [2, 8, 64])
def test_the_notebooks_scale_makes_an_isometry(outputs):
    ours = kernel((outputs // 2, outputs), scale="notebook")
    np.testing.assert_allclose(ours @ ours.T, np.eye(outputs // 2), atol=1e-15)


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("channels", [(3, 8), (8, 3), (4, 4)])
def test_a_convolution_kernel_has_the_matrix_on_its_centre_tap(channels, transpose):
    ours = kernel((3, 5, *channels), transpose=transpose)
    np.testing.assert_array_equal(ours[1, 2], kernel(channels, transpose=transpose))
    ours[1, 2] = 0
    assert not ours.any()


@pytest.mark.parametrize("scale", ["code", "", None, 1.0, ["paper"]])
def test_an_unknown_scale_is_refused(scale):
    with pytest.raises(ValueError, match="'paper', 'notebook'. Received: scale="):
        ZerO(scale=scale)


@pytest.mark.parametrize("transpose", ["yes", 1, None])
def test_transpose_must_be_a_boolean(transpose):
    with pytest.raises(ValueError, match="True or False. Received: transpose="):
        ZerO(transpose=transpose)
