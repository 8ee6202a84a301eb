"""Poli & Yilmaz (2024), section 2.2: residual ReLU networks on images."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np

import keras_inits
from experiments.engine import datasets, networks, trainer
from experiments.engine.ledger import Ledger
from experiments.poli2024.channels import LOOKED_AT, Channels
from experiments.poli2024.methods import check_methods, start

COMPARED = ("yilmaz_poli", "he", "glorot", "ortho", "rai")
"""Of `METHODS`."""

BATCH = 128


@dataclass(frozen=True)
class Networks(abc.ABC):
    """Residual networks of one form, that start by several methods.

    Args:
        dataset: Name for `experiments.engine.datasets.load`, of images.
        layers: 18 or 34.
        width: Channels of the first stage.
        scaling: `"unit"`, pixels in [0, 1], or `"standard"`.
        normalized: Whether there is batch normalization.
        seeds: Number of seeds.
        methods: Those to compare.
    """

    dataset: str
    layers: int = 18
    width: int = 64
    scaling: datasets.Scaling = "unit"
    normalized: bool = False
    seeds: int = 3
    methods: tuple[str, ...] = COMPARED

    def __post_init__(self) -> None:
        """Checks the methods."""
        check_methods(self.methods, COMPARED)

    kind: ClassVar[str]
    """What is done with them."""

    @property
    def network(self) -> str:
        """What they are, data aside."""
        return f"ResNet-{self.layers}, {self.width} channels"

    @property
    def data(self) -> str:
        """What they see."""
        scaled = {"unit": "[0, 1]", "standard": "standardised"}[self.scaling]
        return f"{self.dataset}, {scaled}"

    @property
    def normalization(self) -> str:
        """How they are normalized."""
        return "batch normalization" if self.normalized else "no normalization"

    @property
    def form(self) -> str:
        """What they are, in a few words."""
        return f"{self.network}, {self.data}, {self.normalization}"

    @property
    @abc.abstractmethod
    def rows_per_run(self) -> int:
        """Rows that the ledger has of a run that is finished."""

    @property
    def relu_layers(self) -> int:
        """Number of ReLU layers."""
        return 1 + 2 * sum(networks.RESIDUAL_BLOCKS[self.layers])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return {"cifar100": 100}.get(self.dataset, 10)

    def describe_with(self, more: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the description of every network.

        Args:
            more: What else their results depend on.
        """
        return [
            {
                "experiment": "poli-born-dead",
                "kind": self.kind,
                "dataset": self.dataset,
                "layers": self.layers,
                "width": self.width,
                "scaling": self.scaling,
                "normalized": self.normalized,
                "method": method,
                "seed": seed,
                **more,
            }
            for seed in range(self.seeds)
            for method in self.methods
        ]


@dataclass(frozen=True)
class Start(Networks):
    """Channels of networks at their start, layer by layer; arguments as theirs."""

    kind: ClassVar[str] = "start"

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"start, {self.form}"

    @property
    def rows_per_run(self) -> int:
        """ReLU layers that the ledger has of a network."""
        return self.relu_layers

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        return self.describe_with({"epochs": self.rows_per_run})

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Looks at the networks that the ledger does not have; an epoch is a layer.

        Args:
            missing: Descriptions.
            ledger: Gets what `Channels` has of a layer.
            data_dir: Folder of the images.
            progress: Not shown: it takes seconds a network.
        """
        _, (x, _) = images(self.dataset, self.scaling, data_dir)
        for run in missing:
            keras.backend.clear_session()
            model = build(self, run["method"], run["seed"])
            channels = Channels(model, x[:LOOKED_AT])
            number = ledger.begin(run)
            for layer, values in enumerate(channels.look()):
                ledger.record([number], layer, {k: [v] for k, v in values.items()})


@dataclass(frozen=True)
class Cell(Networks):
    """Networks that are trained, one by one.

    Args:
        epochs: Passes through the images, with Adam at 0.001; the other arguments are
            those of `Networks`.
    """

    kind: ClassVar[str] = "trained"
    epochs: int = 5

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return self.form

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        more = {"batch_size": BATCH, "epochs": self.epochs, "engine": "fit"}
        return self.describe_with(more)

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet, one network at a time.

        Args:
            missing: Descriptions.
            ledger: Gets loss and accuracy in training and test, and after each epoch
                what `Channels` has: `dead_1` of the first layer and so on, and `dead`,
                the mean over layers.
            data_dir: Folder of the images.
            progress: Shows how far the training is.
        """
        train, test = images(self.dataset, self.scaling, data_dir)
        for run in missing:
            keras.backend.clear_session()
            model = build(self, run["method"], run["seed"])
            compiled(model)
            batches = Shuffled(*train, run["seed"])
            trainer.fit(
                model,
                [run],
                ledger,
                batches,
                shuffle=False,
                validation_data=test,
                epochs=self.epochs,
                callbacks=[Looking(test[0][:LOOKED_AT], batches)],
                progress=progress,
            )


