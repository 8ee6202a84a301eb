"""Learning rates: some seeds choose one of a grid a method, others are judged."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd

from experiments.engine.frame import CSVSource, LedgerSource, read
from experiments.engine.ledger import Ledger


class Rates(keras.callbacks.Callback):
    """Logs the learning rate of every member of a population, where it is evaluated.

    Args:
        rates: One for each member.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        """Keeps the rates."""
        super().__init__()
        self._rates = np.array(rates)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `learning_rate`."""
        if logs is not None and "val_loss" in logs:
            self.model.log_members("learning_rate", self._rates)
            logs["learning_rate"] = float(self._rates.mean())


def choosing(cell: Any, name: str, ledger: Ledger) -> pd.DataFrame:
    """Returns the rows of the runs that choose: those of a cell that have a `rate`.

    They are in the ledger, or in the CSV of results beside it.

    Args:
        cell: It has `describe()`.
        name: Of the experiment, of its folder and its CSV file.
        ledger: The ledger.
    """
    csv = CSVSource(ledger.path.parent / name / f"{name}.csv")
    frame = read([cell], LedgerSource(ledger), csv).frame
    return frame[frame["rate"].notna()]


def best(rows: pd.DataFrame, score: str) -> dict[str, float]:
    """Returns of each method the rate with the highest score, the mean of seeds.

    Of rates that are equally good it is the lowest.

    Args:
        rows: One for each run that chooses, with `method`, `rate` and the score.
        score: Name of the score.

    Examples:
        >>> rows = {"method": ["he"] * 3, "rate": [1.0, 0.1, 0.01], "score": [2, 3, 3]}
        >>> best(pd.DataFrame(rows), "score")
        {'he': 0.01}
    """
    means = rows.groupby(["method", "rate"])[score].mean().unstack()
    return {str(method): float(rate) for method, rate in means.idxmax(axis=1).items()}


def rate_text(rate: float, grid: Sequence[float]) -> str:
    """Names a learning rate, and whether the best may lie beyond those that were tried.

    Examples:
        >>> rate_text(0.3, (0.1, 0.3)), rate_text(0.1, (0.01, 0.1, 0.3))
        ('0.3, the last tried', '0.1')
    """
    ends = (grid[0], grid[-1])
    last = any(math.isclose(rate, end, rel_tol=1e-5) for end in ends)
    return f"{rate:g}" + (", the last tried" if last else "")
