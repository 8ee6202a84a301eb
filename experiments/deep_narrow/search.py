"""The main job: KerasTuner over initializer and epsilon on deep, narrow networks."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import keras
import keras_tuner
import numpy as np

from experiments.deep_narrow.dead_units import LOOKED_AT, TrialRecorder
from experiments.engine import datasets, networks
from experiments.engine.ledger import Ledger
from experiments.engine.trainer import STEPS_TOGETHER
from keras_inits import InitializerHyperModel, PopulationTuner
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


@dataclasses.dataclass(frozen=True)
class Search:
    """A search for the initializer that trains hidden layers of a few units in turn.

    A cell whose runs an oracle chooses: what it describes beforehand is the search
    itself, which is recorded when all its trials are. What is left out is that of the
    data set: 60 layers of 10 and 6 units, batches of 32 and 40 epochs on those that are
    embedded; on others 20 and 120 layers of 10 and 6 units and of 4, batches of 100 and
    10 epochs.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        depth: Numbers of hidden layers.
        width: Widths that hidden layers take in turn, such as `"10-6"`.
        initializer: Names.
        epsilon: Values to try, for those initializers that take one.
        epsilon_range: Lowest and highest, where there are no values.
        signs: Sign conventions, for those that take them; none for their default.
        activation: Of the hidden layers.
        seeds: Number of seeds; each has a hold-out of 15 % and an order of its own.
        epochs: Epochs to train, with Adam at 0.001.
        batch_size: Samples in a batch.
        scaling: Scale of the pixels: "raw", "unit" or "standard".
        oracle: A key of `ORACLES`.
        trials: Most trials to run; 0 for the whole grid, or 20 of another oracle.

    Raises:
        ValueError: If an argument is unknown.
    """

    dataset: str = "digits"
    depth: tuple[int, ...] = ()
    width: tuple[str, ...] = ()
    initializer: tuple[str, ...] = INITIALIZERS
    epsilon: tuple[float, ...] = ()
    epsilon_range: tuple[float, float] = (1e-4, 10.0)
    signs: tuple[str, ...] = ("householder", "gram_schmidt")
    activation: str = "relu"
    seeds: int = 5
    epochs: int = 0
    batch_size: int = 0
    scaling: str = ""
    oracle: str = "grid"
    trials: int = 0

    def __post_init__(self) -> None:
        """Fills in what the data set decides, and checks all before there is work."""
        small = self.dataset in datasets.EMBEDDED
        for name, value in (
            ("depth", (60,) if small else (20, 120)),
            ("width", ("10-6",) if small else ("10-6", "4")),
            ("epochs", 40 if small else 10),
            ("batch_size", 32 if small else 100),
            ("scaling", "unit" if small else "raw"),
        ):
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.oracle not in ORACLES:
            raise unknown("oracle", self.oracle, ORACLES)
        if self.scaling not in get_args(datasets.Scaling):
            raise unknown("scaling", self.scaling, get_args(datasets.Scaling))
        self.hypermodel(features=1, classes=2)

    @property
    def name(self) -> str:
        """What it is, in a few words.

        Examples:
            >>> Search(depth=(20, 60), seeds=3).name
            'digits: 20 and 60 hidden layers of 10 and 6 units, relu, 40 epochs, \
3 seeds'
        """
        layers = " and ".join(map(str, self.depth)) + " hidden layers"
        if len(self.width) == 1:
            layers += f" of {' and '.join(self.width[0].split('-'))} units"
        about = f"{self.activation}, {self.epochs} epochs, {self.seeds} seeds"
        return f"{self.dataset}: {layers}, {about}"

    @property
    def key(self) -> str:
        """What tells it from any other search, and is resumed by."""
        text = repr((dataclasses.asdict(self), ENGINE))
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{self.dataset.replace('/', '-')}-{self.activation}-{digest}"

    @property
    def rows_per_run(self) -> int:
        """Rows that the ledger has of a trial, and of the search, once it has ended."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of the search itself."""
        return [self._about()]

    def chose(self, run: Mapping[str, Any]) -> bool:
        """Tells whether a run is a trial of this search, in one of its seeds."""
        return self._about().items() <= run.items()

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Runs the trials that are missing, and records each with its dead units.

        Args:
            missing: The description of the search.
            ledger: Where trials go. KerasTuner's own files are beside it.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, cast(datasets.Scaling, self.scaling))
        limit = self.trials or (None if self.oracle == "grid" else 20)
        folder = ledger.path.parent / "keras_tuner"
        tuner = PopulationTuner(
            ORACLES[self.oracle]("val_accuracy", max_trials=limit, seed=1),
            self.hypermodel(x.shape[1], data.num_classes),
            seeds=self.seeds,
            # The oracle turns to the next network before the next initializer.
            trials_together=_TRIALS_TOGETHER * len(self.depth) * len(self.width),
            directory=str(folder),
            project_name=self.key,
            # KerasTuner's own files do not have what the ledger has.
            overwrite=not self._recorded(ledger),
        )
        recorder = TrialRecorder(x[:LOOKED_AT], ledger, self._about())
        tuner.search(
            x,
            data.y,
            epochs=self.epochs,
            batch_size=self.batch_size,
            validation_split=0.15,
            validation_batch_size=512,
            verbose=0,
            callbacks=[recorder, *([progress] if progress is not None else [])],
        )
        trials, expected = self._recorded(ledger), len(tuner.oracle.trials) * self.seeds
        if trials < expected:
            raise ValueError(
                "The ledger must have every trial that KerasTuner has ended; delete "
                f"{folder / self.key} to run them again. "
                f"Received: {trials} of {expected} trials and seeds"
            )
        chance = np.bincount(data.y).max() / len(data.y)
        ledger.record([ledger.begin(self._about())], 0, {"chance": [chance]})

    def hypermodel(self, features: int, classes: int) -> InitializerHyperModel:
        """Returns KerasTuner's form of it, for some numbers of inputs and classes.

        Raises:
            ValueError: If something in it is unknown.
        """
        networks.check_activation(self.activation)
        layers = {text: networks.parse_widths(text) for text in self.width}

        def build(initializer: Any, hp: keras_tuner.HyperParameters) -> keras.Model:
            depth = _choose(hp, "depth", self.depth)
            widths = layers[_choose(hp, "widths", self.width)]
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

        epsilon = list(self.epsilon) or self.epsilon_range
        return InitializerHyperModel(build, self.initializer, epsilon, self.signs)

    def _recorded(self, ledger: Ledger) -> int:
        """Counts the trials and seeds that a ledger has."""
        return sum("values" in run for run in ledger.descriptions(search=self.key))

    def _about(self) -> dict[str, Any]:
        return {
            "experiment": "deep-narrow",
            "search": self.key,
            "dataset": self.dataset,
            "scaling": self.scaling,
            "activation": self.activation,
            "depths": list(self.depth),
            "widths": list(self.width),
            "seeds": self.seeds,
            "trained_epochs": self.epochs,
            "batch_size": self.batch_size,
            "engine": ENGINE,
        }


def _choose(hp: keras_tuner.HyperParameters, name: str, values: Sequence[Any]) -> Any:
    # What has one value is not searched, and not named in tables.
    return hp.Choice(name, list(values)) if len(values) > 1 else values[0]
