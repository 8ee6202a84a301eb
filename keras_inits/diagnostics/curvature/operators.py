"""Eigenvalues of symmetric matrices that are known by their products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from keras_inits.utils.validation import check_choice

Product = Callable[[np.ndarray, np.ndarray], np.ndarray]

_WHICH = ("LM", "LA", "SA", "BE")
# Of the eigenvalue. In float32 products have about seven digits.
_TOLERANCE = 1e-6


class Block(LinearOperator):
    """A block on the diagonal of a symmetric matrix, known by its products.

    Args:
        product: Returns the product of the whole matrix with a vector, at weights.
        places: Which rows and columns of the matrix are in the block.
        weights: The weights.
    """

    def __init__(
        self, product: Product, places: np.ndarray, weights: np.ndarray
    ) -> None:
        """Starts the count of products."""
        super().__init__(np.dtype("float64"), (int(places.sum()),) * 2)
        self.products = 0
        self._product, self._places, self._weights = product, places, weights

    def _matvec(self, vector: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(self._places))
        whole[self._places] = np.ravel(vector)
        self.products += 1
        return self._product(whole, self._weights)[self._places]

    def _adjoint(self) -> "Block":
        return self


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues of a symmetric matrix that is known by its products.

    Args:
        eigenvalues: Those that were asked for, by falling magnitude.
        products: How many products with the matrix it took.
        operator: The matrix, for `scipy.sparse.linalg`.
    """

    eigenvalues: np.ndarray
    products: int
    operator: Block

    @property
    def norm(self) -> float:
        """The largest magnitude of the eigenvalues that were asked for."""
        return float(np.abs(self.eigenvalues).max())

    def quadratic_form(self, direction: Any) -> float:
        """Returns `g^T A g`.

        Args:
            direction: `g`, of the shape of the weights or all in one vector.
        """
        g = np.reshape(direction, -1).astype("float64")
        return float(g @ self.operator.matvec(g))


def leading(block: Block, k: int, which: str = "LM") -> Spectrum:
    """Finds leading eigenvalues of a block."""
    size = block.shape[0]
    check_choice("which", which, _WHICH)
    if not (isinstance(k, int) and 1 <= k <= size):
        raise ValueError(
            f"`k` must be an integer from 1 to the number of weights, {size}. "
            f"Received: k={k}"
        )
    if size <= max(2 * k + 1, 20):  # As many as the Lanczos method would take at once.
        matrix = np.stack([block.matvec(unit) for unit in np.eye(size)])
        values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
        if which == "LM":
            values = values[np.argsort(-np.abs(values))[:k]]
        else:
            low = {"LA": 0, "SA": k, "BE": k // 2}[which]
            values = np.concatenate([values[:low], values[size - (k - low) :]])
    else:
        if which == "BE" and k == 1:  # ARPACK takes it for two or more.
            which = "LA"
        start = np.random.default_rng(0).standard_normal(size)
        # Of a matrix of zeros, as of a dead layer, ARPACK would complain.
        values = np.zeros(k)
        if np.any(block.matvec(start)):
            values = eigsh(
                block,
                k,
                which=which,
                v0=start,
                tol=_TOLERANCE,
                return_eigenvectors=False,
            )
    order = np.argsort(-np.abs(values), kind="stable")
    return Spectrum(values[order], block.products, block)
