"""Sansone & De Natale (2017): what passes through logistic layers at the start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import datasets
from experiments.engine.ledger import Ledger
from experiments.engine.logistic_signals import signals
from experiments.sansone2017.methods import METHODS, initialize, network

SAMPLES = 1000


def units_of(shape: str) -> tuple[int, ...]:
    """Returns the units of hidden layers that are given in short.

    Examples:
        >>> units_of("10x3"), units_of("20-10")
        ((10, 10, 10), (20, 10))
    """
    width, _, count = shape.partition("x")
    if count:
        return (int(width),) * int(count)
    return tuple(map(int, shape.split("-")))


@dataclass(frozen=True)
class Start:
    """Signals and gradients of each layer of networks that are not trained.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        hidden: Units of each hidden layer.
        seeds: Number of seeds.
    """

    dataset: str
    hidden: tuple[int, ...]
    seeds: int = 4

    @property
    def shape(self) -> str:
        """The hidden layers, in short.

        Examples:
            >>> Start("mnist", (100,) * 20).shape, Start("mnist", (20, 10)).shape
            ('100x20', '20-10')
        """
        if len(set(self.hidden)) == 1:
            return f"{self.hidden[0]}x{len(self.hidden)}"
        return "-".join(map(str, self.hidden))

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"start, {self.dataset}, {self.shape}"

    @property
    def rows_per_run(self) -> int:
        """Rows that the ledger has of a layer."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each hidden layer."""
        return [
            {
                "experiment": "sansone-theory",
                "dataset": self.dataset,
                "samples": SAMPLES,
                "hidden": self.shape,
                "method": method,
                "seed": seed,
                "layer": layer,
            }
            for method in METHODS
            for seed in range(self.seeds)
            for layer in range(1, len(self.hidden) + 1)
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures the networks of which a layer is missing; trains nothing.

        Args:
            missing: Descriptions of layers.
            ledger: Gets the quantities of `signals`.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Not needed: it takes seconds.
        """
        data = datasets.load(self.dataset, data_dir)
        x, y = centred(datasets.scale(data, "unit"))[:SAMPLES], data.y[:SAMPLES]
        model = network(x.shape[1], self.hidden, data.num_classes, "softmax")
        for method, seed in dict.fromkeys((r["method"], r["seed"]) for r in missing):
            initialize(model, method, x, seed)
            layers = signals([of.get_weights() for of in model.layers], x, y)
            runs = [
                run
                for run in self.describe()
                if (run["method"], run["seed"]) == (method, seed)
            ]
            values = {name: [layer[name] for layer in layers] for name in layers[0]}
            ledger.record([ledger.begin(run) for run in runs], 0, values)


def centred(x: np.ndarray) -> np.ndarray:
    """Moves features in [0, 1] so that each has mean 0: they lie in [-1, 1].

    Section 6.2: "normalized and mean-centered".
    """
    return x - x.mean(axis=0)
