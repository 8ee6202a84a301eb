"""What each member of a population scores: its losses and metrics, by epoch."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection import keras_private
from keras_inits.population.batches import PER_SEED, SeedBatches, is_per_seed
from keras_inits.population.forward import Batch


class MemberMetrics(keras.metrics.Metric):
    """Keeps the state of all metrics of a network for every member.

    The metrics of a network are its loss, the losses of its outputs, those that it is
    compiled with and those that its layers own. They hold the state of one model;
    theirs is stacked here, on a leading axis of members.

    Args:
        network: The compiled network.
        members: Number of members.
    """

    def __init__(self, network: keras.Model, members: int) -> None:
        """Keeps the network; what state its metrics have is known from data."""
        super().__init__(name="members")
        # Out of Keras' sight, which would save its weights with the metrics.
        self._network: Callable[[], keras.Model] = lambda: network
        self._members = members
        self.states: list[Any] = []
        """One variable `(members, ...)` for each of the network's metrics."""

    def build(self, batch: Batch) -> None:
        """Makes the state from the shapes of a batch, where they are known."""
        shapes = None if self.states else _of_one_member(batch)
        if shapes is None:
            return
        network = self._network()
        with outside_graph():
            keras_private.symbolic_build(network, shapes)
            network.reset_metrics()
            self.states = [
                self.add_variable(
                    (self._members, *variable.shape),
                    "zeros",
                    dtype=variable.dtype,
                    name=f"state_{index}",
                )
                for index, variable in enumerate(network.metrics_variables)
            ]
            self._check_reset(network)
            self.reset_state()

    def _check_reset(self, network: keras.Model) -> None:
        """Refuses metrics that go on from where they were, for each member its own."""
        first = [ops.convert_to_numpy(v.value) for v in network.metrics_variables]
        for variable, value in zip(network.metrics_variables, first, strict=True):
            variable.assign(value + np.ones_like(value))
        network.reset_metrics()
        for variable, value in zip(network.metrics_variables, first, strict=True):
            if not np.array_equal(variable.value, value, equal_nan=True):
                raise ValueError(
                    "The `reset_state` of a metric must set all of its state to what "
                    f"it begins with. Received: one that does not set {variable.path}"
                )

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: the population maps the metrics over its members."""
        raise TypeError("Assign to `states`.")

    def result(self) -> dict[str, Any]:
        """Returns the value `(members, ...)` of the loss and of every metric."""
        return self._result() if self.states else {}

    @functools.cached_property
    def _result(self) -> Any:
        network = self._network()

        def of_member(states: list[Any]) -> dict[str, Any]:
            with keras.StatelessScope(
                list(zip(network.metrics_variables, states, strict=True))
            ):
                # A metric may return its variable.
                return {
                    name: ops.convert_to_tensor(value) + 0
                    for name, value in _flat(network.get_metrics_result()).items()
                }

        def results() -> dict[str, Any]:
            states = [ops.convert_to_tensor(state) for state in self.states]
            return ops.vectorized_map(of_member, states)

        if keras.backend.backend() != "tensorflow":
            return results
        import tensorflow as tf

        return tf.function(results)  # Mapping takes long where it is not traced once.

    def reset_state(self) -> None:
        """Sets every member back to the state that its metrics begin with."""
        if self.states:
            network = self._network()
            network.reset_metrics()
            for state, first in zip(
                self.states, network.metrics_variables, strict=True
            ):
                state.assign(ops.broadcast_to(first, state.shape))


class MemberLogs(keras.callbacks.Callback):
    """Keeps the scores of every member after each epoch.

    Args:
        batches: The data, if it needs to be told which epoch it is in.
    """

    def __init__(self, batches: SeedBatches | None) -> None:
        """Starts with no epoch."""
        super().__init__()
        self.member_logs: dict[str, list[np.ndarray]] = {}
        self._batches = batches
        self._row: dict[str, np.ndarray] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts an empty row, and the epoch's order of samples."""
        self._row = {}
        if self._batches is not None:
            self._batches.start_epoch(epoch)

    def on_test_begin(self, logs: Any = None) -> None:
        """Keeps the scores of training, which validation will overwrite."""
        self._row = self._scores("")

    def on_test_end(self, logs: Any = None) -> None:
        """Keeps the scores of validation."""
        self._row |= self._scores("val_")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the row to the logs."""
        for name, values in (self._row or self._scores("")).items():
            self.member_logs.setdefault(name, []).append(values)

    def _scores(self, prefix: str) -> dict[str, np.ndarray]:
        return {
            prefix + name: ops.convert_to_numpy(values)
            for name, values in self.model.member_metrics.result().items()
        }


def _of_one_member(batch: Batch) -> tuple[Any, Any, Any] | None:
    """Returns what one member sees of a batch, as symbols; `None` if not known."""
    per_seed = is_per_seed(batch.x)

    def of_member(data: Any) -> Any:
        shape = getattr(data, "shape", None)
        if shape is None:
            return None
        rows, *rest = shape
        return keras.KerasTensor(
            (rows, *rest[per_seed:]), keras.backend.standardize_dtype(data.dtype)
        )

    if per_seed:
        batch = batch._replace(x=batch.x[PER_SEED])
    shapes = [getattr(data, "shape", None) for data in tree.flatten(batch)]
    if any(getattr(shape, "rank", 0) is None for shape in shapes):
        return None
    x, y, sample_weight = tree.map_structure(of_member, tuple(batch))
    return x, y, sample_weight


def _flat(results: dict[str, Any]) -> dict[str, Any]:
    """Names results as Keras' logs do: what a metric returns by name is on its own."""
    flat: dict[str, Any] = {}
    for name, value in results.items():
        flat |= _flat(value) if isinstance(value, dict) else {name: value}
    return flat


def outside_graph() -> contextlib.AbstractContextManager[Any]:
    """Lifts a block out of the graph that TensorFlow may be tracing."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    return tf.init_scope()
