"""Input-output Jacobians: how much layers and networks stretch what they are fed."""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.diagnostics.curvature.autodiff import check_backend, compiled, jvp, vjp
from keras_inits.inspection.batches import check_inputs, evaluate, evenly_spaced
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.layers import check_model, leaf_layers
from keras_inits.utils.lanczos import TOLERANCE, lanczos
from keras_inits.utils.table import ResultTable, TableResult
from keras_inits.utils.validation import check_real


@dataclass(frozen=True)
class LayerJacobian:
    """Singular values of the Jacobian of a layer, over some samples.

    Args:
        layer: Name of the layer; `name#2` for its second call.
        singular_values: The leading ones, largest first, each a mean over samples.
        sd: Their standard deviations over samples.
    """

    layer: str
    singular_values: tuple[float, ...]
    sd: tuple[float, ...]

    @property
    def norm(self) -> float:
        """The spectral norm, a mean over samples."""
        return self.singular_values[0]


@dataclass(frozen=True)
class Jacobians(TableResult):
    """Singular values of the Jacobians of a network and its layers.

    Args:
        layers: One row a layer, in the order in which they are evaluated.
        network: Those of the whole network; `None` if its inputs are integers.
        skipped: By name, layers that have no Jacobian, and why.
    """

    layers: tuple[LayerJacobian, ...]
    network: LayerJacobian | None
    skipped: dict[str, str]

    def to_table(self) -> ResultTable:
        """Returns the singular values, mean and standard deviation over samples."""
        jacobians = [*self.layers, *([] if self.network is None else [self.network])]
        count = max((len(row.singular_values) for row in jacobians), default=1)
        columns = ["layer"]
        for number in range(1, count + 1):
            columns += [f"σ{number}", "± sd"]
        rows = [
            [
                row.layer,
                *(
                    value
                    for pair in zip(row.singular_values, row.sd, strict=True)
                    for value in pair
                ),
                *[None] * (2 * (count - len(row.singular_values))),
            ]
            for row in jacobians
        ]
        after = [f"no Jacobian: {name}: {why}" for name, why in self.skipped.items()]
        return ResultTable(columns, rows, after=after, digits=4)


def jacobian(model: keras.Model, x: Any, k: int = 1, samples: int = 64) -> Jacobians:
    """Measures how much each layer and the whole network stretch a change of input.

    The Jacobian `J` of a layer is the derivative of what it returns by what it is fed,
    activation included: `diag(f'(z)) W^T` of a dense layer. Its largest singular value,
    the spectral norm, is the largest factor on a small change. `J` is never formed:
    products `J v` and `J^T u` are enough for the Lanczos method.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> layer = keras.layers.Dense(2, "relu", name="dense")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> layer.set_weights([np.diag([3.0, -1.0]), np.zeros(2)])
    >>> jacobians = diagnostics.jacobian(model, np.array([[1.0, 1.0], [-1.0, -1.0]]))
    >>> print(round(jacobians.network.norm, 4), round(jacobians.network.sd[0], 4))
    2.0 1.0

    Args:
        model: A built model.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        k: How many singular values, at least 1. Defaults to `1`, the spectral norm.
        samples: How many samples to take at most, at even distances. Defaults to `64`.

    Returns:
        A row for each layer, those without weights included, and for the network. A
        layer with several inputs is differentiated by all that its first argument
        holds.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not built or cannot take `x`; if `k` or `samples`
            is less than 1; if a Jacobian is not finite; or if the backend is PyTorch.
    """
    check_backend()
    check_model(model)
    k = int(check_real("k", k, least=1))
    samples = int(check_real("samples", samples, least=1))
    chosen = evenly_spaced(check_inputs(model, x), samples)
    x = tree.map_structure(lambda a: ops.convert_to_tensor(np.asarray(a)[chosen]), x)
    skipped: dict[str, str] = {}

    def row(name: str, call: LayerCall) -> LayerJacobian | None:
        reason = objection(call, len(chosen))
        if reason is not None:
            skipped[name] = reason
            return None
        # A layer is evaluated faster than it is compiled.
        values = singular_values(call, k, compile=call.layer is model)
        means, deviations = values.mean(axis=0), values.std(axis=0)
        return LayerJacobian(name, tuple(means.tolist()), tuple(deviations.tolist()))

    calls, outputs = evaluate_calls(model, x)
    rows = [row(*pair) for pair in zip(call_names(calls), calls, strict=True)]
    whole = LayerCall(
        model, x, outputs, None, outputs, functools.partial(evaluate, model)
    )
    network = row(model.name, whole)
    return Jacobians(tuple(r for r in rows if r is not None), network, skipped)


