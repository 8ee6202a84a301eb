import numpy as np
import pytest

from keras_inits.utils.lanczos import lanczos


def test_ritz_values_of_many_matrices():
    rng = np.random.default_rng(0)
    matrices = rng.normal(size=(5, 12, 12))
    matrices += matrices.transpose(0, 2, 1)
    start = rng.normal(size=(5, 12))
    values, weights, vectors = lanczos(
        lambda v: np.einsum("mij,mj->mi", matrices, v), start, 99
    )
    exact, basis = np.linalg.eigh(matrices)
    np.testing.assert_allclose(values, exact, atol=1e-10)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    parts = np.einsum("mij,mi->mj", basis, start) ** 2
    np.testing.assert_allclose(weights, parts, atol=1e-10)
    top = np.abs(exact).argmax(axis=1)[:, None]
    np.testing.assert_allclose(
        np.einsum("mij,mj->mi", matrices, vectors),
        np.take_along_axis(exact, top, axis=1) * vectors,
        atol=1e-8,
    )


@pytest.mark.parametrize("tolerance", [0.0, 1e-4])
def test_invariant_spaces_end_early(tolerance):
    """Projections of rank 0, 1 and 5 have Krylov spaces of 1, 2 and 2 dimensions."""
    diagonals = np.zeros((3, 9))
    diagonals[1, :1] = diagonals[2, :5] = 1
    products = 0

    def product(vectors):
        nonlocal products
        products += 1
        return diagonals * vectors

    start = np.random.default_rng(0).normal(size=(3, 9))
    values, weights, _ = lanczos(product, start, 9, tolerance)
    assert products == 2
    np.testing.assert_allclose(np.abs(values).max(axis=1), [0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
