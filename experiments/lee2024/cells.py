"""Lee et al. (2024): the rows of its tables, and the networks of its figures."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import datasets, networks, trainer
from experiments.engine.datasets import Dataset
from experiments.engine.frame import key
from experiments.engine.ledger import Ledger
from experiments.lee2024.protocol import METHODS, Protocol, check_methods
from keras_inits.population import ENGINE, SeedBatches

IMAGES = ("mnist", "fashion_mnist")
"""The data sets of its tables."""


TURNED = Protocol(zero_transpose=not Protocol().zero_transpose)
"""The default protocol, but for the orientation of ZerO."""

ONE_DRAW = Protocol(draws="one")
"""The default protocol, but for one draw for all layers of a shape."""

_VALIDATION_BATCH = 1000
_OF_TRAINING = ("scaling", "learning_rate", "batch_size", "drop_remainder", "held_out")


@dataclass(frozen=True)
class Cell:
    """One row of a table: a network and data on which all methods are compared.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        activation: Of the hidden layers.
        depth: Number of hidden layers.
        widths: Widths that the hidden layers take in turn.
        samples_per_class: Training samples of each class; `None` for all.
        epochs: Epochs to train.
        reported: Epochs after which the network is validated; `()` for all. Those after
            the last are left out, and the last is added.
        methods: Columns of the table.
        seeds: Number of seeds. Each is a hold-out, an order of samples, and an
            initialization.
        protocols: How to train. They may differ in initial weights alone; what is the
            same under several is trained once.

    Raises:
        ValueError: If a method is unknown, or protocols differ in more than initial
            weights.
    """

    dataset: str
    activation: str = "relu"
    depth: int = 120
    widths: tuple[int, ...] = (10, 6)
    samples_per_class: int | None = None
    epochs: int = 10
    reported: tuple[int, ...] = ()
    methods: tuple[str, ...] = METHODS
    seeds: int = 10
    protocols: tuple[Protocol, ...] = (Protocol(),)

    def __post_init__(self) -> None:
        """Checks methods and protocols, and ends what is reported with the last."""
        check_methods(self.methods)
        for name in _OF_TRAINING:
            values = [getattr(protocol, name) for protocol in self.protocols]
            if len(set(values)) > 1:
                raise ValueError(
                    "Protocols that train together may differ in initial weights "
                    f"alone. Received: {name}={values}"
                )
        if self.reported:
            reported = tuple(epoch for epoch in self.reported if epoch < self.epochs)
            object.__setattr__(self, "reported", (*reported, self.epochs))

    @property
    def hidden(self) -> str:
        """The hidden layers, in short.

        Examples:
            >>> Cell("mnist").hidden, Cell("mnist", depth=1, widths=(16,)).hidden
            ('10-6x120', '16')
        """
        if self.depth == 0:
            return "0"
        widths = "-".join(map(str, self.widths))
        return widths if self.depth == len(self.widths) else f"{widths}x{self.depth}"

    @property
    def table(self) -> int:
        """Number of the paper's table that has such networks."""
        return 2 if self.depth > 1 else 1

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.activation}, {self.hidden}"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    @property
    def reports(self) -> tuple[int, ...]:
        """The epochs after which a table has a row: the last, if no others."""
        return self.reported or (self.epochs,)

    def description(self, method: str, seed: int, protocol: Protocol) -> dict[str, Any]:
        """Returns the description of one member, by which the ledger knows it.

        It holds what the training depends on, and no more: tables and figures that
        show the same training share it.
        """
        return {
            "dataset": self.dataset,
            "activation": self.activation,
            "hidden": self.hidden,
            "samples_per_class": self.samples_per_class or "all",
            "method": method,
            "epochs": self.epochs,
            "seed": seed,
            "engine": ENGINE,
            "protocol": protocol.of(method, self.depth),
        }

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those of a seed side by side."""
        return [run for run, _ in self._members().values()]

    def build(
        self, dataset: Dataset, method: str, protocol: Protocol
    ) -> keras.Sequential:
        """Builds its network for a data set, as it starts."""
        hidden = networks.alternating(self.depth, self.widths)
        return protocol.build(
            method, dataset.x.shape[1], dataset.num_classes, hidden, self.activation
        )

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet, as one population.

        Args:
            missing: Descriptions of members.
            ledger: Where the curves go.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        dataset = datasets.load(self.dataset, data_dir)
        members = self._members()
        trainer.train(
            functools.partial(self.build, dataset),
            [members[key(run)][1] for run in missing],
            missing,
            ledger,
            functools.partial(self._batches, dataset),
            optimizer=keras.optimizers.Adam(self.protocols[0].learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            epochs=self.epochs,
            validation_freq=list(self.reported) or 1,
            progress=progress,
        )

    def _members(self) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Returns description and arguments of each member, by key."""
        # Members of one seed side by side share the product with its inputs.
        members = {}
        distinct = set()
        for seed in range(self.seeds):
            for protocol in self.protocols:
                for method in self.methods:
                    fields = tuple(protocol.of(method, self.depth).items())
                    if (seed, method, fields) not in distinct:
                        distinct.add((seed, method, fields))
                        run = self.description(method, seed, protocol)
                        member = {"method": method, "protocol": protocol, "seed": seed}
                        members[key(run)] = run, member
        return members

    def _batches(
        self, dataset: Dataset, seeds: Sequence[int]
    ) -> tuple[SeedBatches, SeedBatches]:
        protocol = self.protocols[0]
        splits = [
            datasets.hold_out(
                dataset.y, seed, protocol.held_out, self.samples_per_class
            )
            for seed in seeds
        ]
        samples, held_out = (np.stack(part) for part in zip(*splits, strict=True))
        x = datasets.scale(dataset, protocol.scaling)
        train = SeedBatches(
            x,
            dataset.y,
            seeds,
            samples,
            protocol.batch_size,
            drop_remainder=protocol.drop_remainder,
        )
        return train, SeedBatches(
            x, dataset.y, seeds, held_out, _VALIDATION_BATCH, shuffle=False
        )