def call_names(calls: Sequence[LayerCall]) -> list[str]:
    """Names calls by their layers, `name#2` in the second one of a layer."""
    counts: Counter[keras.Layer] = Counter()
    names = []
    for call in calls:
        counts[call.layer] += 1
        count = counts[call.layer]
        names.append(call.layer.name if count == 1 else f"{call.layer.name}#{count}")
    return names


def evaluate_calls(model: keras.Model, x: Any) -> tuple[list[LayerCall], Any]:
    """Evaluates a model; returns the calls of its leaf layers, and its outputs."""
    calls: list[LayerCall] = []
    with observed(leaf_layers(model), calls.append):
        outputs = evaluate(model, x)
    return calls, outputs


def singular_values(call: LayerCall, k: int = 1, compile: bool = False) -> np.ndarray:
    """Returns leading singular values of a Jacobian for each sample, `(samples, k)`.

    Args:
        call: A call whose inputs and outputs have one row a sample.
        k: How many; fewer if the Jacobian has fewer.
        compile: Whether to compile the products.
    """
    leaves = tree.flatten(call.inputs)
    moving = [place for place, leaf in enumerate(leaves) if _is_float(leaf)]
    shapes = [tuple(leaves[place].shape) for place in moving]
    ends = np.cumsum([int(np.prod(shape[1:])) for shape in shapes])

    def function(primals: list[Any]) -> Any:
        changed = list(leaves)
        *parts, _ = ops.split(primals[0], ends.tolist(), axis=1)
        for place, shape, part in zip(moving, shapes, parts, strict=True):
            changed[place] = ops.reshape(part, shape)
        return _rows(call.repeat(tree.pack_sequence_as(call.inputs, changed)))

    point = _rows([leaves[place] for place in moving])
    samples, size = point.shape

    def multiply(point: Any, tangent: Any) -> Any:
        _, change = jvp(function, [point], [tangent])
        return vjp(function, [point], change)[1][0]

    if compile:
        multiply = compiled(multiply, [point, point])
    known = np.empty((samples, 0, size))

    def apart(vectors: np.ndarray) -> np.ndarray:
        """Removes what is along the singular vectors that are known."""
        along = np.einsum("nks,ns->nk", known, vectors)
        return vectors - np.einsum("nks,nk->ns", known, along)

    def product(vectors: np.ndarray) -> np.ndarray:
        tangent = ops.convert_to_tensor(apart(vectors), point.dtype)
        result = ops.convert_to_numpy(multiply(point, tangent)).astype("float64")
        if not np.isfinite(result).all():
            raise ValueError(
                "Jacobians must be finite. Received: "
                f"layer={call.layer.name}, with the weights that it has"
            )
        return apart(result)

    rng = np.random.default_rng(0)
    values = []
    for _ in range(min(k, size, _rows(call.outputs).shape[1])):
        # One after the other, since equal singular values are common, as of
        # orthogonal kernels, and the Lanczos method finds one of them.
        start = apart(rng.standard_normal((samples, size)))
        squares, _, vector = lanczos(product, start, size, TOLERANCE)
        values.append(np.sqrt(np.maximum(squares[:, -1], 0)))
        known = np.concatenate([known, vector[:, None]], axis=1)
    return -np.sort(-np.stack(values, axis=1), axis=1)


def objection(call: LayerCall, samples: int) -> str | None:
    """Says why a call has no Jacobian for each sample, if it has none."""
    for name, tensors in (("inputs", call.inputs), ("outputs", call.outputs)):
        leaves = [leaf for leaf in tree.flatten(tensors) if _is_float(leaf)]
        if not leaves:
            return f"its {name} are not floating point numbers"
        if any(len(leaf.shape) < 2 or leaf.shape[0] != samples for leaf in leaves):
            return f"its {name} do not have one row a sample"
    return None


def _is_float(leaf: Any) -> bool:
    return ops.is_tensor(leaf) and keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(leaf.dtype)
    )


def _rows(tensors: Any) -> Any:
    """Returns all floating point numbers in a structure, one row a sample."""
    leaves = [leaf for leaf in tree.flatten(tensors) if _is_float(leaf)]
    flat = [ops.reshape(leaf, (-1, int(np.prod(leaf.shape[1:])))) for leaf in leaves]
    return flat[0] if len(flat) == 1 else ops.concatenate(flat, axis=1)
