"""What each member of a population scores: its losses and metrics, by epoch."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_inits.population.batches import SeedBatches


class MemberMetrics(keras.metrics.Metric):
    """Keeps the loss and the state of the compiled metrics of every member.

    The compiled metrics hold the state of one model. Theirs is stacked here, on a
    leading axis of members, and they are applied to one slice of it at a time.

    Args:
        compiled: What Keras made of `compile(metrics=...)`, or `None`.
        members: Number of members.
    """

    def __init__(self, compiled: Any, members: int) -> None:
        """Makes the state of the losses; that of the metrics needs data."""
        super().__init__(name="members")
        self._hidden = SimpleNamespace(compiled=compiled)
        self._members = members
        self._losses = self.add_variable((members,), "zeros", name="losses")
        self._samples = self.add_variable((), "zeros", name="samples")
        self.states: list[Any] = []

    def build(self, *sample: Any) -> None:
        """Makes the state of the metrics from the targets and outputs of one member."""
        compiled = self._hidden.compiled
        if compiled is None or self.states:
            return
        compiled.update_state(*sample)
        self.states = [
            self.add_variable(
                (self._members, *variable.shape),
                "zeros",
                dtype=variable.dtype,
                name=f"state_{index}",
            )
            for index, variable in enumerate(compiled.variables)
        ]

    @property
    def are_means(self) -> bool:
        """Whether every metric is a mean over samples, as accuracies and errors are.

        These need no mapping over members: they are taken over all samples of all
        members at once, and summed for each member. What a user's own metric does
        with a batch is not known.
        """
        metrics = self._hidden.compiled.metrics if self.states else []
        mean = keras.metrics.MeanMetricWrapper
        return all(
            isinstance(metric, mean)
            and type(metric) is not mean  # A function of a user.
            and type(metric).__module__.startswith("keras.")
            and metric._fn_kwargs.get("axis", -1) == -1
            for metric in metrics
        )

    def update_means(self, y: Any, y_pred: Any) -> None:
        """Adds targets and outputs `(members, batch, ...)` to all metrics."""
        batch = ops.shape(y_pred)[1]
        y, y_pred = (ops.reshape(a, (-1, *a.shape[2:])) for a in (y, y_pred))
        for metric, total, count in zip(
            self._hidden.compiled.metrics,
            self.states[::2],
            self.states[1::2],
            strict=True,
        ):
            values = metric._fn(y, y_pred, **metric._fn_kwargs)
            values = ops.reshape(values, (self._members, batch, -1))
            values = ops.cast(ops.mean(values, axis=-1), total.dtype)
            total.assign_add(ops.sum(values, axis=1))
            count.assign_add(ops.full(count.shape, batch, count.dtype))

    def update_losses(self, losses: Any, batch: Any) -> None:
        """Adds the mean losses `(members,)` of a batch of so many samples."""
        batch = ops.cast(batch, self._losses.dtype)
        self._losses.assign_add(ops.cast(losses, self._losses.dtype) * batch)
        self._samples.assign_add(batch)

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: the population maps the metrics over its members."""
        raise TypeError("Use `update_losses`, and assign to `states`.")

    def result(self) -> dict[str, Any]:
        """Returns the value `(members,)` of the loss and of every metric."""
        values = {"loss": self._losses / ops.maximum(self._samples, 1)}
        if self.states and self.are_means:
            means = zip(self.states[::2], self.states[1::2], strict=True)
            compiled = self._hidden.compiled.result()
            values |= {
                name: ops.divide_no_nan(total, count)
                for name, (total, count) in zip(compiled, means, strict=True)
            }
        elif self.states:
            values |= ops.vectorized_map(
                self._hidden.compiled.stateless_result,
                [ops.convert_to_tensor(state) for state in self.states],
            )
        return values

    def reset_state(self) -> None:
        """Sets every member back to the state that a metric begins with."""
        self._losses.assign(ops.zeros(self._losses.shape))
        self._samples.assign(0)
        if self.states:
            self._hidden.compiled.reset_state()
            for state, first in zip(
                self.states, self._hidden.compiled.variables, strict=True
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
