"""One network, evaluated with the weights of many members."""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection import keras_private
from keras_inits.population.batches import PER_SEED, of_members, swap_axes
from keras_inits.population.dense_stack import DenseStack, chain
from keras_inits.population.parameter_packing import Packing

Record = Callable[[Any], tuple[Any, Any]]


class Batch(NamedTuple):
    """What one step of training or evaluation is given."""

    x: Any
    y: Any = None
    sample_weight: Any = None

    @classmethod
    def of(cls, data: Any) -> "Batch":
        """Returns the parts of what Keras hands to a step."""
        return cls(*keras.utils.unpack_x_y_sample_weight(data))


class Evaluated(NamedTuple):
    """What the evaluation of a network has given.

    Args:
        result: What was asked for, with a leading axis of members.
        untrained: The matrices that are not trained, as the network leaves them.
        metrics: The variables of metrics, as the network leaves them.
    """

    result: Any
    untrained: list[Any]
    metrics: list[Any]


class Forward:
    """Evaluates a network for all members of a population.

    What plain Keras does in a step, from the inputs to the loss and the metrics, is
    done for each member as one function, by the methods of the network itself, and
    this function is mapped over the members by `keras.ops.vectorized_map`. So nothing
    is lost on the way that Keras, or a class of the user's, keeps beside the outputs:
    logits, masks, losses that layers add, metrics that they own. Plain stacks of
    `Dense` layers are evaluated by `DenseStack`, and only what follows is mapped.

    Args:
        model: The network.
        packing: How its variables lie in the matrices of the population.
        members: Number of members.
    """

    def __init__(self, model: keras.Model, packing: Packing, members: int) -> None:
        """Finds the fastest way for this network."""
        self.model, self.packing = model, packing
        layers = chain(model)
        self.stack = None if layers is None else DenseStack(layers)
        self.parts = np.array_split(np.arange(members), min(_parts(), members))
        self.changes_all = False
        """Whether variables are changed that have no gradient too."""
        self._takes_training = keras_private.takes_training(model)
        self._record: Record | None = None
        self._recorded: list[Any] = []

    @contextlib.contextmanager
    def recorded(self, record: Record) -> Iterator[list[Any]]:
        """Keeps what `record` sees of each member, as `Population.recorded` does."""
        self._record, self._recorded = record, []
        try:
            yield self._recorded
        finally:
            self._record = None

    def outputs(
        self, matrices: Sequence[Any], x: Any, seed_of: Any, training: bool | None
    ) -> Evaluated:
        """Returns the outputs `(members, batch, ...)`.

        Args:
            matrices: From `packing`.
            x: Inputs `(batch, ...)` for all members, or `{"per_seed": ...}` with
                `(batch, seeds, ...)`.
            seed_of: Index of each member's seed on that axis; `None` for shared inputs.
            training: As for `keras.Model.call`.
        """
        return self._evaluate(
            matrices, [], Batch(x), seed_of, training, lambda outputs, _: outputs
        )

    def step(
        self,
        matrices: Sequence[Any],
        metrics: Sequence[Any],
        batch: Batch,
        seed_of: Any,
        training: bool,
    ) -> Evaluated:
        """Returns the losses `(members,)` of a batch, and counts it in the metrics.

        Args:
            matrices: From `packing`.
            metrics: A tensor `(members, ...)` for each variable of the network's
                metrics.
            batch: Shared by all members, or of each seed, as for `outputs`.
            seed_of: As for `outputs`.
            training: Whether it is a step of training.
        """
        model = self.model
        size = ops.shape(next(a for a in tree.flatten(batch.x) if a is not None))[0]

        def loss_of(outputs: Any, batch: Batch) -> Any:
            loss = keras_private.compute_step_loss(
                model, batch.x, batch.y, outputs, batch.sample_weight, training
            )
            keras_private.update_loss_tracker(model, loss, size)
            if training and keras.backend.backend() == "jax":
                # What JAX differentiates returns outputs that have lost their masks.
                for output in tree.flatten(outputs):
                    keras_private.set_keras_mask(output, None)
            logs = model.compute_metrics(batch.x, batch.y, outputs, batch.sample_weight)
            _check_logs(model, logs)
            return loss

        return self._evaluate(matrices, metrics, batch, seed_of, training, loss_of)

    def _evaluate(
        self,
        matrices: Sequence[Any],
        metrics: Sequence[Any],
        batch: Batch,
        seed_of: Any,
        training: bool | None,
        result_of: Callable[[Any, Batch], Any],
    ) -> Evaluated:
        """Evaluates all members, in parts that TensorFlow runs side by side."""
        per_seed = {}
        if seed_of is not None:
            given = batch._replace(x=batch.x[PER_SEED])._asdict().items()
            per_seed = swap_axes({k: data for k, data in given if data is not None})
        ends = [int(part[0]) for part in self.parts[1:]]

        def pieces(arrays: Sequence[Any], index: int) -> list[Any]:
            return [ops.split(a, ends)[index] if ends else a for a in arrays]

        evaluated = [
            self._evaluate_part(
                pieces(matrices, index),
                pieces(metrics, index),
                batch,
                per_seed,
                None if seed_of is None else seed_of[part],
                training,
                result_of,
            )
            for index, part in enumerate(self.parts)
        ]
        *all_parts, recorded = (
            tree.map_structure(lambda *part: ops.concatenate(part), *of_parts)
            for of_parts in zip(*evaluated, strict=True)
        )
        self._recorded += recorded
        return Evaluated(*all_parts)

    def _evaluate_part(
        self,
        rows: list[Any],
        metrics: list[Any],
        batch: Batch,
        per_seed: dict[str, Any],
        seed_of: Any,
        training: bool | None,
        result_of: Callable[[Any, Batch], Any],
    ) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """Evaluates some members: the parts of `Evaluated`, and what was recorded."""
        state = self.packing.unpack(rows)
        outputs = None
        if self.stack is not None and self._record is None:
            x = per_seed.get("x", batch.x)
            _check_features(x, self.model.input_shape, seed_of is not None)
            outputs = self.stack(state, x, seed_of)
            if not metrics:
                return outputs, [], [], []
        mapped = {
            "state": state,
            "metrics": metrics,
            "batch": of_members(per_seed, seed_of) if per_seed else {},
            "outputs": [] if outputs is None else with_logits(outputs),
        }

        def member(values: dict[str, Any]) -> Any:
            return self._evaluate_member(
                values["state"],
                values["metrics"],
                batch._replace(**values["batch"]),
                values["outputs"],
                training,
                result_of,
            )

        result, state, metrics, recorded = ops.vectorized_map(member, mapped)
        untrained = [
            matrix
            for matrix, (_, _, trainable) in zip(
                self.packing.pack(state), self.packing.groups, strict=True
            )
            if not trainable
        ]
        return result, untrained, metrics, recorded

    def _evaluate_member(
        self,
        state: list[Any],
        metrics: list[Any],
        batch: Batch,
        outputs: list[Any],
        training: bool | None,
        result_of: Callable[[Any, Batch], Any],
    ) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """Evaluates one member, as plain Keras evaluates a model.

        Args:
            state: The variables of the network.
            metrics: The variables of its metrics.
            batch: What this member is given.
            outputs: From `with_logits`; an empty list if they are to be computed.
            training: As for `keras.Model.call`.
            result_of: What is asked for, a function of outputs and batch.
        """
        model, variables = self.model, self.packing.variables
        counted = model.metrics_variables if metrics else []
        arguments = {"training": training} if self._takes_training else {}
        scope = _MemberScope(
            [*zip(variables, state, strict=True), *zip(counted, metrics, strict=True)],
            [*(v for v in variables if not v.trainable), *model.metrics_variables],
        )
        evaluate = functools.partial(model, batch.x, **arguments)
        with scope:
            recorded = None
            if outputs:
                y_pred = hung(outputs)
            elif self._record is None:
                y_pred = evaluate()
            else:
                y_pred, recorded = self._record(evaluate)
            result = result_of(y_pred, batch)
        # In a `DenseStack`, which is out of sight here, all weights have one.
        if training and self.changes_all and metrics and not outputs:
            _check_gradients(variables, state, result)
        state, metrics = (
            [scope.get_current_value(variable) for variable in part]
            for part in (variables, counted)
        )
        return result, state, metrics, [] if recorded is None else [recorded]


