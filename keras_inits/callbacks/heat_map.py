"""A heat map of what the layers of a network do over the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_inits.diagnostics.units.states import QUANTITIES
from keras_inits.utils.figure import new_figure
from keras_inits.utils.validation import unknown


def heat_map(rows: Sequence[Mapping[str, Any]], quantity: str) -> Any:
    """Draws a quantity, layers downward and epochs to the right.

    Args:
        rows: As of `DeadUnitMonitor.history`; means are taken over members.
        quantity: The column to draw.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the quantity is unknown or there is no row.
        ImportError: If matplotlib is not installed.
    """
    if quantity not in QUANTITIES:
        raise unknown("quantity", quantity, QUANTITIES)
    if not rows:
        raise ValueError(
            "There is a plot after the first epoch. Received: an empty history"
        )
    epochs = list(dict.fromkeys(row["epoch"] for row in rows))
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    cells: dict[tuple[str, int], list[float]] = {}
    for row in rows:
        cells.setdefault((row["layer"], row["epoch"]), []).append(row[quantity])
    values = np.array(
        [[np.mean(cells.get((layer, e), np.nan)) for e in epochs] for layer in layers]
    )
    height = min(1.5 + 0.25 * len(layers), 8)
    figure, axes = new_figure(figsize=(6, height))
    fraction = quantity.endswith("_fraction")
    image = axes.imshow(
        values,
        aspect="auto",
        interpolation="nearest",
        cmap="magma_r" if fraction else "viridis",
        vmin=0 if fraction else None,
        vmax=1 if fraction else None,
        extent=(epochs[0] + 0.5, epochs[-1] + 1.5, len(layers) - 0.5, -0.5),
    )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    if len(layers) <= 30:
        axes.set_yticks(range(len(layers)), layers)
    else:
        axes.set_ylabel(f"layer, from '{layers[0]}' to '{layers[-1]}'")
    label = "dead or constant" if quantity == "inactive_fraction" else quantity
    figure.colorbar(image, label=label.replace("_", " "))
    return figure
