"""What the units of a model do while TensorFlow trains it."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_inits.diagnostics.units.observer import Recorder
from keras_inits.diagnostics.units.states import LayerActivity
from keras_inits.diagnostics.units.statistics import Columns
from keras_inits.inspection import keras_private
from keras_inits.inspection.hooks import shadowed

Step = Callable[[Any], Any]


class TrainingStatistics:
    """Adds up, in the training graph, what passes through the layers of a model.

    Args:
        model: The model.
        make_recorder: Makes its `Recorder`. It is called now if the layers of the model
            are known, and else when they are, in the first step.
    """

    def __init__(
        self, model: keras.Model, make_recorder: Callable[[], Recorder]
    ) -> None:
        """Starts with no batch."""
        self.model = model
        self._make_recorder = make_recorder
        known = model.built or isinstance(model, keras.Sequential)
        self._recorder = make_recorder() if known else None
        self._totals: dict[tuple[Columns, ...], tf.Variable] = {}
        with model.distribute_strategy.scope():
            self._batches = _sum_over_replicas(())

    def observing(self, step: Step) -> Step:
        """Returns a training step that does what `step` does, and adds up."""

        def observing_step(data: Any) -> Any:
            if self._recorder is None:
                with tf.init_scope():
                    keras_private.symbolic_build(self.model, data)
                    self._recorder = self._make_recorder()
            logs, layout, added = self._recorder(
                lambda: step(data), tf.convert_to_tensor(self._batches)
            )
            if added is not None:
                if layout not in self._totals:
                    # Whatever is being traced, the variable is there to stay. It is
                    # out of sight of the model, which would save it.
                    with tf.init_scope():
                        self._totals[layout] = _sum_over_replicas(added.shape)
                self._totals[layout].assign_add(added)
                self._batches.assign_add(1.0)
            return logs

        return observing_step

    def start(self) -> None:
        """Sets the totals back to zero."""
        for variable in (self._batches, *self._totals.values()):
            variable.assign(tf.zeros_like(variable))

    def read(self) -> list[LayerActivity]:
        """Tells the states of units since `start`, over all replicas."""
        totals = {
            layout: variable.read_value().numpy().astype("float64")
            for layout, variable in self._totals.items()
        }
        seen = {layout: values for layout, values in totals.items() if values.any()}
        return self._recorder.read(seen) if self._recorder is not None else []


class ObservedTraining:
    """Takes the place of `model.train_function` during one `fit`.

    A layer is only changed while its model is traced, or evaluated eagerly, by this
    function. Keras tells no callback of a `fit` that an exception has ended; in the
    next one this function notices, and takes itself away.

    Args:
        model: The model.
        totals: What observes it, one or more.
    """

    def __init__(self, model: keras.Model, totals: list[TrainingStatistics]) -> None:
        """Makes the function that takes the place of the one that `model` has."""
        self.model, self.totals = model, totals
        self.failed = self._traced = False
        self.original = model.train_function
        step = model.train_step
        for statistics in totals:
            step = statistics.observing(step)
        with shadowed(model, "train_step", step):
            model.make_train_function(force=True)
        self._function = model.train_function
        self.install()

    def install(self) -> None:
        """Takes the place of the model's function."""
        self.model.train_function = self
        self._fit = self._history()

    def is_of_this_fit(self) -> bool:
        """Tells whether it was installed in the `fit` that runs."""
        return self._fit is self._history()

    def fits(self, model: keras.Model, totals: list[Any]) -> bool:
        """Tells whether it still is what would be made now, and so needs no tracing."""
        return self.original is model.train_function and self.totals == totals

    def _history(self) -> Any:
        """Returns what each `fit` has one of."""
        return getattr(self.model, "history", None)

    def __call__(self, iterator: Any) -> Any:
        """Runs one execution of the training step."""
        batches = tf.data.Iterator | tf.distribute.DistributedIterator
        if not (self.is_of_this_fit() and isinstance(iterator, batches)):
            # Another `fit`, or `train_on_batch`.
            self.remove()
            return self._own_function()(iterator)
        try:
            logs = self._function(iterator)
            self._traced = True
            return logs
        except (StopIteration, tf.errors.OutOfRangeError):
            raise  # The data have come to their end.
        except tf.errors.OpError:
            self.remove()
            raise
        except Exception as error:
            if self._traced or self.model.run_eagerly:
                self.remove()
                raise
            fault = error  # No step was taken: it was being traced.
        except BaseException:
            self.remove()
            raise
        self.failed = True
        self.remove()
        logs = self._own_function()(iterator)  # The fault may be the model's own.
        lines = [line for line in str(fault).splitlines() if line.strip()]
        warnings.warn(
            "The training step cannot be observed, and goes on without a monitor. "
            f"{lines[-1] if lines else type(fault).__name__}",
            stacklevel=2,
        )
        return logs

    def _own_function(self) -> Any:
        """Returns the function that the model has without this one."""
        if self.model.train_function is None:
            self.model.make_train_function()
        return self.model.train_function

    def remove(self) -> None:
        """Gives the model back the function that it had."""
        if self.model.train_function is self:
            self.model.train_function = self.original


def _sum_over_replicas(shape: Any) -> tf.Variable:
    return tf.Variable(
        tf.zeros(shape),
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
    )
