"""DeadUnitMonitor: which units die, saturate, go constant or double in training."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_inits import suitability
from keras_inits.callbacks.heat_map import heat_map
from keras_inits.diagnostics.units.activity import activity
from keras_inits.diagnostics.units.observer import Recorder
from keras_inits.diagnostics.units.states import (
    QUANTITIES,
    STATES,
    LayerActivity,
    part_of_finite,
)
from keras_inits.inspection.activations import activations_out_of_sight
from keras_inits.inspection.batches import check_inputs
from keras_inits.population import Population

_ON_COLLAPSE = ("warn", "stop", "raise", None)


class DeadUnitMonitor(keras.callbacks.Callback):
    """Watches which units die, saturate, go constant or double while a model trains.

    On TensorFlow it needs no data: it adds up, within the training graph, what every
    unit does on every sample of an epoch, so that a unit is dead if it was active for
    none of them. `LayerActivity` defines the states. Each unit is counted in one state
    at most.

    At the end of an epoch it adds to the logs `dead_fraction` (of the units whose
    activation can be flat), `saturated_fraction` (of logistic and tanh units),
    `constant_fraction` and `duplicate_fraction` (of all units), so that callbacks after
    it in the list can use them, as `EarlyStopping("dead_fraction", mode="min")` does,
    and `History` has them. In a `Population` the logs hold means over the members, and
    its `member_logs` each one's own.

    Units that return NaN or infinity are in none of these states, and the parts are of
    the others. Activations out of sight, as in the `call` of a class of one's own or in
    the loop of `TimeDistributed`, are warned of by name and not counted; a step that
    cannot be observed at all is warned of and goes on.

    The model is left as it was, and trains as it would without the monitor. Layers are
    only observed while TensorFlow traces the step, so that a model that is saved in
    between is saved as ever.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import DeadUnitMonitor
    >>> relu = keras.layers.Dense(4, "relu", name="relu")
    >>> model = keras.Sequential([keras.Input((3,)), relu, keras.layers.Dense(1)])
    >>> relu.set_weights([np.ones((3, 4)), np.array([0, 0, -9, -9])])
    >>> model.compile("sgd", "mse")
    >>> monitor = DeadUnitMonitor()
    >>> x = np.random.default_rng(0).random((32, 3))
    >>> history = model.fit(x, x[:, :1], callbacks=[monitor], verbose=0)
    >>> history.history["dead_fraction"]
    [0.5]
    >>> monitor.activity[0].layer, monitor.activity[0].dead.nonzero()[0].tolist()
    ('relu', [2, 3])

    Args:
        data: Inputs `(samples, ...)` on which to look at the network as it is at the
            end of each epoch, as `diagnostics.activity` does. Defaults to `None`, for
            what it does in training, which takes the TensorFlow backend.
        layers: Names of the layers to watch. Defaults to all with an activation.
        on_collapse: What to do when a layer is wholly dead or constant, so that what
            it returns does not depend on the sample, or stops being finite: `"warn"`,
            once for each layer, `"stop"` training after a warning, `"raise"` an error,
            or `None`. A layer of a `Population` has collapsed when it has in every
            member. Defaults to `"warn"`.
        log_dir: Folder for TensorBoard: of each layer what `history` has, and
            histograms of the mean outputs of its units.
            Defaults to `None`, for none.

    Raises:
        ValueError: If `on_collapse` is unknown. When training starts, if a name in
            `layers` is unknown, if no layer has an activation, if the model cannot take
            `data`, or if there is no `data` on another backend than TensorFlow.

    Reference:
        [Lu et al., 2019](https://arxiv.org/abs/1903.06733) on units that are born dead,
        [Glorot and Bengio, 2010](https://proceedings.mlr.press/v9/glorot10a.html) on
        saturation.
    """

    def __init__(
        self,
        data: Any = None,
        layers: Sequence[str] | None = None,
        on_collapse: str | None = "warn",
        log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        """Keeps the arguments."""
        super().__init__()
        if on_collapse not in _ON_COLLAPSE:
            raise ValueError(
                "`on_collapse` must be 'warn', 'stop', 'raise' or None. "
                f"Received: on_collapse={on_collapse}"
            )
        if isinstance(layers, str):
            raise TypeError(
                f"`layers` must be a list of names of layers. Received: layers={layers}"
            )
        self.data = data
        self.layers = layers
        self.on_collapse = on_collapse
        self.log_dir = log_dir
        self.activity: list[LayerActivity] = []
        """What each layer did in the last epoch, unit by unit."""
        self._epochs: list[tuple[int, list[str], np.ndarray]] = []
        self._collapsed: set[str] = set()
        self._began_collapsed: set[str] = set()
        self._training: Any = None
        self._totals: Any = None
        self._writer: Any = None

    @property
    def history(self) -> list[dict[str, Any]]:
        """What each layer did in each epoch of the last `fit`.

        Returns:
            One row for each epoch, member (in a `Population`) and layer: `epoch` (from
            0), `member`, `layer`, the part of the units of that layer in each state
            (`dead_fraction` and so on), the part of those that pass nothing on, dead or
            constant (`inactive_fraction`), and `mean` and `sd` of its outputs. It goes
            as it is into `pandas.DataFrame` and `csv.DictWriter`.
        """
        rows = []
        for epoch, layers, values in self._epochs:
            for member in range(values.shape[-1]) if values.ndim > 2 else [None]:
                columns = values if member is None else values[..., member]
                which = {} if member is None else {"member": member}
                for layer, numbers in zip(layers, columns.tolist(), strict=True):
                    named = dict(zip(QUANTITIES, numbers, strict=True))
                    rows.append({"epoch": epoch, **which, "layer": layer, **named})
        return rows

    def plot(self, quantity: str = "dead_fraction") -> Any:
        """Draws a quantity of each layer in each epoch as a heat map.

        Needs matplotlib. In a `Population` it is the mean over the members.

        Args:
            quantity: A column of `history`. Defaults to `"dead_fraction"`.

        Returns:
            A `matplotlib.figure.Figure`, for `savefig`.

        Raises:
            ValueError: If `quantity` is unknown, or before the first epoch has ended.
            ImportError: If matplotlib is not installed.
        """
        return heat_map(self.history, quantity)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks what it was given, and begins to observe."""
        self._epochs, self.activity, self._collapsed = [], [], set()
        self._began_collapsed = set()
        suitability.warn_of_misfits(self.model)
        if self.data is not None:
            Recorder(self.model, self.layers)
            check_inputs(self.model, self.data)
            if self.on_collapse is not None:  # Who is told nothing need not wait.
                start = activity(self.model, self.data, layers=self.layers)
                self._began_collapsed = {a.layer for a in start if a.collapsed.any()}
        elif keras.backend.backend() != "tensorflow":
            raise ValueError(
                "Without `data` the training graph is observed, which takes the "
                "TensorFlow backend. On others, give `data`, samples to look at after "
                f"each epoch. Received: data=None, on {keras.backend.backend()}"
            )
        else:
            self._observe()
        if self.log_dir is not None:
            self._writer = _summary().create_file_writer(os.fspath(self.log_dir))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts an empty epoch."""
        if self.data is None:
            self._observe()  # Another callback may have compiled the model anew.
            self._totals.start()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Tells the states of the units and adds their fractions to the logs."""
        if self.data is None:
            self.activity = self._totals.read()
        else:
            self.activity = activity(self.model, self.data, layers=self.layers)
        if not self.activity:
            if self._training is None or not self._training.failed:
                warnings.warn(
                    f"The monitor has seen nothing in epoch {epoch + 1}: the model has "
                    "trained by another function than the one that observes it.",
                    stacklevel=2,
                )
            return
        names = [layer.layer for layer in self.activity]
        values = [list(layer.quantities().values()) for layer in self.activity]
        self._epochs.append((epoch, names, np.asarray(values, "float32")))
        fractions = self._fractions()
        if isinstance(self.model, Population):
            for name, fraction in fractions.items():
                self.model.log_members(name, fraction)
        if logs is not None:
            logs.update({name: float(np.mean(v)) for name, v in fractions.items()})
        if self._writer is not None:
            self._write_summaries(epoch)
        self._look_for_collapse(epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Gives the model its own training function back."""
        if self._training is not None:
            self._training.remove()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _observe(self) -> None:
        """Has the model train by a function that observes it, if it does not yet."""
        from keras_inits.callbacks.train_function import (
            ObservedTraining,
            TrainingStatistics,
        )

        others = []
        current = self.model.train_function
        if isinstance(current, ObservedTraining):
            if current.is_of_this_fit():
                if self._totals in current.totals:
                    return
                others = current.totals
            current.remove()
        last = self._training
        if last is not None and last.failed and last.is_of_this_fit():
            return
        if last is not None and last.fits(self.model, [*others, self._totals]):
            last.install()
        else:
            self._totals = TrainingStatistics(
                self.model, lambda: Recorder(self.model, self.layers)
            )
            self._training = ObservedTraining(self.model, [*others, self._totals])

    def _fractions(self) -> dict[str, np.ndarray]:
        """Returns the part of all units in each state, of those that it can befall."""
        fractions = {}
        model = self.model
        network = model.network if isinstance(model, Population) else model
        # What is not looked at is not said to be 0.
        nothing = np.nan if activations_out_of_sight(network) else 0.0
        for state in STATES:
            can = {"dead": "can_die", "saturated": "can_saturate"}.get(state)
            layers = [a for a in self.activity if can is None or getattr(a, can)]
            fractions[f"{state}_fraction"] = (
                part_of_finite(
                    *(
                        np.concatenate([getattr(a, of) for a in layers], axis=-1)
                        for of in (state, "nonfinite")
                    )
                )
                if layers
                else np.full_like(self.activity[0].mean, nothing)
            )
        return fractions

    def _look_for_collapse(self, epoch: int) -> None:
        new = [
            layer
            for layer in self.activity
            if (layer.collapsed | layer.nonfinite.any(axis=-1)).all()
            and layer.layer not in self._collapsed
        ]
        if len(self._epochs) == 1 and self.data is None:
            # What returned nothing else in the whole first epoch began so.
            self._began_collapsed = {a.layer for a in new if a.collapsed.all()}
        self._collapsed.update(layer.layer for layer in new)
        if not new or self.on_collapse is None:
            return
        message = self._collapse(epoch, new)
        if self.on_collapse == "raise":
            self.on_train_end()
            raise RuntimeError(message)
        # The filter lets a text through once; that of another `fit` may be the same.
        warnings.warn_explicit(message, UserWarning, __file__, 0, registry={})
        if self.on_collapse == "stop":
            self.model.stop_training = True

    def _collapse(self, epoch: int, new: Sequence[LayerActivity]) -> str:
        """Says which layers have collapsed, how, and what may help."""
        first, *more = new
        count = first.dead.shape[-1]
        of_members = tuple(range(first.dead.ndim - 1))
        units = f"{first.activation} unit" + "s" * (count > 1)
        units = f"all of its {count} {units}" if count > 1 else f"its only {units}"
        return_ = "return" + "s" * (count == 1)
        if first.nonfinite.any(axis=-1).all():
            how = (
                "has stopped being finite: what it returns is NaN or infinite in "
                f"{first.nonfinite.any(axis=of_members).sum()}"
                f" of its {count} {first.activation} units"
            )
        elif first.dead.all():
            are = "are" if count > 1 else "is"
            how = f"has collapsed: {units} {are} dead, with slope zero on every sample"
        else:
            how = f"has collapsed: {units} {return_} the same for every sample"
        parts = [f"In epoch {epoch + 1} layer '{first.layer}' {how}."]
        if more:
            names = ", ".join(repr(layer.layer) for layer in more[:3])
            names += ", ..." if len(more) > 3 else ""
            parts.append(
                f"So has a layer after it ({names})."
                if len(more) == 1
                else f"So have {len(more)} layers after it ({names})."
            )
        return " ".join([*parts, self._advice(first, count)])

    def _advice(self, first: LayerActivity, count: int) -> str:
        """Says what may help the first layer that has collapsed, by when it did."""
        last = first.layer == self.activity[-1].layer
        if first.nonfinite.any(axis=-1).all():
            return (
                "A smaller learning rate, or clipped gradients, may keep it finite; if "
                "it is so from the first step, look for NaN in the data."
            )
        if first.activation == "softmax" and count == 1:
            return (
                "A softmax of one unit is always 1: give it a unit for each class, or "
                "make it sigmoid."
            )
        if first.layer not in self._began_collapsed:
            targets = (
                f", or targets within reach of {first.activation}," if last else ""
            )
            return (
                "It was not so at the start, so that another initializer is of no "
                f"help: a smaller learning rate{targets} may be."
            )
        if first.layer == self.activity[0].layer and not first.dead.all():
            return (
                "It was so from the start, and no layer is before it: look whether the "
                "inputs are the same for all samples, or differ by little beside their "
                "size."
            )
        return suitability.advice(first.activation)

    def _write_summaries(self, epoch: int) -> None:
        summary = _summary()
        with self._writer.as_default(step=epoch):
            for layer in self.activity:
                for name, value in layer.quantities().items():
                    summary.scalar(f"{layer.layer}/{name}", np.mean(value))
                summary.histogram(f"{layer.layer}/unit_mean", layer.unit_mean)
        self._writer.flush()


def _summary() -> Any:
    """Returns what writes for TensorBoard."""
    import tensorflow as tf

    if not hasattr(tf.summary, "histogram"):
        raise ImportError("`log_dir` needs TensorBoard: pip install tensorboard")
    return tf.summary
