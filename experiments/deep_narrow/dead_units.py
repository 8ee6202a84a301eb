"""The trials of a search in the ledger, with the dead units of every layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.engine.ledger import Ledger
from keras_inits import DeadUnitMonitor
from keras_inits.tuning import active_values

LOOKED_AT = 2000
"""Samples over which dead units are counted."""

_PREFIX = "dead_"


class TrialRecorder(DeadUnitMonitor):
    """Records what trials of a search have reached, and which units are dead then.

    It looks at some samples after the last epoch, and not at all that pass in training,
    so that a population keeps to its fast path.

    Args:
        data: The samples to look at.
        ledger: Where to record: `val_accuracy`, `dead_fraction`, and that of the first
            hidden layer as `dead_1`, and so on.
        about: What the descriptions of all trials have in common. `values` and `seed`
            are added.
    """

    def __init__(
        self, data: np.ndarray, ledger: Ledger, about: Mapping[str, Any]
    ) -> None:
        """Keeps the ledger."""
        super().__init__(data, on_collapse=None)
        self.ledger = ledger
        self.about = dict(about)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks once, when all is done: it takes a trace of the whole network."""
        if epoch + 1 == self.params["epochs"]:
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Records every trial and seed."""
        super().on_train_end(logs)
        runs = [
            self.about | {"values": active_values(member["hp"]), "seed": member["seed"]}
            for member in self.model.members
        ]
        values = {
            name: self.model.member_logs[name][-1]
            for name in ("val_accuracy", "dead_fraction")
        }
        layers = [layer for layer in self.activity if layer.can_die]
        for number, layer in enumerate(layers, 1):
            values[f"{_PREFIX}{number}"] = layer.dead.mean(axis=-1)
        self.ledger.record([self.ledger.begin(run) for run in runs], 0, values)


def picture(
    frame: pd.DataFrame, networks: Sequence[str], title: str, path: Path
) -> Path:
    """Draws the part of dead units by trial and layer, a mean over seeds.

    Args:
        frame: Rows of trials, with their `network` and `label`.
        networks: The networks to draw, from above.
        title: Heading of the picture.
        path: The PNG file to write.
    """
    layers = [
        name
        for name in map(str, frame)
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdigit()
    ]
    names = sorted(frame["label"].unique())
    figure = Figure(
        figsize=(8, (0.9 + 0.24 * len(names)) * len(networks) + 0.5),
        layout="constrained",
    )
    grid = figure.subplots(len(networks), squeeze=False).ravel()
    for axes, network in zip(grid, networks, strict=True):
        trials = frame[frame["network"] == network].groupby("label")[layers]
        panel = trials.mean().reindex(names).dropna(axis="columns", how="all")
        depth = panel.shape[1]
        image = axes.imshow(
            panel,
            aspect="auto",
            cmap="magma_r",
            vmin=0,
            vmax=1,
            extent=(0.5, depth + 0.5, len(names) - 0.5, -0.5),
        )
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.set_xlabel("layer")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(network, loc="left", fontsize=10)
    figure.suptitle(title, fontsize=11)
    figure.colorbar(image, ax=list(grid), label="dead units", shrink=0.8)
    figure.savefig(path)
    return path
