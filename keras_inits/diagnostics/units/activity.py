"""Activity: what the units of a network do over some samples."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.diagnostics.units.observer import Recorder
from keras_inits.diagnostics.units.states import STATES, LayerActivity
from keras_inits.diagnostics.units.statistics import Columns
from keras_inits.inspection import keras_private
from keras_inits.inspection.batches import batches, check_inputs, evaluate
from keras_inits.population import Population
from keras_inits.utils.table import ResultTable, TableResult

_FEW_BATCHES = 4  # So many take less time than a graph for them, and for the last one.


class Activity(TableResult, list[LayerActivity]):
    """What the units of each layer did over some samples.

    It is a list of `LayerActivity`, which prints as a table of the part of the units in
    each state; in a `Population` of means over the members.
    """

    def to_table(self) -> ResultTable:
        """Returns the table."""
        columns = ["layer", "units", *STATES, "inactive", "mean", "sd"]
        rows = [
            [
                f"{layer.layer}, {layer.activation}",
                layer.unit_mean.shape[-1],
                *(float(np.mean(value)) for value in layer.quantities().values()),
            ]
            for layer in self
        ]
        return ResultTable(columns, rows)


def activity(
    model: keras.Model,
    x: Any,
    batch_size: int = 256,
    layers: Sequence[str] | None = None,
) -> Activity:
    """Tells which units of a network are dead, saturated, constant or duplicates.

    The network is evaluated on `x` as in inference, and nothing in it is changed. A
    unit is a neuron, a channel of a convolution or a unit of a recurrent layer, taken
    over all places and time steps; masked steps count with what Keras returns there.
    All layers that have an activation, and layers that are one, are looked at.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import diagnostics
    >>> kernel = np.array([[1.0, -1.0, 0.0, 1.0]])
    >>> layer = keras.layers.Dense(4, "relu", name="relu")
    >>> model = keras.Sequential([keras.Input((1,)), layer])
    >>> layer.set_weights([kernel, np.array([0.0, 0.0, 2.0, 0.0])])
    >>> relu, = diagnostics.activity(model, np.array([[1.0], [2.0]]))
    >>> print(relu.dead.nonzero(), relu.constant.nonzero(), relu.duplicate.nonzero())
    (array([1]),) (array([2]),) (array([0, 3]),)

    Args:
        model: A built model, or a `Population`.
        x: Inputs, as `keras.Model.predict` takes them: an array `(samples, ...)`, or a
            list or dictionary of arrays.
        batch_size: Samples that are evaluated at a time. Defaults to `256`.
        layers: Names of the layers to look at. Defaults to all with an activation.

    Returns:
        A list with one `LayerActivity` a layer, in the order in which they are
        evaluated; it prints as a table. A layer that is fed twice counts once if it has
        weights, and else once a call.

    Raises:
        ValueError: If the model cannot take `x`, if `x` has no sample, if a name is
            unknown, or if no layer has an activation.
    """
    recorder = Recorder(model, layers)
    samples = check_inputs(model, x)
    layouts: list[tuple[Columns, ...]] = []

    def evaluated(part: Any, batch: Any) -> Any:
        _, layout, added = recorder(functools.partial(evaluate, model, part), batch)
        layouts.append(layout)  # That of a graph is known since it was traced.
        return added

    if isinstance(model, Population) and samples > _FEW_BATCHES * batch_size:
        # Without a graph it would be mapped over the members anew for each batch.
        evaluated = keras_private.compiled(evaluated)
    statistics: dict[tuple[Columns, ...], np.ndarray] = {}
    for batch, part in enumerate(batches(x, batch_size)):
        part = tree.map_structure(ops.convert_to_tensor, part)
        added = evaluated(part, ops.convert_to_tensor(batch, "float32"))
        added = ops.convert_to_numpy(added).astype("float64")
        statistics[layouts[-1]] = statistics.get(layouts[-1], 0) + added
    return Activity(recorder.read(statistics))
