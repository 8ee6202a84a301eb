"""How signal and gradient pass through the layers of a network."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree
from scipy.stats import spearmanr

from keras_inits.calibration.base import measure_weights
from keras_inits.calibration.layers import array
from keras_inits.diagnostics.curvature import Objective
from keras_inits.diagnostics.curvature.autodiff import pullback, vjp
from keras_inits.diagnostics.curvature.training_loss import by_output
from keras_inits.inspection.activations import activation_of
from keras_inits.inspection.hooks import forward_hooks
from keras_inits.inspection.layers import leaf_layers, names

# That of Keras' Adam: gradients below it hardly count.
_EPSILON = 1e-7
# A layer, what it took and what it returned.
_Call = tuple[keras.Layer, Any, Any]
# What is added to the input and to the output of a call.
_Shift = tuple[Any, Any]


@dataclass(frozen=True)
class LayerPropagation:
    """How signal and gradient pass through a layer; what it does not have is NaN.

    Args:
        layer: Its name.
        weight_mean: Mean of its weight matrices.
        weight_sd: Their standard deviation.
        signal_gain: Root mean square of its outputs over that of its inputs.
        varying_gain: The same of their standard deviations over samples: of the part
            of the signal that tells samples apart.
        gradient_gain: Root mean square of the derivative of the loss by its inputs
            over that by its outputs. Of the last layer, by its logits.
        gradient_norm: Norm of the derivative of the loss by its weight matrices.
    """

    layer: str
    weight_mean: float
    weight_sd: float
    signal_gain: float
    varying_gain: float
    gradient_gain: float
    gradient_norm: float


@dataclass(frozen=True)
class Head:
    """What reaches an output of a network.

    Args:
        layer: Name of the last layer with weights ahead of it.
        outputs: Number of its logits.
        effective_rank: Along how many directions samples differ in the inputs of that
            layer: the participation ratio `(sum v)^2 / sum v^2` of the variances `v`
            along the principal axes.
        order: How well the targets are ordered along the line on which samples differ
            most in those inputs: the size of Spearman's rank correlation. NaN where
            there is more than one target a sample.
        constant: Whether it returns the same for all samples, though its logits differ,
            and no change of these changes the loss.
    """

    layer: str
    outputs: int
    effective_rank: float
    order: float
    constant: bool


@dataclass(frozen=True, eq=False)
class Propagation:
    """How signal and gradient pass through a network.

    Args:
        loss: The loss.
        null_loss: That of a network whose logits are 0.
        depth: Number of layers with weight matrices.
        layers: One a layer that has weights or an activation.
        heads: One an output.
        gradient: The derivative of the loss by all trainable weights.
        decrease: By the kinds of `StepRule`, how fast a small step of a learning rate
            of one lowers the loss by what tells samples apart: the derivative by weight
            matrices where the mean over samples is taken off the derivative by the
            logits. Biases, which move all samples alike, do not count.
        logit_sd: How much the logits vary between samples: root mean square, over
            samples, of the norm of what is left without their mean.
        slope_sd: The same of the derivatives of the losses of samples by the logits.
        narrowest: Least number of values that a sample has on its way, before a layer
            with weights.
        unbounded: Whether the slope of the loss by the logits grows with them, as that
            of a squared error does: too high a rate then ends in infinity.
        input_rank: The effective rank of the inputs, as of what reaches a head;
            infinite where they are no floating point numbers.
        finite: Whether all of these are finite.
    """

    loss: float
    null_loss: float
    depth: int
    layers: list[LayerPropagation]
    heads: list[Head]
    gradient: np.ndarray
    decrease: Mapping[str, float]
    logit_sd: float
    slope_sd: float
    narrowest: int
    unbounded: bool
    input_rank: float
    finite: bool


def step_direction(gradient: np.ndarray) -> np.ndarray:
    """Returns the step of Adam's kind, for a learning rate of one, uphill."""
    return gradient / (np.abs(gradient) + _EPSILON)


