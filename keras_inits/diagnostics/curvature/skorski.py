"""The curvature of each layer beside the theorems of Skorski (2020)."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import activations, layers, ops

from keras_inits.diagnostics.curvature.autodiff import jvp, vjp
from keras_inits.diagnostics.curvature.jacobian import (
    call_names,
    evaluate_calls,
    objection,
    singular_values,
)
from keras_inits.diagnostics.curvature.objective import Objective
from keras_inits.diagnostics.curvature.operators import (
    GaussNewtonOperator,
    HessianOperator,
)
from keras_inits.diagnostics.curvature.spectrum import eigenvalues
from keras_inits.inspection.hooks import LayerCall, shadowed
from keras_inits.utils.lanczos import TOLERANCE, lanczos
from keras_inits.utils.table import ResultTable, TableResult
from keras_inits.utils.validation import unknown


@dataclasses.dataclass(frozen=True)
class JacobianBound:
    """Bounds on the norm of the Hessian by the kernel of a dense layer `k`.

    With `P` the product of the norms of the Jacobians of all other layers, times
    `|A|`, the norm of the derivative of the layer's own activation, each for one
    sample and averaged last:

    Args:
        layer: Name of the layer.
        theorem_2: `P`, theorem 2 as the paper has it.
        equation_5: `|H_z| P^2 |z0|^2`, with `z0` the input of the network: what
            equation 5 gives for `v^T H_z v`, of which theorem 2 has neither the square,
            for `v` comes twice, nor the two factors. It takes the layers below to be
            linear.
        bound: `|H_z| (|A| prod_(i>k) |J_i|)^2 |z_k|^2`, with `z_k` the input of the
            layer, as it is, in place of the layers below. It is never less than the
            norm of the Gauss-Newton matrix, and so, in networks of piecewise linear
            activations, never less than that of the Hessian.
    """

    layer: str
    theorem_2: float
    equation_5: float
    bound: float


def jacobian_bound(objective: Objective, layer: str) -> JacobianBound:
    """Bounds the Hessian by the kernel of a layer, by a product of Jacobian norms.

    The norm of a product is at most the product of the norms. That makes of theorem 1
    a bound in which every layer has its factor: theorem 2. It is given as the paper has
    it, and with the factors that it leaves out.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, name="dense", use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")  # |H_z| = 2
    >>> x = np.array([[3.0, 4.0]])
    >>> objective = diagnostics.Objective(model, x, np.zeros((1, 1)))
    >>> diagnostics.jacobian_bound(objective, "dense")
    JacobianBound(layer='dense', theorem_2=1.0, equation_5=50.0, bound=50.0)

    Args:
        objective: The loss of a model whose layers form a chain.
        layer: Name of a dense layer of the chain.

    Raises:
        ValueError: If the layers do not form a chain, or if the loss or its derivatives
            are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorem 2, equation 6.
    """
    bounds = {bound.layer: bound for bound in jacobian_bounds(objective)}
    if layer not in bounds:
        raise unknown("dense layer", layer, bounds, "layer")
    return bounds[layer]


def jacobian_bounds(objective: Objective) -> list[JacobianBound]:
    """Bounds all dense layers of a chain, from the first to the last."""
    sums: dict[str, np.ndarray] = {}
    for size, x, y in objective.batches:
        chain = _chain(objective, size, x)
        norms = np.stack([singular_values(call)[:, 0] for call in chain])
        curvature = _loss_curvature(objective, x, y)
        first = _lengths(chain[0].inputs)
        for place, call in enumerate(chain):
            if not isinstance(call.layer, layers.Dense) or len(call.inputs.shape) > 2:
                continue
            # The last activation is a part of the loss.
            slope = (
                np.ones(size) if call.layer in objective.last_layers else _slope(call)
            )
            above = slope * norms[place + 1 :].prod(axis=0)
            product = above * norms[:place].prod(axis=0)
            terms = (
                product,
                curvature * (product * first) ** 2,
                curvature * (above * _lengths(call.inputs)) ** 2,
            )
            sums[call.layer.name] = sums.get(call.layer.name, 0) + np.sum(terms, axis=1)
    return [
        JacobianBound(name, *(total / objective.samples).tolist())
        for name, total in sums.items()
    ]


def _chain(objective: Objective, size: int, x: Any) -> list[LayerCall]:
    """Returns the calls from the inputs to `z`."""
    calls, outputs = evaluate_calls(objective.model, x)
    ends = [*(call.inputs for call in calls[1:]), outputs]
    for name, call, end in zip(call_names(calls), calls, ends, strict=True):
        again = name != call.layer.name
        if call.outputs is not end or again or objection(call, size):
            raise ValueError(
                "The layers must form a chain: each is fed once, with the floating "
                "point numbers that the one before it returned. Received: "
                f"model={objective.model.name}, where that does not hold at layer "
                f"'{name}'"
            )
    last = calls[-1]
    if last.layer not in objective.last_layers:
        return calls
    if not last.layer.weights:
        return calls[:-1]
    logits = _without_activation(last)
    return [*calls[:-1], dataclasses.replace(last, repeat=logits)]


def _without_activation(call: LayerCall) -> Callable[[Any], Any]:
    def logits(inputs: Any) -> Any:
        with shadowed(call.layer, "activation", activations.linear):
            return call.repeat(inputs)

    return logits


def _slope(call: LayerCall) -> np.ndarray:
    """Returns the norm of the derivative of a layer's activation, for each sample."""
    logits = _without_activation(call)(call.inputs)
    activation = call.layer.activation
    return singular_values(dataclasses.replace(call, inputs=logits, repeat=activation))[
        :, 0
    ]