@dataclass(frozen=True)
class Forecast(Networks):
    """What `diagnose` says of networks before they are trained.

    Args:
        epochs: Passes through the images; the other arguments are those of `Networks`.
    """

    kind: ClassVar[str] = "diagnosed"
    epochs: int = 5

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"diagnosis, {self.form}"

    @property
    def rows_per_run(self) -> int:
        """Rows that the ledger has of a network: one."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        more = {"batch_size": BATCH, "of_epochs": self.epochs, "epochs": 1}
        return self.describe_with(more)

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Diagnoses what the ledger does not have yet.

        Args:
            missing: Descriptions.
            ledger: Gets `will_train`, 1 or 0, and `uncertain`, the same.
            data_dir: Folder of the images.
            progress: Not shown: it takes seconds a network.
        """
        (x, y), _ = images(self.dataset, self.scaling, data_dir)
        for run in missing:
            keras.backend.clear_session()
            model = compiled(build(self, run["method"], run["seed"]))
            diagnosis = keras_inits.diagnose(
                model,
                x,
                y,
                steps=self.epochs * (len(x) // BATCH),
                batch_size=BATCH,
                advice=False,
            )
            values = {
                "will_train": [float(diagnosis.will_train)],
                "uncertain": [float(bool(diagnosis.uncertain))],
            }
            ledger.record([ledger.begin(run)], 0, values)


Images = tuple[np.ndarray, np.ndarray]


def images(
    dataset: str, scaling: datasets.Scaling, data_dir: str | None
) -> tuple[Images, Images]:
    """Returns images and classes to train on, and those to test on.

    Args:
        dataset: Name for `datasets.load`.
        scaling: `"unit"`, or `"standard"` by all pixels of the train part.
        data_dir: Folder of the images.
    """
    train, test = (datasets.load(dataset, data_dir, p) for p in ("train", "test"))
    shape = datasets.image_shape(dataset)
    parts = [datasets.scale(data, "unit").reshape(-1, *shape) for data in (train, test)]
    if scaling == "standard":
        mean, sd = parts[0].mean(), parts[0].std()
        parts = [(part - mean) / sd for part in parts]
    return (parts[0], train.y), (parts[1], test.y)


def build(cell: Networks, method: str, seed: int) -> keras.Model:
    """Builds a network that starts by a method in all of its layers.

    Args:
        cell: What it is to be.
        method: A key of `METHODS`.
        seed: A seed.
    """
    shape = datasets.image_shape(cell.dataset)
    model = networks.residual(
        shape, cell.classes, cell.layers, cell.width, cell.normalized
    )
    start(model, method, seed)
    return model


def compiled(model: keras.Model) -> keras.Model:
    """Compiles a network as all are trained."""
    model.compile(
        keras.optimizers.Adam(0.001),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


class Shuffled(keras.utils.PyDataset):
    """Images in an order of their own in each epoch, by seed and epoch alone.

    Args:
        x: Images.
        y: Their classes.
        seed: A seed.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        """Is before the first epoch."""
        super().__init__()
        self._x, self._y, self._seed = x, y, seed
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Orders the images for an epoch."""
        self._order = np.random.default_rng((self._seed, epoch)).permutation(
            len(self._x)
        )

    def __len__(self) -> int:
        """Returns the number of whole batches."""
        return max(1, len(self._x) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a batch."""
        of_batch = self._order[index * BATCH : (index + 1) * BATCH]
        return self._x[of_batch], self._y[of_batch]


class Looking(keras.callbacks.Callback):
    """Orders the images of each epoch, and logs which channels are dead after it.

    Args:
        x: Images to look at.
        batches: What is trained on.
    """

    def __init__(self, x: np.ndarray, batches: Shuffled) -> None:
        """Keeps the images."""
        super().__init__()
        self._x, self._batches = x, batches

    def on_train_begin(self, logs: Any = None) -> None:
        """Prepares to look."""
        self._channels = Channels(self.model, self._x)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Orders the images: the next epoch, or that which was stopped."""
        self._batches.start_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `dead`, `dead_1` and so on."""
        layers = self._channels.look()
        if logs is not None:
            for name in layers[0]:
                of_layers = [layer[name] for layer in layers]
                logs[name] = float(np.mean(of_layers))
                numbered = enumerate(of_layers, 1)
                logs.update({f"{name}_{number}": value for number, value in numbered})