class _MemberScope(keras.StatelessScope):
    """Gives the network the variables of one member, and keeps what it assigns.

    Args:
        values: Variables and the tensors in their place.
        assignable: The variables that a forward pass may assign.
    """

    def __init__(
        self, values: Sequence[tuple[Any, Any]], assignable: Sequence[Any]
    ) -> None:
        """Gives the values."""
        super().__init__(values, collect_losses=True)
        self._assignable = {id(variable) for variable in assignable}

    def add_update(self, update: tuple[Any, Any]) -> None:
        """Keeps a value that was assigned, or says that a member cannot have it."""
        variable, _ = update
        if id(variable) not in self._assignable:
            kind = "trained"
            if not variable.trainable:
                kind = "not among its weights and the states of its generators"
            raise ValueError(
                "A forward pass may change variables of the model that are not "
                "trained, and no others: members would not be what plain `fit` makes "
                f"of them. Received: a layer that assigns to {variable.path}, which is "
                f"{kind}"
            )
        super().add_update(update)


def _check_features(x: Any, accepted: Any, per_seed: bool) -> None:
    """Refuses inputs of a shape that the network does not take."""
    shape, accepted = tuple(x.shape)[1 + per_seed :], tuple(accepted)[1:]
    pairs = zip(shape, accepted, strict=False)
    if len(shape) != len(accepted) or any(
        size != other for size, other in pairs if None not in (size, other)
    ):
        raise ValueError(
            f"Inputs must be of shape (samples, {', '.join(map(str, accepted))}). "
            f"Received: inputs of shape {tuple(x.shape)}"
        )


