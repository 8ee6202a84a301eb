"""Second derivatives of a loss as linear operators, known by their products alone."""

from typing import Any

import keras
import numpy as np
from scipy.sparse.linalg import LinearOperator

from keras_inits.diagnostics.curvature.objective import Objective


class CurvatureOperator(LinearOperator):
    """A symmetric matrix over the weights of a network, or the block of one layer.

    It is a `scipy.sparse.linalg.LinearOperator` at the weights that the model has when
    it is made. A subclass says in `product` what the whole matrix does to a vector.

    Args:
        objective: The loss as a function of the weights.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`, for the block on the diagonal of its weights. Defaults to
            `None`: all trainable weights.

    Raises:
        ValueError: If the layer is unknown.
    """

    def __init__(
        self, objective: Objective, layer: str | keras.Layer | None = None
    ) -> None:
        """Starts the count of products."""
        self.objective = objective
        self._mask = objective.weight_mask(layer)
        self._weights = objective.weights
        super().__init__(np.dtype("float64"), (int(self._mask.sum()),) * 2)
        self.num_matvecs = 0
        """How many products have been asked for."""

    def product(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Returns the product of the whole matrix with a vector, at some weights."""
        raise NotImplementedError

    def quadratic_form(self, direction: Any) -> float:
        """Returns `g^T A g`.

        Args:
            direction: `g`, of the shape of the weights or all in one vector.
        """
        g = np.reshape(direction, -1).astype("float64")
        return float(g @ self.matvec(g))

    def _matvec(self, vector: np.ndarray) -> np.ndarray:
        whole = np.zeros(len(self._mask))
        whole[self._mask] = np.ravel(vector)
        self.num_matvecs += 1
        return self.product(whole, self._weights)[self._mask]

    def _adjoint(self) -> "CurvatureOperator":
        return self


class HessianOperator(CurvatureOperator):
    """The Hessian `H_w` of a loss: its second derivative by the weights.

    Penalties on weights are included. A product is exact, and costs a few gradients.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, use_bias=False, name="dense")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")  # Its Hessian is 2 X^T X / samples.
    >>> x = np.array([[3.0, 0.0], [0.0, 1.0]])
    >>> objective = diagnostics.Objective(model, x, np.zeros((2, 1)))
    >>> print(diagnostics.HessianOperator(objective) @ np.array([1.0, 1.0]))
    [9. 1.]

    Args:
        objective: The loss as a function of the weights.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`. Defaults to `None`: all trainable weights.

    Raises:
        ValueError: If the layer is unknown; a product raises it if the loss or its
            second derivatives are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), section 1.2.
    """

    def product(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Returns `H_w v`."""
        return self.objective.hessian_product(vector, weights)


class GaussNewtonOperator(CurvatureOperator):
    """The Gauss-Newton matrix of a loss: theorem 1 of Skorski.

    It is the right-hand side of the theorem, `v^T H_z v` with `v = B A g F`: the change
    `v` of `z` that a change `g` of the weights makes, weighed by the Hessian `H_z` of
    the loss with respect to `z`, and averaged over samples. What it leaves out of the
    Hessian is the curvature of `z` itself. With respect to the weights of one layer
    there is none where all activations between them and `z` are piecewise linear, as
    ReLU is: the two are then equal. Penalties on weights are left out.

    The paper has `z`, the output of the network, come from an elementwise activation.
    Softmax is not one, and has a curvature, so that an `Objective` takes `z` by
    default before the last activation, which is then a part of the loss.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> relu = keras.layers.Dense(8, "relu", name="relu")
    >>> model = keras.Sequential([keras.Input((3,)), relu, keras.layers.Dense(2)])
    >>> model.compile(loss="mse")
    >>> x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    >>> objective = diagnostics.Objective(model, x, y[:, :2])
    >>> gauss_newton, hessian = (
    ...     diagnostics.eigenvalues(operator(objective, "relu")).norm
    ...     for operator in (
    ...         diagnostics.GaussNewtonOperator, diagnostics.HessianOperator
    ...     )
    ... )
    >>> bool(np.isclose(gauss_newton, hessian, rtol=1e-4))
    True

    Args:
        objective: The loss as a function of the weights, of a model with one output.
        layer: A layer, its name, or that of one of its weights, such as
            `"dense/kernel"`, which is the paper's `w`. Defaults to `None`: all
            trainable weights.

    Raises:
        ValueError: If the layer is unknown; a product raises it if the model has
            several outputs, or if the loss or its derivatives are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorem 1, equation 4, and
        remark 1.
    """

    def product(self, vector: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Returns the product of the Gauss-Newton matrix with `v`."""
        return self.objective.gauss_newton_product(vector, weights)