def table1(
    datasets: Sequence[str] = IMAGES,
    epochs: Sequence[int] = (10, 100),
    wide_epochs: Sequence[int] = (10, 100),
) -> list[Cell]:
    """Returns the rows of Table 1: none or one hidden layer, and few samples.

    Args:
        datasets: Names of data sets.
        epochs: Epochs after which to report.
        wide_epochs: Those of 512 units trained on all samples, the longest runs.

    Examples:
        >>> len(table1()) * 2 * len(METHODS)
        384
    """
    return [
        Cell(
            dataset,
            depth=min(units, 1),
            widths=(units,),
            samples_per_class=samples,
            epochs=max(reported),
            reported=tuple(reported),
            protocols=(Protocol(), TURNED),
        )
        for samples in (None, 4, 2, 1)
        for units in (0, 512, 16)
        for dataset in datasets
        for reported in [wide_epochs if units == 512 and not samples else epochs]
    ]


def table2(
    datasets: Sequence[str] = IMAGES, epochs: int = 10, depth: int = 120
) -> list[Cell]:
    """Returns the rows of Table 2: 120 hidden layers of 10 and 6 units in turn.

    Examples:
        >>> len(table2())
        10
    """
    return [
        Cell(
            dataset,
            activation,
            depth,
            epochs=epochs,
            protocols=(Protocol(), TURNED, ONE_DRAW),
        )
        for dataset in datasets
        for activation in ("tanh", "sigmoid", "selu", "gelu", "relu")
    ]


def figure3(
    datasets: Sequence[str] = IMAGES,
    depths: Sequence[int] = (1, 2, 5, 10, 20, 50, 100),
    turns: Sequence[int] = (20, 40, 80, 120),
    epochs: int = 10,
) -> list[Cell]:
    """Returns the networks of Figure 3: one width at many depths, and 10 and 6.

    Args:
        datasets: Names of data sets.
        depths: Hidden layers of 10 units, and of 4.
        turns: Hidden layers of 10 and 6 units in turn, on the first data set.
        epochs: Epochs to train.
    """
    return [
        *(
            Cell(dataset, depth=depth, widths=(width,), epochs=epochs)
            for dataset in datasets
            for width in (10, 4)
            for depth in depths
        ),
        *(Cell(datasets[0], depth=depth, epochs=epochs) for depth in turns),
    ]


def two_layers(dataset: str, widths: Sequence[int], epochs: int) -> list[Cell]:
    """Returns the networks of Figures 4 and 5: all pairs of two small widths."""
    return [
        Cell(dataset, depth=2, widths=(first, second), epochs=epochs)
        for first in widths
        for second in widths
    ]


def tabular(
    wine: str = "wine_quality", iris: str = "iris", depths: Sequence[int] = (120, 200)
) -> list[Cell]:
    """Returns the networks of section 4.4 for tables: Wine Quality and Iris.

    The paper does not say which wine: white, which is the larger table, or red.
    """
    return [
        Cell(wine, depth=depths[0], epochs=200),
        Cell(f"{wine}/red", depth=depths[0], epochs=200),
        Cell(iris, depth=depths[1], epochs=100),
    ]