def with_logits(outputs: Any) -> list[Any]:
    """Returns outputs and, if Keras has hung logits on them, those too."""
    logits = keras_private.logits_of(outputs)
    return [outputs] if logits is None else [outputs, logits]


def hung(outputs: list[Any]) -> Any:
    """Returns the outputs of `with_logits`, with the logits hung on them again."""
    y_pred, *logits = outputs
    if logits:
        keras_private.set_logits(y_pred, *logits)
    return y_pred


def _check_gradients(variables: Sequence[Any], state: Sequence[Any], loss: Any) -> None:
    """Refuses variables that have no gradient, which TensorFlow's Keras leaves alone.

    In the matrices of a population they have a gradient of 0, as all have on the other
    backends, and what an optimizer does without a gradient would be done to them.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    gradients = tf.gradients(loss, list(state))
    unused = [
        variable.path
        for variable, gradient in zip(variables, gradients, strict=True)
        if variable.trainable and gradient is None
    ]
    if unused:
        raise ValueError(
            "An optimizer with weight decay, Ftrl, and constraints would change "
            "variables that the loss does not depend on. They must not be trainable, "
            "or not be decayed and constrained. "
            f"Received: {', '.join(unused)}"
        )


def _check_logs(model: keras.Model, logs: dict[str, Any]) -> None:
    """Refuses logs that no metric has: what they are at the end is not known."""
    if type(model).compute_metrics is keras.Model.compute_metrics:
        return
    more = sorted(set(logs) - set(model.get_metrics_result()))
    if more:
        raise ValueError(
            "`compute_metrics` of a population's network must return what "
            f"`get_metrics_result` does. Received: {type(model).__name__}, which "
            f"returns {', '.join(more)} too"
        )


def _parts() -> int:
    """Returns how many parts of a population TensorFlow should evaluate side by side.

    Its operations on small arrays lose more than they gain from two threads each, so
    that whoever trains small networks is best served by one thread an operation and
    as many operations at once as there are cores, or as TensorFlow is told to run.
    """
    one_thread = os.environ.get("TF_NUM_INTRAOP_THREADS") == "1"
    if keras.backend.backend() == "tensorflow" and one_thread:
        at_once = int(os.environ.get("TF_NUM_INTEROP_THREADS", "0"))
        return min(at_once or os.cpu_count() or 1, 4)
    return 1
