"""Variables of one name side by side in one matrix, a row a member."""

from collections.abc import Sequence
from typing import Any

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

    def constraint(self, group: Sequence[int]) -> Any:
        """Returns what applies the constraints of a group to its matrix, or `None`."""
        constraints = [self.variables[index].constraint for index in group]
        if not any(constraints):
            return None

        def apply(matrix: Any) -> Any:
            pieces = self._split(matrix, group)
            for i, (index, constrain) in enumerate(
                zip(group, constraints, strict=True)
            ):
                if constrain is not None:
                    shape = tuple(self.variables[index].shape)
                    stacked = ops.reshape(pieces[i], (-1, *shape))
                    constrained = ops.vectorized_map(constrain, stacked)
                    pieces[i] = ops.reshape(constrained, pieces[i].shape)
            return ops.concatenate(pieces, axis=1)

        return apply

    def _split(self, matrix: Any, group: Sequence[int]) -> list[Any]:
        ends = np.cumsum([self._size(index) for index in group])[:-1]
        return ops.split(matrix, ends.tolist(), axis=1) if len(ends) else [matrix]

    def _size(self, index: int) -> int:
        return int(np.prod(self.variables[index].shape))
