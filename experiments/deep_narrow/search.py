"""The main job: KerasTuner over initializer and epsilon on deep, narrow networks."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np

from experiments.deep_narrow.dead_units import TrialRecorder
from experiments.deep_narrow.report import report
from experiments.engine import datasets, networks
from experiments.engine.ledger import Ledger
from experiments.engine.progress import FitProgress, progress_bar
from experiments.engine.trainer import STEPS_TOGETHER
from experiments.reporting.publish import Publication
from experiments.reporting.report import Table
from keras_inits import InitializerHyperModel, LeeQR, PopulationTuner
from keras_inits.population import ENGINE
from keras_inits.utils.validation import unknown

INITIALIZERS = (
    "lee_qr",
    "rectangular_identity",
    "zer_o",
    "orthogonal",
    "glorot_uniform",
    "he_normal",
)

ORACLES = {
    "grid": keras_tuner.oracles.GridSearchOracle,
    "random": keras_tuner.oracles.RandomSearchOracle,
    "bayesian": keras_tuner.oracles.BayesianOptimizationOracle,
}

_TRIALS_TOGETHER = 32  # of one network
_LOOKED_AT = 2000  # samples, for dead units


@dataclass(frozen=True)
class Space:
    """What a search chooses among.

    Args:
        depths: Numbers of hidden layers.
        widths: Widths that hidden layers take in turn, such as `"10-6"`.
        initializers: Names.
        epsilon: Range (a tuple) or list of values, for those initializers that take it.
        signs: Sign conventions, for those that take them; none for their default.
        activation: Of the hidden layers.
    """

    depths: tuple[int, ...] = (60,)
    widths: tuple[str, ...] = ("10-6",)
    initializers: tuple[str, ...] = INITIALIZERS
    epsilon: tuple[float, float] | list[float] = (1e-4, 10.0)
    signs: tuple[str, ...] = ("householder", "gram_schmidt")
    activation: str = "relu"

    def hypermodel(self, features: int, classes: int) -> InitializerHyperModel:
        """Returns KerasTuner's form of it, for some numbers of inputs and classes.

        Raises:
            ValueError: If something in it is unknown.
        """
        networks.check_activation(self.activation)
        layers = {text: networks.parse_widths(text) for text in self.widths}

        def build(initializer: Any, hp: keras_tuner.HyperParameters) -> keras.Model:
            depth = self._choose(hp, "depth", self.depths)
            widths = layers[self._choose(hp, "widths", self.widths)]
            hidden = networks.alternating(depth, widths)
            model = networks.feedforward(
                features, classes, hidden, initializer, self.activation
            )
            model.compile(
                keras.optimizers.Adam(0.001),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
                steps_per_execution=STEPS_TOGETHER,
            )
            return model

        return InitializerHyperModel(build, self.initializers, self.epsilon, self.signs)

    def command(self, dataset: str, seeds: int, epochs: int, batch_size: int) -> str:
        """Returns the command that searches it."""
        options: list[tuple[str, object]] = [("dataset", dataset)]
        options += [("depth", depth) for depth in self.depths]
        options += [("width", widths) for widths in self.widths]
        options += [("initializer", name) for name in self.initializers]
        # Without one the initializers take their default, which is that of `LeeQR`.
        signs = self.signs or (LeeQR().signs,)
        options += [("signs", value) for value in signs]
        if isinstance(self.epsilon, tuple):
            options.append(("epsilon-range", " ".join(map(str, self.epsilon))))
        else:
            options += [("epsilon", value) for value in self.epsilon]
        options += [("activation", self.activation), ("seeds", seeds)]
        options += [("epochs", epochs), ("batch-size", batch_size)]
        texts = (f"--{name} {value}" for name, value in options)
        return " ".join(["python -m experiments search deep-narrow", *texts])

    def _choose(
        self, hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any]
    ) -> Any:
        # What has one value is not searched, and not named in tables.
        return hp.Choice(name, list(values)) if len(values) > 1 else values[0]


def search(
    dataset: str = "digits",
    depths: Sequence[int] = (),
    widths: Sequence[str] = (),
    initializers: Sequence[str] = (),
    epsilon: tuple[float, float] | list[float] = (1e-4, 10.0),
    signs: Sequence[str] = ("householder", "gram_schmidt"),
    activation: str = "relu",
    seeds: int = 5,
    epochs: int = 0,
    batch_size: int = 0,
    scaling: datasets.Scaling = "unit",
    oracle: str = "grid",
    trials: int | None = None,
    folder: Path = Path("results"),
    data_dir: str | None = None,
) -> tuple[list[str | Table], list[Path]]:
    """Searches for the initializer that trains hidden layers of a few units in turn.

    The ledger keeps what every trial and seed has reached. Started again with the same
    arguments, it goes on where it stopped. What is left out is that of the data set: 60
    layers of 10 and 6 units, batches of 32 and 40 epochs on those that are embedded; on
    others 20 and 120 layers of 10 and 6 units and of 4, batches of 100 and 10 epochs.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        depths: Numbers of hidden layers.
        widths: Widths that hidden layers take in turn, such as `"10-6"`.
        initializers: Names. Defaults to `INITIALIZERS`.
        epsilon: Range (a tuple) or list of values, for those initializers that take it.
        signs: Sign conventions, for those that take them; none for their default.
        activation: Of the hidden layers.
        seeds: Number of seeds; each has a hold-out of 15 % and an order of its own.
        epochs: Epochs to train, with Adam at 0.001.
        batch_size: Samples in a batch.
        scaling: Scale of the pixels.
        oracle: `"grid"`, `"random"` or `"bayesian"`.
        trials: Most trials to run; the whole grid by default, else 20.
        folder: Where results go.
        data_dir: Folder of prepared tensorflow-datasets data.

    Returns:
        Texts and tables of the report, and the files that were written.

    Raises:
        ValueError: If an argument is unknown.
    """
    if oracle not in ORACLES:
        raise unknown("oracle", oracle, ORACLES)
    small = dataset in datasets.EMBEDDED
    epochs = epochs or (40 if small else 10)
    batch_size = batch_size or (32 if small else 100)
    space = Space(
        tuple(depths) or ((60,) if small else (20, 120)),
        tuple(widths) or (("10-6",) if small else ("10-6", "4")),
        tuple(initializers) or INITIALIZERS,
        epsilon,
        tuple(signs),
        activation,
    )
    data = datasets.load(dataset, data_dir)
    x = datasets.scale(data, scaling)
    hypermodel = space.hypermodel(x.shape[1], data.num_classes)
    limit = trials if oracle == "grid" else trials or 20
    # Whatever makes it another search goes into its name, which is what is resumed.
    what = (space, seeds, epochs, batch_size, scaling, oracle, limit, ENGINE)
    digest = hashlib.sha256(repr(what).encode()).hexdigest()[:8]
    name = f"search-{dataset.replace('/', '-')}-{space.activation}-{digest}"
    tuner = PopulationTuner(
        ORACLES[oracle]("val_accuracy", max_trials=limit, seed=1),
        hypermodel,
        seeds=seeds,
        # The oracle turns to the next network before the next initializer.
        trials_together=_TRIALS_TOGETHER * len(space.depths) * len(space.widths),
        directory=str(folder / "keras_tuner"),
        project_name=name,
    )
    ledger = Ledger(folder / "ledger.sqlite")
    about = {
        "experiment": "deep-narrow",
        "search": name,
        "dataset": dataset,
        "scaling": scaling,
        "activation": space.activation,
        "depths": list(space.depths),
        "widths": list(space.widths),
        "trained_epochs": epochs,
        "batch_size": batch_size,
        "engine": ENGINE,
    }
    recorder = TrialRecorder(x[:_LOOKED_AT], ledger, about)
    with progress_bar() as bar:
        tuner.search(
            x,
            data.y,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=0.15,
            validation_batch_size=512,
            verbose=0,
            callbacks=[recorder, FitProgress(bar, f"{dataset}, {space.activation}")],
        )
    networks_tried = " and ".join(map(str, space.depths)) + " hidden layers"
    if len(space.widths) == 1:
        networks_tried += f" of {' and '.join(space.widths[0].split('-'))} units"
    title = (
        f"{data.name}: {networks_tried}, {space.activation}, {epochs} epochs, "
        f"{seeds} seeds"
    )
    command = space.command(dataset, seeds, epochs, batch_size)
    command += f" --scaling {scaling} --oracle {oracle} --trials {trials or 0}"
    publication = Publication(
        name,
        f"Deep, narrow search on {title}",
        command,
        f"Search {digest}",
        [_Recorded(ledger, name)],
        functools.partial(
            report,
            title=title,
            chance=np.bincount(data.y).max() / len(data.y),
            samples=_LOOKED_AT,
        ),
    )
    return publication.write(folder)


@dataclass(frozen=True)
class _Recorded:
    """The trials of a search that have ended.

    Args:
        ledger: Where they are.
        name: Of the search.
    """

    ledger: Ledger
    name: str

    def describe(self) -> list[dict[str, Any]]:
        """Returns the descriptions of all trials and seeds."""
        return self.ledger.descriptions(search=self.name)
