"""Poli & Yilmaz (2024), section 2.2: residual ReLU networks on images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import datasets, networks, trainer
from experiments.engine.ledger import Ledger
from experiments.poli2024.methods import check_methods, start

COMPARED = ("yilmaz_poli", "he", "glorot", "ortho", "rai")
"""Of `METHODS`."""

NEAR_DEAD = 0.01
"""Part of the samples below which a unit that is active on them is near dead."""

LOOKED_AT = 500
"""Images of the test part on which units are looked at."""

BATCH = 128


@dataclass(frozen=True)
class Networks:
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

    @property
    def form(self) -> str:
        """What they are, in a few words."""
        scaled = {"unit": "[0, 1]", "standard": "standardised"}[self.scaling]
        normalized = "batch normalization" if self.normalized else "no normalization"
        return (
            f"ResNet-{self.layers}, {self.width} channels, {self.dataset}, {scaled}, "
            f"{normalized}"
        )

    def describe_as(self, kind: str, more: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the description of every network.

        Args:
            kind: What is done with them.
            more: What else their results depend on.
        """
        return [
            {
                "experiment": "poli-born-dead",
                "kind": kind,
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
    """Units of networks that are not trained, layer by layer; arguments as theirs."""

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"start, {self.form}"

    @property
    def rows_per_run(self) -> int:
        """ReLU layers that the ledger has of a network."""
        return 1 + 2 * sum(networks.RESIDUAL_BLOCKS[self.layers])

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        return self.describe_as("start", {"epochs": self.rows_per_run})

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
            ledger: Gets `dead`, `near_dead` and `active`, as `Units` has them.
            data_dir: Folder of the images.
            progress: Not shown: it takes seconds a network.
        """
        _, (x, _), classes = images(self.dataset, self.scaling, data_dir)
        for run in missing:
            keras.backend.clear_session()
            model = build(self, classes, run["method"], run["seed"])
            units = Units(model, x[:LOOKED_AT])
            number = ledger.begin(run)
            for layer, values in enumerate(units.look()):
                ledger.record([number], layer, {k: [v] for k, v in values.items()})


@dataclass(frozen=True)
class Cell(Networks):
    """Networks that are trained, one by one.

    Args:
        epochs: Passes through the images, with Adam at 0.001; the other arguments are
            those of `Networks`.
    """

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
        return self.describe_as("trained", more)

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
                `dead` and `near_dead`, the means over layers.
            data_dir: Folder of the images.
            progress: Shows how far the training is.
        """
        train, test, classes = images(self.dataset, self.scaling, data_dir)
        for run in missing:
            keras.backend.clear_session()
            model = build(self, classes, run["method"], run["seed"])
            model.compile(
                keras.optimizers.Adam(0.001),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
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


Images = tuple[np.ndarray, np.ndarray]


def images(
    dataset: str, scaling: datasets.Scaling, data_dir: str | None
) -> tuple[Images, Images, int]:
    """Returns images and classes to train on, those to test on, and their number.

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
    return (parts[0], train.y), (parts[1], test.y), train.num_classes


def build(cell: Networks, classes: int, method: str, seed: int) -> keras.Model:
    """Builds a network that starts by a method in all of its layers.

    Args:
        cell: What it is to be.
        classes: Number of classes.
        method: A key of `METHODS`.
        seed: A seed.
    """
    shape = datasets.image_shape(cell.dataset)
    model = networks.residual(shape, classes, cell.layers, cell.width, cell.normalized)
    start(model, method, seed)
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


class Units:
    """What the units of the ReLU layers of a network do on some images.

    A unit is a channel. It is active on an image where its output is above 0 at any
    place; dead if it is active on none, and near dead on less than 1 %. Normalization
    is by the images that are looked at, a batch at a time, as in training, so that a
    network can be looked at before it has been trained; it learns nothing of them.

    Args:
        model: From `networks.residual`.
        x: Images.
    """

    def __init__(self, model: keras.Model, x: np.ndarray) -> None:
        """Prepares the network that has all outputs."""
        outputs = [
            keras.ops.max(layer.output, axis=(1, 2))
            for layer in model.layers
            if isinstance(layer, keras.layers.ReLU)
        ]
        self._network = keras.Model(model.inputs[0], outputs)
        self._x = x

    def look(self) -> list[dict[str, float]]:
        """Returns of each layer `dead`, `near_dead` and `active`, parts of its units.

        `near_dead` has those that are dead; `active` is the mean part of the images on
        which units are active. All are NaN of a layer whose outputs are not finite.
        """
        learned = self._network.non_trainable_variables
        before = [keras.ops.convert_to_numpy(variable) for variable in learned]
        batches = [
            keras.tree.flatten(self._network(self._x[at : at + BATCH], training=True))
            for at in range(0, len(self._x), BATCH)
        ]
        for variable, value in zip(learned, before, strict=True):
            variable.assign(value)
        layers = []
        for parts in zip(*batches, strict=True):
            outputs = np.concatenate([keras.ops.convert_to_numpy(p) for p in parts])
            if not np.isfinite(outputs).all():
                layers.append(dict.fromkeys(("dead", "near_dead", "active"), np.nan))
                continue
            active = (outputs > 0).mean(axis=0)
            layers.append(
                {
                    "dead": float((active == 0).mean()),
                    "near_dead": float((active < NEAR_DEAD).mean()),
                    "active": float(active.mean()),
                }
            )
        return layers


class Looking(keras.callbacks.Callback):
    """Orders the images of each epoch, and logs how many units are dead after it.

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
        self._units = Units(self.model, self._x)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Orders the images: the next epoch, or that which was stopped."""
        self._batches.start_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `dead` and `near_dead`."""
        layers = self._units.look()
        if logs is not None:
            for name in ("dead", "near_dead"):
                logs[name] = float(np.mean([layer[name] for layer in layers]))
