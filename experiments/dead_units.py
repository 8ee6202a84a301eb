"""Where units die: in the trials of a search, and in the 120-layer network on MNIST."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments import datasets, networks
from experiments.plots import label, network
from experiments.progress import FitProgress, progress_bar
from keras_inits import DeadUnitMonitor
from keras_inits.tuning import active_values

DEPTH = 120
INITIALIZERS = ("he_normal", "lee_qr")


class TrialMonitor(DeadUnitMonitor):
    """Writes which part of each layer's units is dead when a search has trained it.

    KerasTuner copies callbacks, and a search goes on in another process: what it has
    seen has to go to a file.

    It looks at some samples after the last epoch, and not at all that pass in training,
    so that a population keeps to its fast path.

    Args:
        data: The samples to look at.
        path: A CSV file; rows of further trials are added to it.
    """

    def __init__(self, data: np.ndarray, path: Path) -> None:
        """Keeps the path."""
        super().__init__(data, on_collapse=None)
        self.path = path

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks once, when all is done: it takes a trace of the whole network."""
        if epoch + 1 == self.params["epochs"]:
            super().on_epoch_end(epoch, logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Adds a row for each trial, seed and layer."""
        super().on_train_end(logs)
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.writer(file)
            if new:
                columns = ("network", "trial", "seed", "layer", "dead_fraction")
                writer.writerow(columns)
            hidden = [layer for layer in self.activity if layer.can_die]
            for place, layer in enumerate(hidden):
                fractions = layer.dead.mean(axis=-1)
                for member, dead in zip(self.model.members, fractions, strict=True):
                    values = active_values(member["hp"])
                    about = network(values), label(values), member["seed"]
                    writer.writerow([*about, place + 1, f"{dead:.4g}"])


def trials(path: Path, shown: Sequence[str], title: str, picture: Path) -> Path | None:
    """Draws the part of dead units by trial and layer, a mean over seeds.

    Args:
        path: From `TrialMonitor`.
        shown: The networks to draw, from above.
        title: Heading of the picture.
        picture: The PNG file to write.

    Returns:
        The picture, or `None` if there is nothing at `path`.
    """
    if not path.exists():
        return None
    parts: dict[str, dict[tuple[str, int], list[float]]] = {n: {} for n in shown}
    with open(path) as file:
        for row in csv.DictReader(file):
            place = row["trial"], int(row["layer"])
            if row["network"] in parts:
                dead = parts[row["network"]].setdefault(place, [])
                dead.append(float(row["dead_fraction"]))
    names = sorted({name for panel in parts.values() for name, _ in panel})
    figure = Figure(
        figsize=(8, (0.9 + 0.24 * len(names)) * len(parts) + 0.5), layout="constrained"
    )
    grid = figure.subplots(len(parts), squeeze=False).ravel()
    for axes, (heading, panel) in zip(grid, parts.items(), strict=True):
        depth = max(layer for _, layer in panel)
        image = axes.imshow(
            [
                [np.mean(panel.get((name, n), np.nan)) for n in range(1, depth + 1)]
                for name in names
            ],
            aspect="auto",
            cmap="magma_r",
            vmin=0,
            vmax=1,
            extent=(0.5, depth + 0.5, len(names) - 0.5, -0.5),
        )
        axes.set_yticks(range(len(names)), names, fontsize=9)
        axes.set_xlabel("layer")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(heading, loc="left", fontsize=10)
    figure.suptitle(title, fontsize=11)
    figure.colorbar(image, ax=list(grid), label="dead units", shrink=0.8)
    figure.savefig(picture)
    return picture


def monitor(
    dataset: str = "mnist",
    depth: int = DEPTH,
    epochs: int = 2,
    folder: Path = Path("results"),
    data_dir: str | None = None,
) -> list[Path]:
    """Trains the deep, narrow ReLU network under He's initializer and under `lee_qr`.

    Args:
        dataset: Name for `experiments.datasets.load`.
        depth: Number of hidden layers, of 10 and 6 units in turn.
        epochs: Epochs to train, with Adam at 0.001 and batches of 100.
        folder: Where results go.
        data_dir: Folder of prepared tensorflow-datasets data.

    Returns:
        For each initializer a heat map of the units that are dead or constant, layers
        by epochs, and the whole history of the monitor.
    """
    data = datasets.load(dataset, data_dir)
    x = datasets.scale(data, "unit")
    folder = folder / "monitor"
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in INITIALIZERS:
        keras.utils.set_random_seed(0)
        hidden = networks.alternating(depth)
        model = networks.feedforward(x.shape[1], data.num_classes, hidden, name)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        watch = DeadUnitMonitor(on_collapse=None)
        with progress_bar() as bar:
            model.fit(
                x,
                data.y,
                batch_size=100,
                epochs=epochs,
                verbose=0,
                callbacks=[watch, FitProgress(bar, f"{dataset}, {name}")],
            )
        picture, table = (folder / f"{name}{ending}" for ending in (".png", ".csv"))
        figure = watch.plot("inactive_fraction")
        figure.axes[0].set_title(f"{name} on {dataset}", loc="left", fontsize=11)
        figure.savefig(picture)
        with open(table, "w", newline="") as file:
            writer = csv.DictWriter(file, watch.history[0])
            writer.writeheader()
            writer.writerows(watch.history)
        written += [picture, table]
    return written
