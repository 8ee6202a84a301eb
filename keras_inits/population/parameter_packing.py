"""Variables of one name side by side in one matrix, a row a member."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class Packing:
    """Lays the variables of a model out in a few matrices `(members, entries)`.

    All kernels make one matrix, all biases another, and so on, for each name and
    dtype. A network of a hundred layers has hundreds of variables, and an optimizer
    needs about ten operations for each; for the matrices it needs twenty in all, and
    it does the same, since it treats entries one by one.

    Args:
        variables: The variables of one model.
    """

    def __init__(self, variables: Sequence[Any]) -> None:
        """Groups the variables."""
        self.variables = list(variables)
        self.groups: dict[tuple[str, str, bool], list[int]] = {}
        for index, variable in enumerate(self.variables):
            # The name is kept for what goes by names, such as
            # `exclude_from_weight_decay(var_names=["bias"])`.
            key = (variable.name, variable.dtype, variable.trainable)
            self.groups.setdefault(key, []).append(index)

    def unpack(self, matrices: Sequence[Any]) -> list[Any]:
        """Returns `(members, *shape)` for each variable."""
        parts: list[Any] = [None] * len(self.variables)
        for matrix, group in zip(matrices, self.groups.values(), strict=True):
            for index, piece in zip(group, self._split(matrix, group), strict=True):
                shape = tuple(self.variables[index].shape)
                parts[index] = ops.reshape(piece, (-1, *shape))
        return parts

    def pack(self, values: Sequence[Any]) -> list[Any]:
        """Returns the matrices of values `(members, *shape)` of all variables."""
        return [
            ops.concatenate(
                [ops.reshape(values[i], (-1, self._size(i))) for i in group], axis=1
            )
            for group in self.groups.values()
        ]

    def constraint(self, group: Sequence[int]) -> keras.constraints.Constraint | None:
        """Returns what applies the constraints of a group to its matrix, or `None`."""
        if not any(self.variables[index].constraint for index in group):
            return None
        return _OfMembers(self, group)

    def constrained(self, matrix: Any, group: Sequence[int]) -> Any:
        """Returns a matrix to which the constraints of its variables are applied."""
        pieces = self._split(matrix, group)
        for place, index in enumerate(group):
            variable = self.variables[index]
            if variable.constraint is not None:
                stacked = ops.reshape(pieces[place], (-1, *variable.shape))
                values = ops.vectorized_map(variable.constraint, stacked)
                pieces[place] = ops.reshape(values, pieces[place].shape)
        return ops.concatenate(pieces, axis=1)

    def _split(self, matrix: Any, group: Sequence[int]) -> list[Any]:
        ends = np.cumsum([self._size(index) for index in group])[:-1]
        return ops.split(matrix, ends.tolist(), axis=1) if len(ends) else [matrix]

    def _size(self, index: int) -> int:
        return int(np.prod(self.variables[index].shape))


class _OfMembers(keras.constraints.Constraint):
    """Constrains each member as its variables are."""

    def __init__(self, packing: Packing, group: Sequence[int]) -> None:
        self.packing, self.group = packing, group

    def __call__(self, matrix: Any) -> Any:
        return self.packing.constrained(matrix, self.group)
