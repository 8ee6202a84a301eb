"""The QR initializer of Lee et al. for deep and narrow networks, in closed form."""

import warnings
from typing import Any

import numpy as np

from keras_inits.initializers.base import KernelInitializer
from keras_inits.initializers.registration import register
from keras_inits.utils.validation import check_choice, check_real

_SIGNS = ("householder", "gram_schmidt")

# The first columns of a Q, as their values above, on and below the diagonal: each
# column has no others.
Columns = tuple[np.ndarray, np.ndarray, np.ndarray]


@register
class LeeQR(KernelInitializer):
    """Initializes a kernel to an isometry that keeps the mean of its input positive.

    `W = Q_m I Q_n^T`, where `Q_k` comes from the QR decomposition of `J + epsilon I`,
    the `k x k` matrix of ones with `epsilon` added on its diagonal. The first column
    of each `Q_k` is nearly constant, so `mean(W x)` is about `sqrt(n / m) mean(x)`: a
    positive signal stays mostly positive from one ReLU layer to the next. No QR is
    needed: above the diagonal `W` is a sum of two vectors, and below it of two more,
    which takes `O(mn)` time and is exact for every `epsilon`.

    A layer that keeps its width starts as the identity. Units past the number of
    inputs start alike and, fed the same gradients, stay so. A convolution kernel is
    filled tap by tap from the centre outwards, so that the image stays where it is.

    Examples:
    >>> import keras
    >>> import keras_inits
    >>> kernel = keras_inits.LeeQR(epsilon=0.01)((4, 3))
    >>> print(keras.ops.convert_to_numpy(kernel).round(4))
    [[ 0.6241 -0.3762  0.6213]
     [-0.3754  0.6242  0.6217]
     [ 0.6213  0.6209 -0.3816]
     [ 0.289   0.2887  0.2862]]
    >>> layer = keras.layers.Dense(10, "relu", kernel_initializer="lee_qr")

    Args:
        epsilon: How far `J + epsilon I` is from the matrix of ones, at least 0, where
            0 stands for the limit. Defaults to `0.1`, as in the paper.
        signs: Signs of the columns of `Q`: `"householder"`, which LAPACK gives and
            the paper's printed matrices have, or `"gram_schmidt"`, which its theorem
            1 gives. They differ in one column, `W_householder = W_gram_schmidt -
            2 q_p q_p^T` with `p = min(m, n)`, and not at all where `m = n`.
            Defaults to `"householder"`.
        gain: Factor on the whole kernel. Defaults to `1.0`.

    Raises:
        ValueError: If `epsilon` or `gain` is not a finite number, `epsilon` is
            negative, or `signs` is unknown.

    Reference:
        [Lee et al., 2024](https://arxiv.org/abs/2311.03733), equation 1 and
        theorem 1.
    """

    def __init__(
        self, epsilon: float = 0.1, signs: str = "householder", gain: float = 1.0
    ) -> None:
        """Checks the arguments and keeps them."""
        self.epsilon = check_real("epsilon", epsilon, least=0.0)
        self.signs = check_choice("signs", signs, _SIGNS)
        self.gain = check_real("gain", gain)

    def compute(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Returns `W`, which begins on the centre tap and goes on outwards."""
        kernel = np.zeros(shape, dtype)
        matrix = kernel.reshape(-1, kernel.shape[-1])
        inputs, outputs = matrix.shape
        rank = min(inputs, outputs)
        place = _rows_from_centre(kernel.shape)
        diagonal = place[:rank], np.arange(rank)
        if inputs == outputs:
            matrix[diagonal] = self.gain
            return kernel

        left = _first_columns(inputs, rank, self.epsilon)
        right = _first_columns(outputs, rank, self.epsilon)
        if self.signs == "householder":
            # It turns all columns of a Q but the last one, so that in the sum over
            # the columns of both only the last of the smaller one disagrees.
            for values in left:
                values[-1] *= -1
            if rank == 1 and self.gain > 0:
                warnings.warn(
                    "LeeQR with signs='householder' makes every weight negative where "
                    "a kernel has one input or one output: a ReLU unit that sees no "
                    "negative input is born dead. signs='gram_schmidt' makes them "
                    f"positive. Received: shape={kernel.shape}",
                    stacklevel=3,
                )
        # W[i, l] is a[i] + b[l] above the diagonal and c[i] + d[l] below it.
        a, b = _above_diagonal(left, right, inputs, outputs)
        d, c = _above_diagonal(right, left, outputs, inputs)
        a, b, c, d, on = (
            (self.gain * vector).astype(kernel.dtype)
            for vector in (a, b, c, d, _on_diagonal(left, right))
        )
        np.add(c[np.argsort(place), None], d, out=matrix)
        for i, row in enumerate(place[:rank]):
            np.add(a[i], b[i + 1 :], out=matrix[row, i + 1 :])
        matrix[diagonal] = on
        return kernel

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the initializer."""
        return {"epsilon": self.epsilon, "signs": self.signs, "gain": self.gain}


def _first_columns(size: int, count: int, epsilon: float) -> Columns:
    """Returns the first columns of `Q_size` with the signs of Gram-Schmidt.

    With `t_j = epsilon ** 2 + j (size + 2 epsilon)`, column `j` is `-(size + epsilon)`
    above the diagonal, `epsilon + t_(j-1)` on it and `epsilon` below, all divided by
    `sqrt(t_(j-1) t_j)`.
    """
    # Numerators and t are divided by scale ** 2, lest a large epsilon overflow them.
    scale = max(1.0, epsilon)
    ratio = epsilon / scale
    t = ratio**2 + np.arange(count + 1) * ((size / scale + 2 * ratio) / scale)
    norm = np.sqrt(t[:-1] * t[1:])
    norm[0] = 1  # For a small epsilon it is 0; column 1 is set below.
    above = np.divide(-(size / scale + ratio) / scale, norm)
    on = (ratio / scale + t[:-1]) / norm
    below = np.divide(ratio / scale, norm)
    # Column 1 is that of J + epsilon I, and has nothing above the diagonal.
    above[0] = 0
    on[0], below[0] = np.array([1 / scale + ratio, 1 / scale]) / np.sqrt(t[1])
    return above, on, below


def _above_diagonal(
    left: Columns, right: Columns, rows: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns `a` and `b` with `W[i, l] = a[i] + b[l]` for `i < l`.

    Column `k` of the two Q adds a product of values that are below the diagonal in
    both for `k < i`, on it in one for `k = i` and `k = l`, above it in the left one
    for `i < k < l`, and above it in both for `k > l`. As sums over `k`, these are a
    sum up to `i` and one from `l`, if that over `i < k < l` is taken as a difference.
    """
    left_above, left_on, left_below = left
    right_above, right_on, right_below = right
    between = left_above * right_below
    a = _before(left_below * right_below) + left_on * right_below - between.cumsum()
    b = _before(between) + left_above * right_on + _after(left_above * right_above)
    # Past the last column of the smaller Q nothing but the middle sum is left.
    rank = len(between)
    return (
        np.append(a, np.zeros(rows - rank)),
        np.append(b, np.full(columns - rank, between.sum())),
    )


def _on_diagonal(left: Columns, right: Columns) -> np.ndarray:
    above, on, below = (x * y for x, y in zip(left, right, strict=True))
    return _before(below) + on + _after(above)


def _before(terms: np.ndarray) -> np.ndarray:
    """Returns the sum of the terms before each."""
    return np.cumsum(terms) - terms


def _after(terms: np.ndarray) -> np.ndarray:
    """Returns the sum of the terms after each."""
    return _before(terms[::-1])[::-1]


def _rows_from_centre(shape: tuple[int, ...]) -> np.ndarray:
    """Returns the rows of a kernel's matrix, those of the centre tap first."""
    distance = np.zeros(())
    for size in shape[:-2]:
        from_centre = np.arange(size) - (size - 1) // 2
        distance = np.add.outer(distance, from_centre**2)
    taps = np.argsort(distance, axis=None, kind="stable")
    return np.add.outer(taps * shape[-2], np.arange(shape[-2])).ravel()
