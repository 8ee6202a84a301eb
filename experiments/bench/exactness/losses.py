"""Losses and metrics, and the targets that they take."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import losses, metrics, ops

from experiments.bench.exactness.networks import CLASSES


class Loss(NamedTuple):
    """A loss, and what it can be a loss of.

    Args:
        make: Returns what `compile` takes.
        targets: A row of `TARGETS`.
        heads: Rows of `HEADS`.
    """

    make: Callable[[], Any]
    targets: str
    heads: tuple[str, ...]


def _own_loss(y: Any, outputs: Any) -> Any:
    return ops.mean(ops.log(ops.cosh(outputs - ops.cast(y, outputs.dtype))), axis=-1)


def _cross_entropy(name: str, cls: Any, targets: str) -> Iterator[tuple[str, Loss]]:
    """Lists a cross-entropy of probabilities and of logits, smoothed if it can be."""
    heads = {"binary": ("sigmoid", "linear"), "binaries": ("sigmoids", "logits")}
    probabilities, logits = heads.get(targets, ("softmax", "logits"))
    yield name, Loss(cls, targets, (probabilities,))
    yield f"{name}, logits", Loss(lambda: cls(from_logits=True), targets, (logits,))
    if targets != "index":
        smoothed = Loss(lambda: cls(label_smoothing=0.1), targets, (probabilities,))
        yield f"{name}, smoothed", smoothed


LOSSES: dict[str, Loss] = {
    **dict(_cross_entropy("binary", losses.BinaryCrossentropy, "binary")),
    **dict(_cross_entropy("binaries", losses.BinaryCrossentropy, "binaries")),
    **dict(_cross_entropy("categorical", losses.CategoricalCrossentropy, "one-hot")),
    **dict(_cross_entropy("sparse", losses.SparseCategoricalCrossentropy, "index")),
    **dict(_cross_entropy("binary focal", losses.BinaryFocalCrossentropy, "binary")),
    **dict(
        _cross_entropy(
            "categorical focal", losses.CategoricalFocalCrossentropy, "one-hot"
        )
    ),
    "KL divergence": Loss(losses.KLDivergence, "distribution", ("softmax",)),
    "Poisson": Loss(losses.Poisson, "count", ("softplus",)),
    "mse": Loss(lambda: "mse", "real", ("linear",)),
    "mse of softmax": Loss(lambda: "mse", "one-hot", ("softmax",)),
    "mae": Loss(lambda: "mae", "real", ("linear",)),
    "Huber": Loss(lambda: losses.Huber(0.5), "real", ("linear",)),
    "hinge": Loss(lambda: "hinge", "sign", ("linear",)),
    "categorical hinge": Loss(lambda: "categorical_hinge", "one-hot", ("logits",)),
    "function": Loss(lambda: _own_loss, "real", ("linear",)),
}

CLASS_TARGETS = ("index", "one-hot", "binary", "binaries")

TARGETS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "index": lambda rng, shape: rng.integers(0, CLASSES, shape),
    "one-hot": lambda rng, shape: np.eye(CLASSES)[rng.integers(0, CLASSES, shape)],
    "binary": lambda rng, shape: rng.integers(0, 2, (*shape, 1)),
    "binaries": lambda rng, shape: rng.integers(0, 2, (*shape, CLASSES)),
    "distribution": lambda rng, shape: rng.dirichlet(np.ones(CLASSES), shape),
    "count": lambda rng, shape: rng.poisson(2.0, (*shape, CLASSES)),
    "real": lambda rng, shape: rng.normal(size=(*shape, 1)),
    "sign": lambda rng, shape: rng.choice([-1, 1], (*shape, 1)),
}


class Counted(keras.metrics.Metric):
    """Counts outputs, from 100 on."""

    def __init__(self, name: str = "counted") -> None:
        """Makes the state."""
        super().__init__(name=name)
        self.count = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(100.0), name="count"
        )

    def update_state(self, y: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        self.count.assign_add(ops.cast(ops.size(outputs), self.count.dtype))

    def result(self) -> Any:
        """Returns the count."""
        return self.count + 0.0

    def reset_state(self) -> None:
        """Goes back to where the state began, which is not 0."""
        self.count.assign(100.0)


class Extremes(Counted):
    """Returns the count and the sum of squares by name."""

    def __init__(self) -> None:
        """Makes the state."""
        super().__init__(name="extremes")
        self.squares = self.add_weight(shape=(), initializer="zeros", name="squares")

    def update_state(self, y: Any, outputs: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        super().update_state(y, outputs)
        squares = ops.sum(ops.square(ops.tanh(outputs)))
        self.squares.assign_add(ops.cast(squares, self.squares.dtype))

    def result(self) -> Any:
        """Returns both."""
        return {"outputs": self.count + 0.0, "squares": self.squares + 0.0}

    def reset_state(self) -> None:
        """Goes back to where the state began."""
        super().reset_state()
        self.squares.assign(0.0)


class MetricRow(NamedTuple):
    """Metrics, and the targets that they can take.

    Args:
        make: Returns what `compile` takes for one output.
        targets: Rows of `TARGETS`; all, if it is empty.
        steps: Whether they can take the steps of a sequence.
        counts: Whether they count outputs above a threshold or above one another.
        weighted: Whether they are `weighted_metrics`.
    """

    make: Callable[[], list[Any]]
    targets: tuple[str, ...] = ()
    steps: bool = True
    counts: bool = False
    weighted: bool = False


METRICS: dict[str, MetricRow] = {
    "none": MetricRow(lambda: []),
    "accuracy": MetricRow(lambda: ["accuracy"], CLASS_TARGETS, counts=True),
    "AUC": MetricRow(
        lambda: [metrics.AUC(20, name="auc")],
        ("binary", "binaries"),
        steps=False,
        counts=True,
    ),
    "F1": MetricRow(
        lambda: [metrics.F1Score(threshold=0.5, average="macro")],
        ("one-hot", "binaries"),
        steps=False,
        counts=True,
    ),
    "top k": MetricRow(
        lambda: [metrics.SparseTopKCategoricalAccuracy(2, name="top")],
        ("index",),
        counts=True,
    ),
    "categorical top k": MetricRow(
        lambda: [metrics.TopKCategoricalAccuracy(2, name="top")],
        ("one-hot",),
        counts=True,
    ),
    "own": MetricRow(lambda: [Counted()]),
    "dictionary": MetricRow(lambda: [Extremes()]),
    "weighted": MetricRow(
        lambda: ["accuracy"], CLASS_TARGETS, counts=True, weighted=True
    ),
}
