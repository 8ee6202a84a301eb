"""Where the units of a deep, narrow network die, with `DeadUnitMonitor`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from experiments.engine import datasets, networks
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Part, Table
from keras_inits import DeadUnitMonitor
from keras_inits.callbacks import heat_map

INITIALIZERS = ("he_normal", "lee_qr")


@dataclass(frozen=True)
class Watched:
    """A deep, narrow ReLU network that a monitor watches, under each initializer.

    Layers are its runs: each has what the monitor says of it after every epoch.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        depth: Number of hidden layers, of 10 and 6 units in turn.
        epochs: Epochs to train, with Adam at 0.001 and batches of 100.
    """

    dataset: str = "mnist"
    depth: int = 120
    epochs: int = 2

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.depth} layers"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a layer."""
        return self.epochs

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each layer, the output included."""
        return [
            {
                "experiment": "monitor",
                "dataset": self.dataset,
                "depth": self.depth,
                "trained_epochs": self.epochs,
                "initializer": initializer,
                "layer": layer,
            }
            for initializer in INITIALIZERS
            for layer in range(1, self.depth + 2)
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains the networks of which a layer is missing.

        Args:
            missing: Descriptions of layers.
            ledger: Gets the quantities of `DeadUnitMonitor.history`.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, "unit")
        hidden = networks.alternating(self.depth)
        for name in dict.fromkeys(run["initializer"] for run in missing):
            keras.utils.set_random_seed(0)
            model = networks.feedforward(x.shape[1], data.num_classes, hidden, name)
            model.compile("adam", "sparse_categorical_crossentropy")
            monitor = DeadUnitMonitor(on_collapse=None)
            model.fit(
                x,
                data.y,
                batch_size=100,
                epochs=self.epochs,
                verbose=0,
                callbacks=[monitor, *([progress] if progress is not None else [])],
            )
            runs = [run for run in self.describe() if run["initializer"] == name]
            ids = [ledger.begin(run) for run in runs]
            for epoch in range(self.epochs):
                layers = [row for row in monitor.history if row["epoch"] == epoch]
                quantities = layers[0].keys() - {"epoch", "layer"}
                values = {q: [row[q] for row in layers] for q in sorted(quantities)}
                ledger.record(ids, epoch, values)


def report(results: Results, folder: Path) -> list[Part]:
    """Draws the units that are dead or constant, layers by epochs.

    Args:
        results: Of one `Watched`.
        folder: Where pictures go.
    """
    frame = results.frame
    pictures: list[Part] = []
    rows = []
    for name in INITIALIZERS:
        of_name = frame[frame["initializer"] == name]
        layers = of_name.assign(
            layer=[f"layer {number}" for number in of_name["layer"]]
        )
        history: list[Any] = layers.to_dict("records")
        figure = heat_map.heat_map(history, "inactive_fraction")
        title = f"{name} on {results.cells[0].dataset}"
        figure.axes[0].set_title(title, loc="left", fontsize=11)
        pictures.append(folder / f"{name}.png")
        figure.savefig(pictures[-1])
        last = of_name[of_name["epoch"] == of_name["epoch"].max()]
        whole = last["layer"][last["inactive_fraction"] == 1]
        rows.append(
            [
                name,
                f"{100 * last['inactive_fraction'].mean():.0f}",
                f"{100 * last['duplicate_fraction'].mean():.0f}",
                str(len(whole)),
                str(whole.min()) if len(whole) else "",
            ]
        )
    columns = ["initializer", "dead or constant (%)", "copies (%)"]
    columns += ["layers without an active unit", "the first"]
    return [Table("Units after the last epoch", columns, rows), *pictures]
