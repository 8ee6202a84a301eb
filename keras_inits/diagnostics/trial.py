"""The first steps of training, taken by a copy of the weights."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.diagnostics.curvature import Objective
from keras_inits.inspection.batches import evaluate, map_arrays, take, unpacked

_MATCHINGS = 8  # So many times are samples paired at random.
_TIE = 1e-6  # Of a loss: less of a difference is rounding.


@dataclass(frozen=True)
class Seen:
    """What the outputs of a network tell of the targets; NaN if a loss is not finite.

    They tell something if losses grow where samples trade their outputs. Where layers
    add the only loss, or all targets are the same, there is nothing to tell.

    Args:
        loss: The loss, without penalties if there is another.
        explained: The part `1 - loss / traded` of the loss `traded` of outputs that
            belong to another sample. Of a squared error and outputs of the spread of
            the targets it is the coefficient of correlation.
        concordance: Of pairs of samples whose targets differ, how many more have the
            lower loss with their own outputs than with those of each other: Kendall's
            rank correlation, of one target and squared errors. 0 if outputs tell
            nothing of the targets, 1 if they order them all.
    """

    loss: float
    explained: float
    concordance: float


NOTHING = Seen(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Progress:
    """What some steps of training have come to.

    Args:
        steps: How many steps were taken.
        first: What outputs tell of the targets before the steps.
        half: After half of them.
        last: After all of them.
    """

    steps: int
    first: Seen
    half: Seen
    last: Seen


class Trial:
    """Takes the first steps of training with a copy of the weights of a network.

    They are steps of `fit`: batches in random order, layers as in training, penalties
    on weights, and the optimizer's own step. The network stays as it is.

    Args:
        objective: The network and the loss.
        optimizer: The optimizer, by name or as an object, which stays as it is too.
        batch_size: Samples of a step.
        scheduled: Whether the learning rate is the optimizer's own schedule.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Any,
        batch_size: int = 32,
        scheduled: bool = False,
    ) -> None:
        """Copies the variables; nothing is compiled before the first step."""
        optimizer = keras.optimizers.get(optimizer)
        self.objective = objective
        self.batch_size = batch_size
        self.scheduled = scheduled
        self._copy = _Copy(objective)
        config = optimizer.get_config()
        if "learning_rate" in config and not scheduled:
            config["learning_rate"] = 0.0
        self._copy.compile(
            type(optimizer).from_config(config),
            run_eagerly=objective.model.run_eagerly,
            jit_compile=False,
            auto_scale_loss=False,
        )
        self._copy.optimizer.build(self._copy.trainable_variables)
        self._built = list(map(_value, self._copy.optimizer.variables))

    @property
    def values(self) -> list[np.ndarray]:
        """The variables of the copy, in the order of those of the network."""
        return list(map(_value, self._copy.own))

    def with_optimizer(self, optimizer: Any = None) -> "Trial":
        """Returns a trial of the same by another optimizer, or at any rate."""
        if optimizer is None:
            if not self.scheduled:
                return self
            optimizer = self._copy.optimizer
        return Trial(self.objective, optimizer, self.batch_size)

    def run(
        self,
        start: Sequence[np.ndarray],
        data: tuple[Any, Any],
        learning_rate: float,
        steps: int,
    ) -> Progress:
        """Takes steps, and says what they come to.

        Args:
            start: The variables of the network before the first.
            data: Inputs and targets.
            learning_rate: The learning rate, where it is no schedule.
            steps: How many steps.
        """
        copy = self._copy
        x, y = map_arrays(ops.convert_to_numpy, data)
        samples = len(tree.flatten(x)[0])
        batch = min(self.batch_size, samples)
        order, epochs = np.random.default_rng(0), -(-steps * batch // samples)
        chosen = np.concatenate([order.permutation(samples) for _ in range(epochs)])
        for variable, value in zip(copy.optimizer.variables, self._built, strict=True):
            variable.assign(value)
        if not self.scheduled:
            copy.optimizer.learning_rate = learning_rate
        copy.begin(start)
        found = [copy.look(x, y)]
        half = (steps + 1) // 2
        for first, last in ((0, half), (half, steps)):
            if last > first and np.isfinite(found[-1].loss):
                batches = take((x, y), chosen[first * batch : last * batch])
                copy.fit(
                    copy.unpack(batches), batch_size=batch, shuffle=False, verbose=0
                )
                found.append(copy.look(x, y))
            else:
                found.append(found[-1])
        return Progress(steps, *found)


class _Copy(keras.Model):
    """A network with variables of its own, which returns the loss of a batch."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(name=f"{objective.model.name}_trial")
        self.objective = objective
        self.pack: Callable[[Any], Any] = tuple
        trained = {id(variable) for variable in objective.variables}
        self.own = [
            self.add_weight(
                shape=variable.shape,
                dtype=variable.dtype,
                initializer="zeros",
                trainable=id(variable) in trained,
                name=f"{number}_{variable.name}",
            )
            for number, variable in enumerate(objective.model.variables)
        ]
        self.built = True

    def begin(self, values: Sequence[np.ndarray]) -> None:
        """Sets the variables to what those of the network are."""
        for own, value in zip(self.own, values, strict=True):
            own.assign(value)

    def unpack(self, batch: tuple[Any, Any]) -> list[Any]:
        """Returns inputs and targets as one list of arrays, for `call`."""
        # Not the batch itself: Keras would make other dictionaries of those in it.
        arrays, self.pack = unpacked(batch)
        return arrays

    def call(self, parts: list[Any], training: bool | None = None) -> Any:
        """Returns the loss, and keeps what the network assigns."""
        x, y = self.pack(parts)
        with self._scope() as scope:
            loss = self.objective.batch_loss(x, y, training=bool(training))
        for variable, own in zip(self.objective.model.variables, self.own, strict=True):
            if not own.trainable:
                own.assign(scope.get_current_value(variable))
        return loss

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the loss, which is the output."""
        return y_pred

    def look(self, x: Any, y: Any) -> Seen:
        """Returns what outputs tell of the targets, evaluated as in training."""
        with self._scope():
            if not self.objective.compares:
                loss = self.objective.batch_loss(x, y, training=True)
                return dataclasses.replace(NOTHING, loss=float(loss))
            outputs = evaluate(self.objective.model, x, training=True)
        outputs = map_arrays(ops.convert_to_numpy, outputs)

        def losses(place: Any) -> np.ndarray:
            each = self.objective.sample_losses(take(outputs, place), x, y)
            return ops.convert_to_numpy(each).astype("float64")

        own = losses(slice(None))
        samples, rng = len(own), np.random.default_rng(0)
        means, more, pairs = [], 0.0, 0
        for _ in range(_MATCHINGS if np.isfinite(own).all() else 0):
            one, other = rng.permutation(samples)[: samples // 2 * 2].reshape(2, -1)
            place = np.arange(samples)
            place[one], place[other] = other, one
            traded = losses(place)
            means.append(traded[np.append(one, other)].mean())
            differ = ~_same(take(y, one), take(y, other))
            one, other = one[differ], other[differ]
            pairs += len(one)
            before, after = own[one] + own[other], traded[one] + traded[other]
            change = after - before
            more += np.sign(change[np.abs(change) > _TIE * np.abs(before)]).sum()
        if not means or not np.isfinite(means).all():
            return NOTHING
        loss, mean = float(own.mean()), float(np.mean(means))
        if not pairs:  # All targets are the same: there is nothing to tell.
            return dataclasses.replace(NOTHING, loss=loss)
        explained = 1 - loss / mean if mean else 0.0
        return Seen(loss, explained, float(more / pairs))

    def _scope(self) -> keras.StatelessScope:
        values = [own.value for own in self.own]
        pairs = zip(self.objective.model.variables, values, strict=True)
        return keras.StatelessScope(list(pairs), collect_losses=True)


def _same(one: Any, other: Any) -> np.ndarray:
    """Tells of which samples all targets are the same."""
    same = [
        (a == b).reshape(len(a), -1).all(axis=1)
        for a, b in zip(tree.flatten(one), tree.flatten(other), strict=True)
        if a is not None
    ]
    return np.asarray(np.all(same, axis=0))


def _value(variable: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(variable))
