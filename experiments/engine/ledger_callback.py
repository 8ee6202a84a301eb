"""Training that writes each epoch into a ledger."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from experiments.engine.ledger import Ledger
from keras_inits import Population


class LedgerCallback(keras.callbacks.Callback):
    """Records each epoch in a ledger as soon as it ends.

    The runs are the members of a `Population`, or the one of any other model.

    Give it to `fit` ahead of a `Backup`: a run killed between the two then
    repeats an epoch, where otherwise it would lack one for ever.

    Examples:
        >>> import keras
        >>> import numpy as np
        >>> from keras_inits.population import Population
        >>> def build():
        ...     return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> members = [{"seed": 0}, {"seed": 1}]
        >>> population = Population(build, members)
        >>> population.compile("sgd", "mse")
        >>> ledger = Ledger(":memory:")
        >>> runs = [ledger.begin(member | {"epochs": 2}) for member in members]
        >>> x, y = np.ones((8, 3)), np.ones((8, 1))
        >>> callback = LedgerCallback(ledger, runs)
        >>> history = population.fit(x, y, epochs=2, callbacks=[callback], verbose=0)
        >>> [(row["seed"], row["epoch"]) for row in ledger.curves()]
        [(0, 0), (0, 1), (1, 0), (1, 1)]

    Args:
        ledger: Where to record.
        runs: The id of each run, from `ledger.begin`.
    """

    def __init__(self, ledger: Ledger, runs: Sequence[int]) -> None:
        """Knows the runs."""
        super().__init__()
        self.ledger = ledger
        self.runs = list(runs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes what the epoch logged of every member."""
        seconds = time.perf_counter() - self._start
        values: dict[str, Any] = {name: [v] for name, v in (logs or {}).items()}
        if isinstance(self.model, Population):
            # `logs` has what is of this epoch: not every epoch need be validated.
            known = self.model.member_logs
            values = {name: known[name][-1] for name in values if name in known}
        self.ledger.record(self.runs, epoch, values, seconds)
