"""One network, evaluated with the weights of many members."""

import contextlib
import functools
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.population.batches import take
from keras_inits.population.dense_stack import DenseStack, chain
from keras_inits.population.packing import Packing

Record = Callable[[Any], tuple[Any, Any]]


class Evaluation:
    """Evaluates a network for all members of a population.

    Plain stacks of `Dense` layers take `DenseStack`, all others
    `keras.ops.vectorized_map` over `stateless_call`.

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
        self._takes_training = "training" in inspect.signature(model.call).parameters
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

    def __call__(
        self, matrices: Sequence[Any], inputs: Any, seed_of: Any, training: bool | None
    ) -> tuple[Any, list[Any], list[Any]]:
        """Evaluates all members.

        Args:
            matrices: From `packing`.
            inputs: Inputs `(batch, ...)` for all members, or `(seeds, batch, ...)`.
            seed_of: Index of each member's seed on that axis; `None` for shared inputs.
            training: As for `keras.Model.call`.

        Returns:
            Outputs `(members, batch, ...)`, the matrices that are not trained, and the
            sums of the losses that layers add, one of each member.
        """
        ends = [int(part[0]) for part in self.parts[1:]]
        rows = [
            ops.split(matrix, ends, axis=0) if ends else [matrix] for matrix in matrices
        ]
        each = [
            self._evaluate(
                [matrix[i] for matrix in rows],
                inputs,
                None if seed_of is None else seed_of[part],
                training,
            )
            for i, part in enumerate(self.parts)
        ]
        outputs, kept, losses, seen = (
            tree.map_structure(lambda *part: ops.concatenate(part), *of_parts)
            for of_parts in zip(*each, strict=True)
        )
        self._recorded += seen
        return outputs, kept, losses

    def _evaluate(
        self, rows: list[Any], inputs: Any, seed_of: Any, training: bool | None
    ) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """Evaluates some members: outputs, untrained variables, losses, what it saw."""
        model, record = self.model, self._record
        state = self.packing.unpack(rows)
        if self.stack is not None and record is None:
            return self.stack(state, inputs, seed_of), [], [], []
        arguments = {"training": training} if self._takes_training else {}
        trained = len(model.trainable_variables)

        def member(each: Any) -> Any:
            state, own = each
            evaluate = functools.partial(
                model.stateless_call,
                state[:trained],
                state[trained:],
                inputs if seed_of is None else own["inputs"],
                return_losses=True,
                **arguments,
            )
            result, seen = (evaluate(), None) if record is None else record(evaluate)
            outputs, kept, losses = result
            losses = [ops.sum(loss) for loss in losses]
            return outputs, kept, losses, [] if seen is None else [seen]

        own = {} if seed_of is None else {"inputs": take(inputs, seed_of)}
        outputs, kept, losses, seen = ops.vectorized_map(member, (state, own))
        values = self.packing.pack([*state[:trained], *kept])
        groups = zip(values, self.packing.groups, strict=True)
        kept = [value for value, (_, _, trainable) in groups if not trainable]
        return outputs, kept, losses, seen


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
