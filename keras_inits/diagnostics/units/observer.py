"""Evaluates a model and returns, beside its result, the totals of its units."""

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_inits.diagnostics.units.states import LayerActivity, read
from keras_inits.diagnostics.units.statistics import (
    UNSEEN,
    Columns,
    Watched,
    unit_statistics,
)
from keras_inits.inspection.activations import (
    activation_of,
    activation_operations,
    activations_out_of_sight,
    kind_of,
    name_of,
)
from keras_inits.inspection.hooks import LayerCall, observed
from keras_inits.inspection.keras_private import Functional
from keras_inits.inspection.layers import distinct_names, leaf_layers
from keras_inits.population import Population
from keras_inits.utils.validation import unknown


class Recorder:
    """Adds up what passes through the layers of a model that have an activation.

    The model may be a `Population`: the totals then have a leading axis of members.

    Args:
        model: The model.
        names: Names of layers to watch. Defaults to all that have an activation.

    Raises:
        ValueError: If a name is unknown, or if no layer has an activation.
    """

    def __init__(self, model: keras.Model, names: Sequence[str] | None = None) -> None:
        """Finds the layers and what kind of function each applies."""
        self.model = model
        network = model.network if isinstance(model, Population) else model
        layers = [layer for layer in leaf_layers(network) if activation_of(layer)]
        layers += activation_operations(network)
        known = [layer.name for layer in layers]
        for name in known if names is None else names:
            if name not in known:
                raise unknown("layer with an activation", name, known, "layers")
        if not layers:
            raise ValueError(
                "The model must have a layer with an activation, such as Dense, "
                f"Conv2D, LSTM or Activation. Received: model={model.name}, of "
                f"{sorted({type(layer).__name__ for layer in leaf_layers(network)})}"
            )
        self.layers = [
            layer for layer in layers if names is None or layer.name in names
        ]
        self._watched = {
            id(layer): Watched(
                name, activation, name_of(activation), kind_of(activation)
            )
            for layer, name in zip(layers, distinct_names(layers), strict=True)
            if (activation := activation_of(layer)) is not None
        }
        self._same_samples = _keeps_samples(network)
        self._out_of_sight = activations_out_of_sight(network)
        self._warned = False
        self._by_thread: dict[int, list[LayerCall]] = {}
        self._observation = contextlib.ExitStack()

    def __call__(
        self, function: Callable[[], Any], batch: Any = 0.0
    ) -> tuple[Any, tuple[Columns, ...], Any]:
        """Returns what `function` returns, and totals of what the model did in it.

        Args:
            function: Evaluates the model on one batch.
            batch: How many batches came before, a scalar.

        Returns:
            The result, whose the columns are, and the totals `(ROWS, columns)` or
            `(members, ROWS, columns)`; `None` if the model was not evaluated.
        """
        layout: tuple[Columns, ...] = ()

        def record(evaluate: Callable[[], Any]) -> tuple[Any, Any]:
            nonlocal layout
            with self._calls() as calls:
                result = evaluate()
            if not calls:
                return result, None
            layout, added = unit_statistics(
                calls, self._watched, batch, self._same_samples
            )
            self._warn_of_unseen(layout)
            return result, added

        if not isinstance(self.model, Population):
            result, added = record(function)
            return result, layout, added
        with self.model.recorded(record) as recorded:
            result = function()
        return result, layout, sum(recorded) if recorded else None

    def read(
        self, statistics: Mapping[tuple[Columns, ...], np.ndarray]
    ) -> list[LayerActivity]:
        """Tells the states of units from the totals of batches.

        ReLU makes 0 of NaN on some processors: a layer that is wholly dead is looked at
        once more, for its weights.

        Args:
            statistics: Sums of what calls have returned, by whose the columns are.
        """
        return [
            activity.with_nonfinite(self._nonfinite(activity.layer))
            if activity.dead.all(axis=-1).any()
            else activity
            for activity in read(statistics)
        ]

    def _nonfinite(self, name: str) -> np.ndarray:
        """Tells whether a layer has weights that are not finite, `(members,)` or ()."""
        model, axes = self.model, slice(None)
        layer = next(
            layer
            for layer in self.layers
            if self._watched[id(layer)].name == name.split("#")[0]
        )
        weights = [
            ops.convert_to_tensor(weight) for weight in getattr(layer, "weights", [])
        ]
        if weights and isinstance(model, Population):
            weights, axes = model.weights_of(layer), slice(1, None)
        bad = [
            ~np.isfinite(values).all(axis=tuple(range(values.ndim))[axes])
            for weight in weights
            for values in [ops.convert_to_numpy(ops.cast(weight, "float32"))]
        ]
        return np.any(bad, axis=0) if bad else np.asarray(False)

    @contextlib.contextmanager
    def _calls(self) -> Iterator[list[LayerCall]]:
        """Yields a list of what this thread passes through the layers in the block.

        The replicas of a distributed model are traced by threads that take turns in
        the middle of a step: the first to come observes for all, until the last goes.
        """
        if not self._by_thread:
            self._observation.enter_context(observed(self.layers, self._receive))
        calls: list[LayerCall] = []
        self._by_thread[threading.get_ident()] = calls
        try:
            yield calls
        finally:
            del self._by_thread[threading.get_ident()]
            if not self._by_thread:
                self._observation.close()

    def _receive(self, call: LayerCall) -> None:
        self._by_thread[threading.get_ident()].append(call)

    def _warn_of_unseen(self, layout: Sequence[Columns]) -> None:
        unseen = [column for column in layout if column.kind == UNSEEN]
        if self._warned:
            return
        self._warned = True
        if self._out_of_sight:
            warnings.warn(
                "Units whose activation cannot be seen are not counted: "
                f"{'; '.join(self._out_of_sight)}.",
                stacklevel=3,
            )
        if unseen:
            named = ", ".join(f"{c.function} in layer '{c.layer}'" for c in unseen)
            warnings.warn(
                "Units whose slope cannot be seen are taken to be neither dead nor "
                f"saturated: those of {named}.",
                stacklevel=3,
            )


def _keeps_samples(model: keras.Model) -> bool:
    """Tells whether each tensor in a model has one row for each of its samples.

    Keras' own layers see to it. What a user's layer, or an operation such as
    `ops.reshape`, does with the axis of samples is not known.
    """
    plain = (keras.Sequential.call, Functional.call)
    if not isinstance(model, keras.Sequential | Functional):
        return False
    if type(model).call not in plain:
        return False
    parts = model.layers if isinstance(model, keras.Sequential) else model.operations
    return all(
        _keeps_samples(part)
        if isinstance(part, keras.Model)
        else isinstance(part, keras.Layer)
        and type(part).__module__.startswith("keras.")
        and not isinstance(part, keras.layers.Lambda)
        for part in parts
    )
