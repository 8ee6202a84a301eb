"""Lu et al. (2019): how many narrow networks end as a constant when trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine import trainer
from experiments.engine.ledger import Ledger
from experiments.poli2024.born_dead import DOMAIN, METHODS
from experiments.poli2024.methods import check_methods
from keras_inits import calibration
from keras_inits.population import ENGINE, SeedBatches

SAMPLES, BATCH = 3000, 128
CONSTANT = 0.01
"""Standard deviation of outputs, in that of the target, below which they are one."""
EVERY = 10
"""Epochs after which the ledger has that of the outputs."""


@dataclass(frozen=True)
class Target:
    """A function to learn, and the network that is to learn it.

    Args:
        function: Of samples, `(samples, inputs)`.
        inputs: Number of inputs.
        hidden: Units of each hidden layer.
        depth: Number of hidden layers.
    """

    function: Callable[[np.ndarray], np.ndarray]
    inputs: int
    hidden: int
    depth: int


def _absolute(x: np.ndarray) -> np.ndarray:
    return np.abs(x)


def _waves(x: np.ndarray) -> np.ndarray:
    return x * np.sin(5 * x)


def _two(x: np.ndarray) -> np.ndarray:
    return np.abs(np.stack([x.sum(axis=1), x[:, 0] - x[:, 1]], axis=1))


TARGETS = {
    "|x|": Target(_absolute, 1, 2, 10),
    "x sin 5x": Target(_waves, 1, 4, 20),
    "|x + y|, |x - y|": Target(_two, 2, 4, 20),
}
"""Those of Lu et al. The width and depth of the first are theirs; their text is not at
hand for the other two, whose widths and depths are chosen here."""


@dataclass(frozen=True)
class Cell:
    """Networks that learn a function, those of all methods as one population.

    Args:
        target: One of `TARGETS`.
        epochs: Passes through the samples.
        seeds: Networks of each method, each with samples of its own order.
        methods: Those to compare.
    """

    target: str
    epochs: int = 300
    seeds: int = 200
    methods: tuple[str, ...] = METHODS
    dataset: str = ""

    def __post_init__(self) -> None:
        """Checks the methods."""
        check_methods(self.methods, METHODS)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        of = TARGETS[self.target]
        return f"{self.target}, {of.depth} layers of {of.hidden} units"

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those of a seed side by side."""
        of = TARGETS[self.target]
        return [
            {
                "experiment": "poli-rai",
                "kind": "collapse",
                "target": self.target,
                "width": of.hidden,
                "depth": of.depth,
                "method": method,
                "epochs": self.epochs,
                "seed": seed,
                "engine": ENGINE,
            }
            for seed in range(self.seeds)
            for method in self.methods
        ]

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
            ledger: Gets the loss, and from `Spread` the standard deviation of the
                outputs in that of the target.
            data_dir: Not needed: samples are drawn.
            progress: Shows how far the training is.
        """
        of = TARGETS[self.target]
        random = np.random.default_rng(0)
        x = random.uniform(-DOMAIN, DOMAIN, (SAMPLES, of.inputs)).astype("float32")
        y = of.function(x).astype("float32")

        def batches(seeds: Sequence[int]) -> tuple[Any, None]:
            samples = np.tile(np.arange(SAMPLES), (len(seeds), 1))
            return SeedBatches(x, y, seeds, samples, BATCH), None

        trainer.train(
            lambda method, seed: build(of, method, seed),
            [{"method": run["method"], "seed": run["seed"]} for run in missing],
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.Adam(0.001),
            loss="mean_squared_error",
            epochs=self.epochs,
            callbacks=[Spread(x, y)],
            progress=progress,
        )


def build(of: Target, method: str, seed: int) -> keras.Sequential:
    """Builds a network for a function, as it starts.

    Args:
        of: What it is to learn.
        method: One of `METHODS`; it sets all layers, the linear one after the last
            hidden one too.
        seed: A seed, which has seeded Keras already.
    """
    outputs = of.function(np.zeros((1, of.inputs))).shape[1]
    hidden = [
        keras.layers.Dense(of.hidden, "relu", kernel_initializer="he_normal")
        for _ in range(of.depth)
    ]
    last = keras.layers.Dense(outputs, kernel_initializer="he_normal")
    model = keras.Sequential([keras.Input((of.inputs,)), *hidden, last])
    if method == "rai":
        calibration.rai(model, seed)
    return model


class Spread(keras.callbacks.Callback):
    """Logs of every member how far its outputs are from a constant.

    After the last epoch, and every `EVERY`th: it takes as long as a third of an epoch.

    Args:
        x: Samples.
        y: Targets.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Keeps the data."""
        super().__init__()
        self._x, self._unit = x, y.std(axis=0)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `spread`: of several outputs the largest."""
        if (epoch + 1) % EVERY and epoch + 1 < self.params["epochs"]:
            return
        outputs = self.model.predict(self._x, batch_size=len(self._x), verbose=0)
        spread = (outputs.std(axis=0) / self._unit).max(axis=-1)
        self.model.log_members("spread", spread)
        if logs is not None:
            logs["spread"] = float(spread.mean())