@np.errstate(over="ignore", invalid="ignore")
def propagate(objective: Objective) -> Propagation:
    """Follows the data of an objective through its network, and the gradient back.

    Args:
        objective: The network, data and loss. Nothing in it is changed.
    """
    x, y = objective.data
    followed = [
        layer
        for layer in leaf_layers(objective.model)
        if layer.trainable_weights or activation_of(layer)
    ]
    calls, (z, activation) = _followed(objective, followed, x)
    parts = [ops.convert_to_tensor(part) for part in tree.flatten(z)]

    def loss(parts: list[Any]) -> Any:
        if not objective.compares:
            return ops.cast(0.0 * ops.sum(parts[0]), objective.variables[0].dtype)
        outputs = activation(tree.pack_sequence_as(z, parts))
        with objective.isolated():
            return objective.output_loss(outputs, x, y)

    value, by_logits = vjp(loss, parts)
    null = float(loss([ops.zeros_like(part) for part in parts]))
    shifts = [tuple(_zeros(part) for part in call[1:]) for call in calls]
    weights = [ops.convert_to_tensor(v.numpy(), v.dtype) for v in objective.variables]

    def logits(primals: list[Any]) -> Any:
        moved = tree.pack_sequence_as(shifts, primals[len(weights) :])
        pairs = list(zip(objective.variables, primals, strict=False))
        with keras.StatelessScope(pairs, collect_losses=True):
            _, (z, _) = _followed(objective, followed, x, moved)
            # Where outputs have no loss, it is what layers add.
            added = [] if objective.compares else [objective.penalties()]
        return [*tree.flatten(z), *added]

    (*_, last), pull = pullback(logits, [*weights, *tree.flatten(shifts)])
    added = []
    if not objective.compares:
        value, added = last, [ops.ones_like(last)]
    slopes = pull([*by_logits, *added])
    apart = [slope - ops.mean(slope, axis=0, keepdims=True) for slope in by_logits]
    centered = [
        array(slope).reshape(-1)
        for variable, slope in zip(
            objective.variables, pull([*apart, *added]), strict=False
        )
        if len(variable.shape) > 1
    ]
    samples = len(parts[0])
    logit_sd = _norm([array(p) - array(p).mean(axis=0) for p in parts]) / samples**0.5
    # That of the mean loss is smaller by the number of samples.
    slope_sd = _norm(map(array, apart)) * samples**0.5
    by_shift = tree.pack_sequence_as(shifts, slopes[len(weights) :])
    of_last = {
        id(last): slope
        for last, slope in zip(objective.last_layers, by_logits, strict=True)
    }
    back = [
        (before, of_last.get(id(layer), after))
        for (layer, *_), (before, after) in zip(calls, by_shift, strict=True)
    ]
    by_weight = dict(zip(map(id, objective.variables), slopes, strict=False))
    gradient = np.concatenate([array(s).reshape(-1) for s in slopes[: len(weights)]])
    slope = np.concatenate(centered) if centered else np.zeros(1)
    numbers = [float(value), logit_sd, slope_sd, gradient.sum(), slope.sum()]
    return Propagation(
        loss=float(value),
        null_loss=null,
        depth=sum(
            any(len(w.shape) > 1 for w in layer.trainable_weights) for layer in followed
        ),
        layers=_rows(objective.model, calls, back, by_weight),
        heads=_heads(objective, calls, parts, by_logits, activation(z), y),
        gradient=gradient,
        decrease={
            "gradient": float(slope @ slope),
            "sign": float(slope @ step_direction(slope)),
        },
        logit_sd=logit_sd,
        slope_sd=slope_sd,
        narrowest=min(
            _values_a_sample(call[1]) for call in calls if call[0].trainable_weights
        ),
        unbounded=_is_unbounded(loss, parts),
        input_rank=_rank_of_inputs(x),
        finite=bool(np.isfinite(numbers).all()),
    )


def _heads(
    objective: Objective,
    calls: Sequence[_Call],
    logits: Sequence[Any],
    slopes: Sequence[Any],
    structure: Any,
    y: Any,
) -> list[Head]:
    """Describes what reaches each output, and the target of it."""
    targets = by_output(y, objective.model, structure)
    layer_names = names(objective.model)
    weighted = [call for call in calls if call[0].trainable_weights]
    outputs = tree.flatten(structure)
    heads = []
    for place, last in enumerate(objective.last_layers):
        # The layer of its own; where it has none, the last of all.
        own = [call for call in weighted if call[0] is last]
        layer, features, _ = (own or weighted)[-1]
        target = targets[place] if len(targets) == len(logits) else None
        z, output = array(logits[place]), array(outputs[place])
        flat = not array(slopes[place]).any() and bool((output == output[:1]).all())
        heads.append(
            Head(
                layer=layer_names[layer],
                outputs=int(np.prod(z.shape[1:])),
                effective_rank=_effective_rank(features),
                order=_order_along_a_line(features, target),
                constant=flat and bool((z != z[:1]).any()),
            )
        )
    return heads


