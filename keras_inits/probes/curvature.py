"""The curvature of each layer, beside what theory says of it."""

from dataclasses import asdict, dataclass
from typing import Any

import keras

from keras_inits.probes.jacobian_bound import jacobian_bounds
from keras_inits.probes.objective import Objective, as_objective
from keras_inits.probes.spectrum import Block, leading


@dataclass(frozen=True)
class LayerCurvature:
    """The norm of the Hessian by a kernel, beside what the theorems say of it.

    Args:
        layer: Name of the layer.
        hessian: Norm of the Hessian.
        gauss_newton: Norm of the Gauss-Newton matrix, theorem 1.
        bound: From `JacobianBound`.
        linear: From `JacobianBound`.
        printed: From `JacobianBound`.
    """

    layer: str
    hessian: float
    gauss_newton: float
    bound: float
    linear: float
    printed: float


@dataclass(frozen=True)
class Curvature:
    """The curvature of the loss by the kernel of each dense layer.

    Args:
        rows: One a layer, in order.
        products: How many products with Hessian and Gauss-Newton matrix it took.
    """

    rows: tuple[LayerCurvature, ...]
    products: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the curvature as plain data, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Returns a table of the norms."""
        names = ["layer", "hessian", "gauss_newton", "bound", "linear", "printed"]
        table = [names]
        table += [
            [row.layer, *(f"{getattr(row, name):.4g}" for name in names[1:])]
            for row in self.rows
        ]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        return "\n".join(
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in table
        )


def curvature(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    batch_size: int = 1024,
    logits: bool = True,
) -> Curvature:
    """Sets Hessian, Gauss-Newton matrix and Jacobian bound beside each other.

    Skorski's claim, layer by layer: the norm of the Hessian by a kernel is about that
    of theorem 1's form, and about bounded by theorem 2's product of Jacobian norms.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import probes
    >>> layer = keras.layers.Dense(1, name="dense", use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")
    >>> print(probes.curvature(model, np.array([[3.0, 4.0]]), np.zeros((1, 1))))
    layer  hessian  gauss_newton  bound  linear  printed
    dense       50            50     50      50        1

    Args:
        model: A built model whose layers form a chain, or an `Objective`, which then
            has the data, loss and `logits`.
        x: Inputs, an array `(samples, ...)`.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        batch_size: Samples that are evaluated at a time. Defaults to `1024`.
        logits: Whether `z` is taken before the last activation. Defaults to `True`.

    Raises:
        ValueError: As `hessian` does, or if the layers do not form a chain.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorems 1 and 2.
    """
    objective = as_objective(model, x, y, loss, batch_size, logits)
    weights = objective.weights
    rows, products = [], 0
    for bound in jacobian_bounds(objective):
        places = objective.places(f"{bound.layer}/kernel")
        blocks = [
            leading(Block(product, places, weights), 1)
            for product in (objective.hessian_product, objective.gauss_newton_product)
        ]
        exact, theorem_1 = blocks
        products += exact.products + theorem_1.products
        rows.append(
            LayerCurvature(
                bound.layer,
                exact.norm,
                theorem_1.norm,
                bound.bound,
                bound.linear,
                bound.printed,
            )
        )
    return Curvature(tuple(rows), products)