def _loss_curvature(objective: Objective, x: Any, y: Any) -> np.ndarray:
    """Returns `|H_z|` for each sample."""
    z, activation = objective.last_logits(x)
    samples = z.shape[0]

    def loss(z: list[Any]) -> Any:
        return objective.output_loss(activation(z[0]), x, y)

    def product(vectors: np.ndarray) -> np.ndarray:
        tangent = ops.convert_to_tensor(vectors.reshape(z.shape), z.dtype)
        _, (_, (change,)) = jvp(lambda z: vjp(loss, z), [z], [tangent])
        # The loss of a batch is a mean.
        return samples * ops.convert_to_numpy(change).reshape(samples, -1)

    size = int(np.prod(z.shape[1:]))
    start = np.random.default_rng(0).standard_normal((samples, size))
    return np.abs(lanczos(product, start, size, TOLERANCE)[0]).max(axis=1)


def _lengths(tensor: Any) -> np.ndarray:
    """Returns the norm of each sample."""
    values = ops.convert_to_numpy(tensor).astype("float64")
    return np.linalg.norm(values.reshape(len(values), -1), axis=1)


@dataclasses.dataclass(frozen=True)
class LayerCurvature(JacobianBound):
    """The norm of the Hessian by a kernel, beside what the theorems say of it.

    Beside what `JacobianBound` has:

    Args:
        hessian: Norm of the Hessian.
        gauss_newton: Norm of the Gauss-Newton matrix, theorem 1.
    """

    hessian: float
    gauss_newton: float


@dataclasses.dataclass(frozen=True)
class Curvature(TableResult):
    """The curvature of the loss by the kernel of each dense layer.

    Args:
        rows: One a layer, in order.
        num_matvecs: How many products with Hessian and Gauss-Newton matrix it took.
    """

    rows: tuple[LayerCurvature, ...]
    num_matvecs: int

    def to_dict(self) -> dict[str, Any]:
        """Returns the curvature as plain data, ready for JSON."""
        return dataclasses.asdict(self)

    def to_table(self) -> ResultTable:
        """Returns a table of the norms."""
        names = ["layer", "hessian", "gauss_newton", "bound", "equation_5", "theorem_2"]
        rows = [[getattr(row, name) for name in names] for row in self.rows]
        return ResultTable(names, rows, digits=4)


def curvature(objective: Objective) -> Curvature:
    """Sets Hessian, Gauss-Newton matrix and Jacobian bound beside each other.

    Skorski's claim, layer by layer: the norm of the Hessian by a kernel is about that
    of theorem 1's form, and about bounded by theorem 2's product of Jacobian norms.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(1, name="dense", use_bias=False)
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(loss="mse")
    >>> x, y = np.array([[3.0, 4.0]]), np.zeros((1, 1))
    >>> print(diagnostics.curvature(diagnostics.Objective(model, x, y)))
    layer  hessian  gauss_newton  bound  equation_5  theorem_2
    dense       50            50     50          50          1

    Args:
        objective: The loss of a model whose layers form a chain.

    Raises:
        ValueError: If the layers do not form a chain, or if the loss or its derivatives
            are not finite.

    Reference:
        [Skorski, 2020](https://arxiv.org/abs/2004.09506), theorems 1 and 2.
    """
    rows, num_matvecs = [], 0
    for bound in jacobian_bounds(objective):
        hessian, gauss_newton = (
            eigenvalues(operator(objective, f"{bound.layer}/kernel"))
            for operator in (HessianOperator, GaussNewtonOperator)
        )
        num_matvecs += hessian.num_matvecs + gauss_newton.num_matvecs
        rows.append(
            LayerCurvature(
                **dataclasses.asdict(bound),
                hessian=hessian.norm,
                gauss_newton=gauss_newton.norm,
            )
        )
    return Curvature(tuple(rows), num_matvecs)
