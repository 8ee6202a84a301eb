"""The Lanczos method, for one symmetric matrix or for many at once."""

from collections.abc import Callable

import numpy as np

# Of the size of the eigenvalue: how far a Ritz value may be from one. It is the square
# root of the error that is expected, since that goes with the square of the residual.
TOLERANCE = 1e-4
# A new vector that is this small, beside the product it came from, is rounding.
_VANISHES = 1e-6

Product = Callable[[np.ndarray], np.ndarray]


def lanczos(
    product: Product,
    start: np.ndarray,
    steps: int,
    tolerance: float = 0.0,
    leading: Callable[[np.ndarray], np.ndarray] = np.abs,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds Ritz values: eigenvalues of symmetric matrices within Krylov spaces.

    Each matrix `A` is reduced to a tridiagonal `T = Q^T A Q`, whose eigenvalues near
    the ends of the spectrum of `A` first. `Q` is made orthogonal anew at every step.

    Args:
        product: Multiplies each matrix with its vector, `(matrices, size)` to the same.
        start: The vectors to start from, `(matrices, size)`.
        steps: Products at most.
        tolerance: Stop when the leading Ritz value of each matrix is known to this part
            of it. Defaults to `0`, for as many steps as asked.
        leading: Of which value that is: where this function is largest. Defaults to
            `np.abs`, for that of largest magnitude.

    Returns:
        Ritz values `(matrices, steps)` in ascending order, the squares of their
        vectors' parts along the start, which sum to one, and the Ritz vector of the
        leading value, `(matrices, size)`.
    """
    matrices, size = start.shape
    vector = start / np.linalg.norm(start, axis=1, keepdims=True)
    basis = np.empty((matrices, 0, size))
    steps = min(steps, size)
    tridiagonal = np.zeros((matrices, steps, steps))
    for step in range(steps):
        basis = np.concatenate([basis, vector[:, None]], axis=1)
        new = product(vector)
        length = np.linalg.norm(new, axis=1)
        tridiagonal[:, step, step] = (new * vector).sum(axis=1)
        for _ in range(2):  # Once leaves rounding of the size of what was taken off.
            new = new - np.einsum(
                "mk,mks->ms", np.einsum("mks,ms->mk", basis, new), basis
            )
        beta = np.linalg.norm(new, axis=1)
        # The space is invariant: what is left of the basis stays zero.
        beta = np.where(beta <= _VANISHES * length, 0, beta)
        vector = np.divide(
            new, beta[:, None], out=np.zeros_like(new), where=beta[:, None] > 0
        )
        values, vectors = np.linalg.eigh(tridiagonal[:, : step + 1, : step + 1])
        top = leading(values).argmax(axis=1)[:, None]
        ritz = np.take_along_axis(vectors, top[..., None], axis=2)[..., 0]
        known_to = tolerance * np.abs(np.take_along_axis(values, top, axis=1)[:, 0])
        if (beta * np.abs(ritz[:, -1]) <= known_to).all():
            break
        if step + 1 < steps:
            tridiagonal[:, step, step + 1] = tridiagonal[:, step + 1, step] = beta
    return values, vectors[:, 0] ** 2, np.einsum("mk,mks->ms", ritz, basis)
