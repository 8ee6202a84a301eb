"""What a comparison of initializers found."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from keras import tree

from keras_inits.utils.figure import new_figure
from keras_inits.utils.table import ResultTable, TableResult, plain


@dataclass(frozen=True)
class Compared:
    """An initializer on the user's network; arrays are one entry a seed.

    Args:
        name: The initializer.
        val_loss: Loss on the held-out samples after the last step.
        loss: Mean loss over all steps.
        val_accuracy: Of the held-out samples; empty if no accuracy is compiled.
        dead: Part of the units that are dead after the last step.
        stable_learning_rate: Largest stable rate of gradient descent where the first
            seed begins; NaN if that was not asked for, or is not finite.
        note: What else is to be known.
    """

    name: str
    val_loss: tuple[float, ...]
    loss: tuple[float, ...]
    val_accuracy: tuple[float, ...]
    dead: tuple[float, ...]
    stable_learning_rate: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class Comparison(TableResult):
    """Initializers on one network, the best first.

    Args:
        rows: One an initializer, by their mean validation loss; one that is not a
            number comes last.
        unfit: By name, initializers that could not be compared, and why.
        steps: How many steps all were trained for.
        initializers: What each name stands for.
    """

    rows: tuple[Compared, ...]
    unfit: dict[str, str]
    steps: int
    initializers: dict[str, Any]

    @property
    def best(self) -> Any:
        """The best initializer, ready for `build`."""
        return self.initializers[self.rows[0].name]

    def to_dict(self) -> dict[str, Any]:
        """Returns the comparison as plain data, ready for JSON; NaN is `None`."""
        data = {
            "steps": self.steps,
            "rows": [asdict(row) for row in self.rows],
            "unfit": dict(self.unfit),
        }
        return tree.map_structure(plain, data)

    def plot(self) -> Any:
        """Draws the validation losses of all seeds, the best initializer on top.

        Needs matplotlib.

        Returns:
            A `matplotlib.figure.Figure`, for `savefig`.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        figure, axes = new_figure(figsize=(6, 1.5 + 0.25 * len(self.rows)))
        for place, row in enumerate(self.rows):
            losses = [loss for loss in row.val_loss if np.isfinite(loss)]
            axes.plot(losses, [place] * len(losses), "o", color="C0", alpha=0.6)
            if losses:
                axes.plot(np.mean(losses), place, "|", color="C1", markersize=16)
        axes.set_yticks(range(len(self.rows)), [row.name for row in self.rows])
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        axes.set_xscale("log")
        axes.set_xlabel(f"validation loss after {self.steps} steps")
        return figure

    def to_table(self) -> ResultTable:
        """Returns a table, the best first, and what is to be known."""
        columns = ["initializer", "val loss", "accuracy", "dead", "stable rate"]
        rows = [
            [
                row.name,
                _spread(row.val_loss),
                _spread(row.val_accuracy),
                _spread(row.dead),
                plain(row.stable_learning_rate),
            ]
            for row in self.rows
        ]
        after = [f"{row.name}: {row.note}" for row in self.rows if row.note]
        after += [f"{name} does not fit: {why}" for name, why in self.unfit.items()]
        return ResultTable(columns, rows, [f"After {self.steps} steps:"], after)


def _spread(values: tuple[float, ...]) -> str:
    """Returns mean ± standard deviation over seeds."""
    if not values:
        return ""
    mean = f"{np.mean(values):.4g}"
    spread = np.std(values, ddof=1) if np.ptp(values) else 0.0  # Not a rounding error.
    return f"{mean} ± {spread:.2g}" if len(values) > 1 else mean
