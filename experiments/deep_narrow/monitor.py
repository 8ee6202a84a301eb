"""Where the units of a deep, narrow network die, with `DeadUnitMonitor`."""

from pathlib import Path

import keras
import pandas as pd

from experiments.engine import datasets, networks
from experiments.engine.progress import FitProgress, progress_bar
from keras_inits import DeadUnitMonitor

DEPTH = 120
INITIALIZERS = ("he_normal", "lee_qr")


def monitor(
    dataset: str = "mnist",
    depth: int = DEPTH,
    epochs: int = 2,
    folder: Path = Path("results"),
    data_dir: str | None = None,
) -> list[Path]:
    """Trains the deep, narrow ReLU network under He's initializer and under `lee_qr`.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
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
        pd.DataFrame(watch.history).to_csv(table, index=False)
        written += [picture, table]
    return written