def _rows(
    model: keras.Layer,
    calls: Sequence[_Call],
    back: Sequence[_Shift],
    by_weight: Mapping[int, Any],
) -> list[LayerPropagation]:
    """Describes each layer over all of its calls.

    Args:
        model: The model.
        calls: From `_followed`.
        back: Of each call, the derivatives of the loss by its input and output.
        by_weight: The derivatives by weights, by `id`.
    """
    layer_names = names(model)
    rows = []
    for layer in dict.fromkeys(call[0] for call in calls):
        own = [place for place, call in enumerate(calls) if call[0] is layer]
        inputs, outputs = ([calls[place][end] for place in own] for end in (1, 2))
        by_inputs, by_outputs = ([back[place][end] for place in own] for end in (0, 1))
        moments = measure_weights([layer])[0] if layer.trainable_weights else {}
        matrices = [w for w in layer.trainable_weights if len(w.shape) > 1]
        norms = [np.linalg.norm(array(by_weight[id(w)])) for w in matrices]
        rows.append(
            LayerPropagation(
                layer=layer_names[layer],
                weight_mean=moments.get("weight mean", np.nan),
                weight_sd=moments.get("weight sd", np.nan),
                signal_gain=_ratio(outputs, inputs, lambda a: a**2),
                varying_gain=_ratio(
                    outputs, inputs, lambda a: (a - a.mean(axis=0)) ** 2
                ),
                gradient_gain=_ratio(by_inputs, by_outputs, lambda a: a**2),
                gradient_norm=float(np.linalg.norm(norms)) if norms else np.nan,
            )
        )
    return rows


def _is_unbounded(loss: Callable[[list[Any]], Any], logits: list[Any]) -> bool:
    """Tells whether slopes grow as logits do, between two sizes that are large."""
    sizes = [1.0 + float(np.abs(array(part)).max()) for part in logits]
    slopes = []
    for far in (10.0, 1000.0):
        moved = [
            ops.convert_to_tensor(part) / size * far
            for part, size in zip(logits, sizes, strict=True)
        ]
        slopes.append(_norm(map(array, vjp(loss, moved)[1])))
    return bool(np.isfinite(slopes[1]) and slopes[1] > 10 * slopes[0] > 0)


def _rank_of_inputs(x: Any) -> float:
    parts = tree.flatten(x)
    if not all(map(_is_float, parts)):
        return np.inf
    return _effective_rank(
        np.concatenate([array(part).reshape(len(part), -1) for part in parts], axis=1)
    )


def _effective_rank(features: Any) -> float:
    """Returns the participation ratio of what varies between samples."""
    rows = array(features).reshape(len(features), -1)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = rows - rows.mean(axis=0)
        largest = np.abs(rows).max()
        if not (np.isfinite(largest) and largest > 0):
            return 0.0
        rows /= largest
        # Both have the same eigenvalues but for zeros.
        few = len(rows) < rows.shape[1]
        products = rows @ rows.T if few else rows.T @ rows
    return float(np.trace(products) ** 2 / (products**2).sum())


def _order_along_a_line(features: Any, target: Any) -> float:
    if target is None or np.size(target) != len(target):
        return np.nan
    rows = array(features).reshape(len(features), -1)
    target = array(target).ravel()
    if not np.isfinite(rows).all() or np.ptp(target) == 0:
        return np.nan
    rows = rows - rows.mean(axis=0)
    line = np.linalg.svd(rows, full_matrices=False)[2][0]
    along = rows @ line
    return float(abs(spearmanr(along, target).statistic)) if np.ptp(along) > 0 else 0.0


def _values_a_sample(features: Any) -> int:
    return sum(int(np.prod(part.shape[1:])) for part in tree.flatten(features))


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return float(np.sqrt(sum((a**2).sum() for a in arrays)))


def _followed(
    objective: Objective,
    followed: Sequence[keras.Layer],
    x: Any,
    shifts: Sequence[_Shift] = (),
) -> tuple[list[_Call], tuple[Any, Callable[[Any], Any]]]:
    """Returns the calls of layers, in order, and what `last_logits` returns.

    Args:
        objective: The network.
        followed: The layers.
        x: Inputs of the network.
        shifts: What is added to the inputs and outputs of each call.
    """
    calls: list[_Call] = []

    def hook(
        layer: keras.Layer, call: Any, inputs: Any, *args: Any, **kwargs: Any
    ) -> Any:
        before, after = shifts[len(calls)] if shifts else (None, None)
        if before is not None and _is_float(inputs):
            inputs = inputs + before
        calls.append((layer, inputs, None))
        place = len(calls) - 1
        outputs = call(inputs, *args, **kwargs)
        if after is not None and _is_float(outputs):
            outputs = outputs + after
        calls[place] = (layer, inputs, outputs)
        return outputs

    with forward_hooks(followed, hook):
        return calls, objective.last_logits(x)


def _is_float(value: Any) -> bool:
    return ops.is_tensor(value) and keras.backend.is_float_dtype(
        keras.backend.standardize_dtype(value.dtype)
    )


def _zeros(value: Any) -> Any:
    return ops.zeros_like(value) if _is_float(value) else ops.zeros(())


def _ratio(
    above: Sequence[Any],
    below: Sequence[Any],
    square: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Returns the ratio of root mean squares, NaN where there is none."""
    means = []
    for tensors in (above, below):
        if not all(_is_float(tensor) for tensor in tensors):
            return np.nan
        squares = [np.ravel(square(array(tensor))) for tensor in tensors]
        means.append(np.concatenate(squares).mean())
    return float(np.sqrt(means[0] / means[1])) if means[1] > 0 else np.nan
