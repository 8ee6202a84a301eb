"""What a batch adds to the totals of each unit, from which its state is told."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from keras_inits.inspection.hooks import LayerCall

ROWS = 9
"""Of totals: samples, batches, sum, three projections, squares, active and varying.

All are sums, so that those of batches, devices and calls of a layer are added. Each
position of a convolution, and each step of a recurrent layer, is a part of a sample.
"""

SLOPE = 0.05
"""A logistic or tanh unit is active where its slope is above this part of the largest.

Glorot and Bengio (2010) name saturated units, whose slope vanishes, as what keeps deep
networks from learning, and leave open where saturation begins.
"""

TOLERANCE = 1e-5
"""Outputs that differ by less than this part of their size are equal.

That is what is left of float32 after the sums of a layer; half precision has less.
"""

UNSEEN = "unseen"
"""Kind of a function whose slope outputs do not tell and whose logits are not known."""

_TOLERANCES = {"float16": 2.0**-8, "bfloat16": 2.0**-5}

# A unit is active where its slope is not zero. These are told by their outputs; NaN
# counts as active.
_ACTIVE: dict[str, Callable[[Any], Any]] = {
    "logistic": lambda y: ops.logical_not(y * (1 - y) <= SLOPE / 4),
    "tanh": lambda y: ops.logical_not(1 - y * y <= SLOPE),
    # By both ends: the distance from the middle would round small outputs to an end.
    "relu6": lambda y: ops.logical_not(ops.logical_or(y <= 0, y >= 6)),
    "hard logistic": lambda y: ops.logical_not(ops.logical_or(y <= 0, y >= 1)),
    "hard tanh": lambda y: ops.logical_not(ops.abs(y) >= 1),
}
_ALWAYS_ACTIVE = ("linear", "along units", UNSEEN)
# Any other function is flat where a step to one side, relative to the size of what it
# is applied to, changes it by less than the second number times the step.
_STEP, _FLAT = 1e-3, 1e-6

# Frequencies over samples and over batches that no period in the data will meet.
_FREQUENCIES = ([2.399963, 1.078689, 0.724620], [0.618034, 1.754878, 2.236068])


class Watched(NamedTuple):
    """A layer whose units are watched.

    Args:
        name: What it is called.
        activation: Its activation, a function or a layer.
        function: Name of the activation.
        kind: From `kind_of`.
    """

    name: str
    activation: Any
    function: str
    kind: str


class Columns(NamedTuple):
    """Says whose totals some columns are.

    Args:
        order: Place of the layer's call among all calls.
        layer: Name of the layer, with the number of the call where that matters.
        units: How many columns there are.
        function: Name of the activation.
        kind: From `kind_of`, or `UNSEEN`.
    """

    order: int
    layer: str
    units: int
    function: str
    kind: str


class _Part(NamedTuple):
    """One call of a layer: outputs `(samples, units)` or `(samples, places, units)`.

    Those of one group have the same samples, and are measured together.
    """

    columns: Columns
    outputs: Any
    logits: Any
    activation: Any
    tolerance: float
    group: tuple[int, ...]


def unit_statistics(
    calls: Sequence[LayerCall],
    watched: dict[int, Watched],
    batch: Any,
    same_samples: bool,
) -> tuple[tuple[Columns, ...], Any]:
    """Returns what one batch adds to the totals of all units.

    Args:
        calls: From `observed`.
        watched: What is known of each layer, by its `id`.
        batch: How many batches came before, a scalar.
        same_samples: Whether all tensors are known to have one row for each sample.

    Returns:
        Whose the columns are, and the totals `(ROWS, columns)`.
    """
    counts: Counter[int] = Counter()
    parts = []
    for order, call in enumerate(calls):
        counts[id(call.layer)] += 1
        count = counts[id(call.layer)]
        part = _part(order, count, call, watched[id(call.layer)])
        if part is not None and same_samples and len(part.outputs.shape) == 2:
            part = part._replace(group=(count,))
        if part is not None:
            parts.append(part)
    # A network of a hundred small layers is measured as one wide layer.
    parts.sort(key=lambda part: (part.group, part.columns.kind))
    groups = [list(g) for _, g in itertools.groupby(parts, lambda part: part.group)]
    layout = tuple(part.columns for group in groups for part in group)
    return layout, _joined([_measured(group, batch) for group in groups])


def _part(order: int, count: int, call: LayerCall, watched: Watched) -> _Part | None:
    """Returns what to measure of a call, `None` if it returned no single tensor."""
    layer, kind, name = call.layer, watched.kind, watched.name
    outputs, logits = call.unit_outputs, call.logits
    if watched.activation is layer:
        logits = call.inputs
    elif logits is None:
        loops = isinstance(layer, layers.RNN | layers.TimeDistributed)
        # Others apply their activation twice, or not at all.
        if not loops or kind not in ("relu", *_ACTIVE, *_ALWAYS_ACTIVE):
            kind = UNSEEN
    if not keras.ops.is_tensor(outputs):
        return None
    if count > 1 and not getattr(layer, "weights", ()):
        # What has no weights has other units each time that it is fed.
        name = f"{name}#{count}"
    tolerance = _TOLERANCES.get(
        keras.backend.standardize_dtype(outputs.dtype), TOLERANCE
    )
    first = getattr(layer, "data_format", None) == "channels_first"
    outputs = _units_last(outputs, first)
    if logits is not None:
        logits = _units_last(logits, first)
    columns = Columns(order, name, outputs.shape[-1], watched.function, kind)
    return _Part(
        columns, outputs, logits, watched.activation, tolerance, (count, order)
    )


def _units_last(x: Any, channels_first: bool) -> Any:
    if channels_first:
        x = ops.moveaxis(x, 1, -1)
    x = ops.cast(x, "float32")
    if len(x.shape) == 2:
        return x
    units = x.shape[-1] if len(x.shape) > 1 else 1
    return ops.reshape(x, (ops.shape(x)[0], -1, units))


def _measured(group: Sequence[_Part], batch: Any) -> Any:
    """Returns the totals of parts that have the same samples.

    Outputs are read twice, for one product and for the squares: a large convolution
    has so many of them that a third time would be felt.
    """
    y = _joined([part.outputs for part in group])
    samples = ops.shape(y)[0]
    waves = _waves(samples, batch)
    sums = ops.matmul(waves, ops.reshape(y, (samples, -1)))
    size = ops.cast(samples, "float32")
    # By as much a unit that varies by the tolerance would differ from a constant one.
    tolerance = max(part.tolerance for part in group) / ops.sqrt(size)
    rest = sums - sums[:1] / size * ops.sum(waves, axis=1, keepdims=True)
    varies = ops.logical_not(ops.abs(rest) <= tolerance * ops.abs(sums[:1]))
    varies = ops.any(varies, axis=0)
    if len(y.shape) == 2:
        squares = ops.sum(y * y, axis=0)
    else:
        units, places = y.shape[-1], ops.shape(y)[1]
        flat, width = ops.reshape(y, (1, -1)), ops.cast(places, "float32")
        # That of the layer, shared out evenly.
        square = ops.matmul(flat, ops.transpose(flat))[0, 0] / (units * width)
        squares = ops.ones(units) * square
        sums = ops.reshape(sums, (-1, places, units)) * _waves(places, 0.0)[:, :, None]
        # The first is a mean over places; the others are as large as if each place
        # were a sample.
        scale = ops.stack([width, *[ops.sqrt(width)] * (3)])
        sums = ops.sum(sums, axis=1) / scale[:, None]
        varies = ops.any(ops.reshape(varies, (places, units)), axis=0)
    one = ops.ones_like(sums[:1])
    return ops.concatenate(
        [
            size * one,
            one,
            sums,
            squares[None],
            _active(group, y, sums[0])[None],
            ops.cast(varies, "float32")[None],
        ]
    )


def _active(group: Sequence[_Part], y: Any, total: Any) -> Any:
    """Returns the number of samples on which each unit is active.

    Of units that do not saturate it is only looked whether there are any, and ReLU
    units were active if their outputs have a sum.
    """
    active, start = [], 0
    for kind, parts in itertools.groupby(group, lambda part: part.columns.kind):
        alike = list(parts)
        stop = start + sum(part.columns.units for part in alike)
        if kind == "relu":
            active.append(ops.cast(ops.logical_not(total[start:stop] <= 0), "float32"))
        elif kind in _ALWAYS_ACTIVE:
            active.append(ops.ones_like(total[start:stop]))
        elif kind in _ACTIVE:
            active.append(_samples(_ACTIVE[kind](y[..., start:stop])))
        else:
            active += [_samples(_sloping(part)) for part in alike]
        start = stop
    return _joined(active)


def _samples(active: Any) -> Any:
    """Counts the samples on which units are active, a place as a part of one."""
    places = ops.shape(active)[1] if len(active.shape) > 2 else 1
    active = ops.cast(ops.reshape(active, (-1, active.shape[-1])), "float32")
    return ops.sum(active, axis=0) / ops.cast(places, "float32")


def _sloping(part: _Part) -> Any:
    """Tells where a function has a slope to both sides, by a step to each.

    At a kink, as of ReLU at zero, the slope counts as zero, as it does in training.
    """
    function, x = part.activation, part.logits
    if isinstance(function, keras.Layer):
        function = function.call  # Without what else calling a layer does.
    step = _STEP * (1 + ops.abs(x))
    below, at, above = (function(z) for z in (x - step, x, x + step))
    flat = ops.minimum(ops.abs(at - below), ops.abs(above - at)) <= _FLAT * step
    return ops.logical_not(flat)


def _waves(length: Any, start: Any) -> Any:
    """Returns a constant and three waves of mean square one, `(4, length)`.

    Units are compared by their projections on them: that of a difference is about as
    large as its norm, and it can hardly vanish on three waves and the mean at once.
    """
    place = ops.cast(ops.arange(length), "float32")
    along, between = (ops.convert_to_tensor(f, "float32") for f in _FREQUENCIES)
    phases = along[:, None] * place + between[:, None] * start
    waves = math.sqrt(2) * ops.cos(phases)
    # What a GPU multiplies in half precision it must not round.
    waves = ops.cast(ops.cast(waves, "bfloat16"), "float32")
    return ops.concatenate([ops.ones_like(phases[:1]), waves])


def _joined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)
