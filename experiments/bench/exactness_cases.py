"""Networks, losses, optimizers and data to compare a population with plain `fit` on.

Every table has a row a name; a `Case` is a row of each, drawn by a seeded generator. To
have one more thing checked, add a row.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, losses, metrics, ops, optimizers

from keras_inits.inspection import keras_private
from keras_inits.population import SeedBatches

STEPS, CLASSES, WORDS = 4, 3, 9
EPOCHS = 2


# Networks


class Network(NamedTuple):
    """What comes ahead of the outputs.

    Args:
        inputs: A row of `INPUTS`.
        hidden: Takes symbolic inputs and a kernel initializer, returns features.
        steps: Whether the features are those of the steps of a sequence.
    """

    inputs: str
    hidden: Callable[[Any, Any], Any]
    steps: bool = False


def _sequential(*makers: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def hidden(x: Any, kernel: Any) -> Any:
        for make in makers:
            x = make(kernel)(x)
        return x

    return hidden


def _dense(units: int = 5, activation: Any = "tanh", **more: Any) -> Any:
    return lambda kernel: layers.Dense(
        units, activation, kernel_initializer=kernel, **more
    )


def _recurrent(cls: Any, **more: Any) -> Any:
    return lambda kernel: cls(4, kernel_initializer=kernel, **more)


def _of(cls: Any, *args: Any, **more: Any) -> Any:
    return lambda kernel: cls(*args, **more)


def _convolution(**more: Any) -> Any:
    return lambda kernel: layers.Conv2D(3, 3, kernel_initializer=kernel, **more)


def _attention(x: Any, kernel: Any) -> Any:
    # A key's bias has, like that ahead of BatchNorm, a gradient of rounding noise.
    attention = layers.MultiHeadAttention(
        2, 3, kernel_initializer=kernel, use_bias=False
    )
    return layers.LayerNormalization()(layers.Add()([x, attention(x, x)]))


def _residual(x: Any, kernel: Any) -> Any:
    x = _dense(5)(kernel)(x)
    return layers.Add()([x, _dense(5, "relu")(kernel)(x)])


def _joined(x: Any, kernel: Any) -> Any:
    return _dense()(kernel)(layers.Concatenate()(keras.tree.flatten(x)))


def _nested(x: Any, kernel: Any) -> Any:
    inner = keras.Input((5,))
    inner = keras.Model(inner, _residual(inner, kernel))
    return inner(_dense(5)(kernel)(x))


class Penalty(keras.Layer):
    """Adds a loss of what passes through it."""

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        self.add_loss(0.1 * ops.mean(ops.square(inputs)))
        return inputs


_UNBIASED: dict[str, Any] = {"use_bias": False}
"""Ahead of BatchNorm, as everyone does: the gradient of a bias there is nothing but
rounding noise, of which Adam makes whole steps, other ones in every way to compute."""

NETWORKS: dict[str, Network] = {
    "none": Network("vector", _sequential()),
    "dense": Network("vector", _sequential(_dense(6, "relu"), _dense(4, "relu"))),
    "batch norm": Network(
        "vector",
        _sequential(
            _dense(5, None, **_UNBIASED),
            _of(layers.BatchNormalization),
            _of(layers.ReLU),
        ),
    ),
    "layer norm": Network(
        "vector", _sequential(_dense(), _of(layers.LayerNormalization))
    ),
    "dropout": Network("vector", _sequential(_dense(), _of(layers.Dropout, 0.0))),
    "regularized": Network(
        "vector",
        _sequential(
            _dense(kernel_regularizer="l2", bias_regularizer="l1"),
            _dense(kernel_regularizer=keras.regularizers.L1L2(0.01, 0.02)),
        ),
    ),
    "activity": Network("vector", _sequential(_dense(activity_regularizer="l2"))),
    "constrained": Network(
        "vector",
        _sequential(
            _dense(kernel_constraint=keras.constraints.MaxNorm(0.8)),
            _dense(kernel_constraint="non_neg", bias_constraint="non_neg"),
        ),
    ),
    "penalty": Network("vector", _sequential(_dense(), _of(Penalty))),
    "residual": Network("vector", _residual),
    "nested": Network("vector", _nested),
    "list of inputs": Network("list", _joined),
    "dict of inputs": Network("dict", _joined),
    "convolution": Network(
        "image",
        _sequential(
            _convolution(activation="relu"),
            _of(layers.MaxPooling2D),
            _of(layers.Flatten),
        ),
    ),
    "convolution, batch norm": Network(
        "image",
        _sequential(
            _convolution(**_UNBIASED),
            _of(layers.BatchNormalization),
            _of(layers.ReLU),
            _of(layers.GlobalAveragePooling2D),
        ),
    ),
    "embedding": Network(
        "words", _sequential(_of(layers.Embedding, WORDS, 3), _of(layers.Flatten))
    ),
    "embedding, mask, GRU": Network(
        "words",
        _sequential(
            _of(layers.Embedding, WORDS, 3, mask_zero=True), _recurrent(layers.GRU)
        ),
    ),
    "mask, LSTM": Network(
        "sequence", _sequential(_of(layers.Masking), _recurrent(layers.LSTM))
    ),
    "attention": Network(
        "sequence",
        lambda x, kernel: layers.GlobalAveragePooling1D()(_attention(x, kernel)),
    ),
    "mask, steps": Network("sequence", _sequential(_of(layers.Masking)), steps=True),
    "mask, LSTM, steps": Network(
        "sequence",
        _sequential(
            _of(layers.Masking), _recurrent(layers.LSTM, return_sequences=True)
        ),
        steps=True,
    ),
    "GRU, steps": Network(
        "sequence",
        _sequential(_recurrent(layers.GRU, return_sequences=True)),
        steps=True,
    ),
    "attention, steps": Network("sequence", _attention, steps=True),
}

STACKS = ("none", "dense")
"""Networks that are built as `keras.Sequential` where they have one output."""

INPUTS: dict[str, Any] = {
    "vector": (6,),
    "image": (6, 6, 2),
    "sequence": (STEPS, 3),
    "words": (STEPS,),
    "list": [(4,), (3,)],
    "dict": {"a": (4,), "b": (3,)},
}
"""Shapes of the inputs of a sample."""

HEADS: dict[str, tuple[int, str | None]] = {
    "softmax": (CLASSES, "softmax"),
    "sigmoid": (1, "sigmoid"),
    "sigmoids": (CLASSES, "sigmoid"),
    "linear": (1, None),
    "logits": (CLASSES, None),
    "softplus": (CLASSES, "softplus"),
}
"""Units and activation of the output that the loss is for."""

OUTPUTS = ("one", "list", "dict")
"""Whether there is a second output, and what holds the two."""


# Losses and metrics


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


# Optimizers


class OptimizerRow(NamedTuple):
    """An optimizer.

    Args:
        make: Takes a learning rate.
        linear: Whether a step is linear in the gradient, so that its size has to go
            down as that of the data goes up, and so that a gradient may come in parts.
        sign: Whether a step depends on the signs of gradients.
    """

    make: Callable[[float], Any]
    linear: bool = False
    sign: bool = False


def _sgd(**more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: optimizers.SGD(rate, **more), linear=True)


def _adaptive(cls: Any, sign: bool = False, **more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: cls(0.2 * rate, **more), sign=sign)


def _clipped(**more: Any) -> OptimizerRow:
    return OptimizerRow(lambda rate: optimizers.SGD(rate, 0.9, **more))


OPTIMIZERS: dict[str, OptimizerRow] = {
    "SGD": _sgd(),
    "momentum": _sgd(momentum=0.9),
    "nesterov": _sgd(momentum=0.9, nesterov=True),
    "SGD, weight decay": _sgd(weight_decay=0.1),
    "SGD, EMA": _sgd(use_ema=True, ema_momentum=0.8),
    "SGD, EMA overwritten": _sgd(
        use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=2
    ),
    "SGD, accumulation": _sgd(gradient_accumulation_steps=2),
    "SGD, schedule": OptimizerRow(
        lambda rate: optimizers.SGD(
            optimizers.schedules.ExponentialDecay(rate, 2, 0.7), 0.5
        ),
        linear=True,
    ),
    "SGD, cosine": OptimizerRow(
        lambda rate: optimizers.SGD(optimizers.schedules.CosineDecay(rate, 10)),
        linear=True,
    ),
    "clipnorm": _clipped(clipnorm=0.1),
    "global_clipnorm": _clipped(global_clipnorm=0.1),
    "clipvalue": _clipped(clipvalue=0.01),
    "Adam": _adaptive(optimizers.Adam),
    "Adam, amsgrad": _adaptive(optimizers.Adam, amsgrad=True),
    "Adam, accumulation": _adaptive(optimizers.Adam, gradient_accumulation_steps=2),
    "AdamW": _adaptive(optimizers.AdamW, weight_decay=0.1),
    "RMSprop": _adaptive(optimizers.RMSprop, momentum=0.5, centered=True),
    "Lion": _adaptive(optimizers.Lion, sign=True),
    "Adagrad": _adaptive(optimizers.Adagrad),
    "Nadam": _adaptive(optimizers.Nadam),
}


# Data, weights, settings

FEEDS = (
    "arrays",
    "uneven",
    "validation_split",
    "validation_data",
    "tf.data",
    "generator",
    "PyDataset",
    "order of seeds",
)
WEIGHTS = ("none", "sample_weight", "class_weight", "loss_weights")
SETTINGS: dict[str, dict[str, Any]] = {
    "graph": {"jit_compile": False},
    "default": {},
    "jit_compile": {"jit_compile": True},
    "steps_per_execution": {"steps_per_execution": 2, "jit_compile": False},
    "run_eagerly": {"run_eagerly": True},
    "two parts": {"jit_compile": False},
}
DTYPES = ("float64", "float32", "mixed_bfloat16", "mixed_float16")

SCALES = (1.0, 30.0, 255.0, 1000.0)
"""Inputs are normal for 1, and else between 0 and the scale, as pixels are."""

GAINS = (1.0, 30.0, 1000.0)
"""Of the weights of the outputs."""

TENSORFLOW_ONLY = {
    "tf.data",
    "graph",  # On JAX `run_eagerly` is the same.
    "steps_per_execution",
    "two parts",
    "unused weights that decay",  # All weights have gradients on JAX, if only of 0.
}


# What a population refuses


class OwnStep(keras.Model):
    """Trains itself in a way of its own."""

    def train_step(self, *args: Any) -> Any:
        """Does what Keras does."""
        return super().train_step(*args)


class Unused(keras.Layer):
    """Has a kernel that the loss does not depend on."""

    def __init__(self) -> None:
        """Makes the kernel."""
        super().__init__()
        self.kernel = self.add_weight((2, 2), name="kernel")

    def call(self, inputs: Any) -> Any:
        """Returns the inputs."""
        return inputs + 0.0


class Refusal(NamedTuple):
    """What is refused, and the words that say so.

    Args:
        message: A part of the message.
        optimizer: In place of that of the case.
        model: In place of `keras.Model`.
        end: Layers after the features.
        compiled: Further arguments of `compile`.
        fields: What the rest of the case must be.
    """

    message: str
    optimizer: Callable[[], Any] | None = None
    model: Any = keras.Model
    end: tuple[Callable[[], Any], ...] = ()
    compiled: Mapping[str, Any] = {}
    fields: Mapping[str, Any] = {}


REFUSALS: dict[str, Refusal] = {
    "Adafactor": Refusal("treats entries one by one", optimizers.Adafactor),
    "Lamb": Refusal("treats entries one by one", optimizers.Lamb),
    "Muon": Refusal("treats entries one by one", optimizers.Muon),
    "loss scaling": Refusal(
        "treats entries one by one",
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD()),
    ),
    "auto_scale_loss": Refusal(
        "members share one loss",
        compiled={"auto_scale_loss": True},
        fields={"dtype": "mixed_float16"},
    ),
    "train_step": Refusal("takes the steps of plain `fit`", model=OwnStep),
    "unused weights that decay": Refusal(
        "variables that the loss does not depend on",
        end=(Unused,),
        fields={"optimizer": "AdamW"},
    ),
}


# Cases


@dataclasses.dataclass(frozen=True)
class Case:
    """A population to train, as plain values: names of rows, and numbers."""

    network: str
    head: str
    outputs: str
    loss: str
    metric: str
    optimizer: str
    feed: str
    weights: str
    setting: str
    dtype: str
    scale: float
    gain: float
    members: int
    batches: int
    batch_size: int
    seed: int
    refusal: str = ""

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The tables and names of its rows."""
        return [(table, getattr(self, table)) for table in TABLES]

    @property
    def name(self) -> str:
        """Names it shortly."""
        return self.refusal or f"{self.network}-{self.loss}-{self.optimizer}"

    @property
    def saturated(self) -> bool:
        """Whether inputs or weights are so large that outputs may saturate."""
        return self.scale > 1 or self.gain > 1


TABLES: dict[str, Iterable[str]] = {
    "network": NETWORKS,
    "head": HEADS,
    "outputs": OUTPUTS,
    "loss": LOSSES,
    "metric": METRICS,
    "optimizer": OPTIMIZERS,
    "feed": FEEDS,
    "weights": WEIGHTS,
    "setting": SETTINGS,
    "dtype": DTYPES,
    "refusal": ("", *REFUSALS),
}

_COMMON = {
    "outputs": (0.7, 0.15, 0.15),
    "weights": (0.4, 0.3, 0.15, 0.15),
    "setting": (0.65, 0.07, 0.07, 0.07, 0.07, 0.07),
    "dtype": (0.65, 0.2, 0.075, 0.075),
    "refusal": (0.95, *[0.05 / len(REFUSALS)] * len(REFUSALS)),
}
"""Chances of the rows of a table, where they differ."""


def rows_of(table: str, backend: str) -> dict[str, float]:
    """Returns the rows of a table that a backend has, and how often to draw each."""
    rows = list(TABLES[table])
    weights = zip(rows, _COMMON.get(table, [1.0] * len(rows)), strict=True)
    return {
        row: weight
        for row, weight in weights
        if (backend == "tensorflow" or row not in TENSORFLOW_ONLY)
        and (row != "jit_compile" or keras_private.has_exact_xla())
    }


def _choose(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    ends = np.cumsum(list(weights.values()))
    place = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
    return list(weights)[place]


def draw(rng: np.random.Generator, backend: str, **fields: Any) -> Case:
    """Returns a case that plain `fit` takes.

    Args:
        rng: What is left open is drawn from it.
        backend: As `keras.backend.backend()` names it.
        **fields: What is not left open.

    Raises:
        ValueError: If there is no such case.
    """
    tables = {table: rows_of(table, backend) for table in TABLES}
    for _ in range(20_000):
        drawn: dict[str, Any] = {
            table: fields[table] if table in fields else _choose(rng, rows)
            for table, rows in tables.items()
            if table not in ("head", "metric")
        }
        drawn |= REFUSALS[drawn["refusal"]].fields if drawn["refusal"] else {}
        loss = LOSSES[drawn["loss"]]
        metrics_of_loss = {
            name: 1.0
            for name, metric in METRICS.items()
            if not metric.targets or loss.targets in metric.targets
        }
        drawn["head"] = _choose(rng, dict.fromkeys(loss.heads, 1.0))
        drawn["metric"] = _choose(rng, metrics_of_loss)
        double = drawn["dtype"] == "float64"
        drawn["scale"] = SCALES[int(rng.integers(len(SCALES)))] if double else 1.0
        drawn["gain"] = GAINS[int(rng.integers(len(GAINS)))] if double else 1.0
        drawn["members"] = int(rng.integers(2, 4))
        drawn["batches"] = int(rng.integers(2, 5))
        drawn["batch_size"] = int(rng.integers(6, 11))
        drawn["seed"] = int(rng.integers(2**31))
        case = Case(**{**drawn, **fields})
        if _fits(case, backend):
            return case
    raise ValueError(f"There must be a case with these rows. Received: {fields}")


def _fits(case: Case, backend: str) -> bool:
    """Tells whether plain `fit` takes a case, and what it makes of it is determined."""
    network, loss = NETWORKS[case.network], LOSSES[case.loss]
    metric, optimizer = METRICS[case.metric], OPTIMIZERS[case.optimizer]
    single = case.outputs == "one"
    bounded = case.head in ("softmax", "sigmoid", "sigmoids") or "logits" in case.loss
    rules = (
        backend == "tensorflow"
        or not TENSORFLOW_ONLY & {case.feed, case.setting, case.refusal},
        case.head in loss.heads,
        not metric.targets or loss.targets in metric.targets,
        metric.steps or not network.steps,
        not metric.weighted or case.weights == "sample_weight",
        # TensorFlow's operation for it takes nothing else, in plain `fit` either.
        "top k" not in case.metric or case.dtype == "float32",
        # Losses that grow without bound would send members to infinity.
        not case.saturated
        or bounded
        and network.inputs != "words"
        and case.dtype == "float64",
        case.gain == 1 or case.scale == 1,
        # A step of 1e-3 whose sign is that of a gradient of 1e-17, or of another sum of
        # the same terms, is not determined; of 16-bit numbers, many a gradient is.
        case.dtype in ("float64", "float32") or optimizer.linear or bool(case.refusal),
        case.dtype == "float64" or not optimizer.sign,
        # Many an output of 16 bits is equal to a threshold, or to another output.
        "mixed" not in case.dtype or not metric.counts,
        # Plain Keras on TensorFlow cannot add losses of 16 and of 32 bits.
        not ("mixed" in case.dtype and case.network in ("penalty", "activity")),
        # A population refuses it: TensorFlow's XLA cannot map loops and convolutions.
        case.setting != "jit_compile"
        or not any(kind in case.network for kind in ("LSTM", "GRU", "convolution")),
        # A plain fit on a generator takes whole executions, past the end of an epoch.
        case.feed != "order of seeds"
        or case.setting != "steps_per_execution"
        or case.batches % 2 == 0,
        not (case.saturated and optimizer.sign),
        # On TensorFlow the gradient of an Embedding comes in parts, one each time that
        # a word occurs, which plain Keras clips, squares and takes signs of one by one.
        network.inputs != "words" or optimizer.linear,
        case.weights != "class_weight"
        or (single and not network.steps and loss.targets in CLASS_TARGETS[:3]),
        case.weights != "class_weight" or case.feed != "generator",
        case.weights != "loss_weights" or not single,
        # Plain `fit` splits and orders arrays.
        case.feed != "order of seeds"
        or (
            single
            and network.inputs not in ("list", "dict")
            and case.weights in ("none", "sample_weight")
        ),
        # JAX multiplies no 16-bit numbers as attention does on a CPU.
        backend != "jax"
        or case.dtype != "mixed_float16"
        or "attention" not in case.network,
        case.dtype != "mixed_float16"
        or case.setting in ("graph", "default", "run_eagerly"),
        not case.refusal or (case.setting in ("graph", "default") and single),
    )
    return all(rules)


def covering(backend: str) -> list[Case]:
    """Returns cases that have, with `NAMED`, every row of every table; a few dozen."""
    rng = np.random.default_rng(0)
    rows = [(table, row) for table in TABLES for row in rows_of(table, backend)]
    missing = {*rows} - {row for name in NAMED for row in named(name, backend).rows}
    cases = []
    for table, row in rows:
        if (table, row) in missing:
            fields = {"refusal": ""} | {table: row}
            if table not in ("setting", "refusal") and backend == "tensorflow":
                fields = {"setting": "graph"} | fields  # The others take twice as long.
            drawn = [draw(rng, backend, **fields) for _ in range(40)]
            if table != "network":  # Loops take longest.
                drawn = [case for case in drawn if not _loops(case)] or drawn
            best = max(drawn, key=lambda case: len(missing & set(case.rows)))
            # A refused case does not show how its other rows train.
            shown = {("refusal", row)} if best.refusal else set(best.rows)
            missing -= shown
            cases.append(best)
    return cases


def _loops(case: Case) -> bool:
    return any(name in case.network for name in ("LSTM", "GRU"))


NAMED: dict[str, dict[str, Any]] = {
    "saturated softmax": {
        "network": "none",
        "loss": "sparse",
        "metric": "accuracy",
        "scale": 255.0,
        "optimizer": "SGD",
    },
    "saturated softmax, hidden layers": {
        "network": "dense",
        "loss": "categorical",
        "scale": 1000.0,
    },
    "saturated sigmoid": {
        "network": "none",
        "loss": "binary",
        "scale": 1000.0,
        "optimizer": "momentum",
    },
    "saturated by weights": {
        "network": "layer norm",
        "loss": "binaries",
        "gain": 1000.0,
    },
    "softmax of masked steps": {
        "network": "mask, LSTM, steps",
        "loss": "sparse",
        "metric": "accuracy",
    },
    "two outputs": {
        "network": "residual",
        "outputs": "dict",
        "loss": "categorical focal",
        "weights": "loss_weights",
    },
}
"""Cases that have gone wrong once, or are most likely to."""


def named(name: str, backend: str) -> Case:
    """Returns a case of `NAMED`."""
    rows = {"refusal": "", "dtype": "float64", "scale": 1.0, "gain": 1.0}
    rows |= {"feed": "arrays", "weights": "none", "setting": "graph"}
    fields = rows | {"outputs": "one"} | NAMED[name]
    if backend != "tensorflow":
        fields["setting"] = "default"
    return draw(np.random.default_rng(0), backend, **fields)


def cases(count: int, seed: int, backend: str) -> list[Case]:
    """Returns those of `NAMED`, those that cover all rows, and drawn ones, in turn."""
    fixed = [named(name, backend) for name in NAMED] + covering(backend)
    more = (
        draw(np.random.default_rng((seed, index)), backend)
        for index in range(count - len(fixed))
    )
    return [*fixed, *more][:count]


# What a case is made of


@contextlib.contextmanager
def environment(case: Case) -> Iterator[None]:
    """Has networks be built and trained as a case has it, within a block."""
    double = case.dtype == "float64"
    keras.config.set_floatx("float64" if double else "float32")
    keras.config.set_dtype_policy(case.dtype)
    # A population reads them, to split itself in as many parts as run side by side.
    names = {"TF_NUM_INTRAOP_THREADS": "1"}
    names["TF_NUM_INTEROP_THREADS"] = "2" if case.setting == "two parts" else "1"
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "tensorflow" and "mixed" in case.dtype:
            stack.enter_context(_unfused())
        if keras.backend.backend() == "jax":
            import jax

            stack.enter_context(jax.enable_x64(double))
        try:
            yield
        finally:
            keras.config.set_floatx("float32")
            keras.config.set_dtype_policy("float32")
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})


@contextlib.contextmanager
def _unfused() -> Iterator[None]:
    """Has TensorFlow fuse no operations, which would round once for several."""
    import tensorflow as tf

    name = "remapping"
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({name: False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: options.get(name, True)})


def build(case: Case) -> Callable[..., keras.Model]:
    """Returns the `build` of a case's population."""

    def build_member(initializer: str) -> keras.Model:
        network, refusal = NETWORKS[case.network], REFUSALS.get(case.refusal)
        shapes = INPUTS[network.inputs]
        if isinstance(shapes, dict):
            inputs: Any = {k: keras.Input(shape, name=k) for k, shape in shapes.items()}
        elif isinstance(shapes, list):
            inputs = [keras.Input(shape) for shape in shapes]
        else:
            inputs = keras.Input(
                shapes, dtype="int32" if network.inputs == "words" else None
            )
        features = network.hidden(inputs, initializer)
        for layer in refusal.end if refusal else ():
            features = layer()(features)
        units, activation = HEADS[case.head]
        outputs: Any = layers.Dense(
            units,
            activation,
            name="first",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.5 * case.gain),
        )(features)
        if case.outputs != "one":
            second = layers.Dense(1, name="second", kernel_initializer=initializer)
            outputs = _held(case, outputs, second(features))
        model = (refusal.model if refusal else keras.Model)(inputs, outputs)
        if case.network in STACKS and case.outputs == "one" and not refusal:
            # In float32 the fast path of a population, `DenseStack`, takes these.
            return keras.Sequential([inputs, *model.layers[1:]])
        return model

    return build_member


def members(case: Case) -> list[dict[str, Any]]:
    """Returns the members of a case's population."""
    initializers = ("he_normal", "glorot_uniform", "orthogonal")
    return [
        {
            "initializer": initializers[index],
            "seed": (case.seed + (index + 1) // 2) % 1000,
        }
        for index in range(case.members)
    ]


def compiled(case: Case) -> dict[str, Any]:
    """Returns the arguments of `compile`."""
    loss: Any = LOSSES[case.loss].make()
    metric = METRICS[case.metric]
    scores: Any = metric.make()
    if case.outputs != "one":
        loss = _held(case, loss, "mse")
        scores = _held(case, scores, ["mae"])
    rate, optimizer = 0.05, OPTIMIZERS[case.optimizer]
    if optimizer.linear:
        rate /= case.scale * case.gain
    arguments = {
        "optimizer": optimizer.make(rate),
        "loss": loss,
        "weighted_metrics" if metric.weighted else "metrics": scores,
        **SETTINGS[case.setting],
    }
    if case.dtype == "mixed_float16":
        arguments["auto_scale_loss"] = False
    if case.weights == "loss_weights":
        arguments["loss_weights"] = _held(case, 0.3, 2.0)
    if case.refusal:
        refusal = REFUSALS[case.refusal]
        arguments |= refusal.compiled
        if refusal.optimizer is not None:
            arguments["optimizer"] = refusal.optimizer()
    return arguments


class Data(NamedTuple):
    """The samples of a case.

    Args:
        x: Inputs.
        y: Targets.
        sample_weight: Weights of the samples, or `None`.
    """

    x: Any
    y: Any
    sample_weight: Any

    def part(self, start: int, stop: int | None) -> tuple[Any, ...]:
        """Returns some samples, as a tuple without what there is none of.

        Lists become tuples: TensorFlow would make one array of what a list holds.
        """

        def some(part: Any) -> Any:
            if isinstance(part, list):
                return tuple(array[start:stop] for array in part)
            return keras.tree.map_structure(lambda array: array[start:stop], part)

        return tuple(some(part) for part in self if part is not None)


def data(case: Case) -> Data:
    """Returns the samples of a case."""
    rng = np.random.default_rng(case.seed)
    network, float_ = NETWORKS[case.network], keras.config.floatx()
    samples = case.batches * case.batch_size - 3 * (case.feed == "uneven")

    def inputs(shape: tuple[int, ...]) -> np.ndarray:
        if case.scale > 1:
            values = case.scale * rng.random((samples, *shape))
        else:
            values = rng.normal(size=(samples, *shape))
        return values.astype(float_)

    shapes = INPUTS[network.inputs]
    x: Any
    if network.inputs == "words":
        x = rng.integers(0, WORDS, (samples, *shapes)).astype("int32")
    elif isinstance(shapes, dict):
        x = {name: inputs(shape) for name, shape in shapes.items()}
    elif isinstance(shapes, list):
        x = [inputs(shape) for shape in shapes]
    else:
        x = inputs(shapes)
    if network.inputs == "sequence":
        x[rng.random((samples, STEPS)) < 0.4] = 0  # What Masking masks.
    shape = (samples, STEPS) if network.steps else (samples,)
    y: Any = TARGETS[LOSSES[case.loss].targets](rng, shape)
    y = y.astype("int32" if y.dtype.kind == "i" else float_)
    weights: Any = None
    if case.weights == "sample_weight":
        weights = (rng.random(shape) * (rng.random(shape) < 0.8)).astype(float_)
    if case.outputs != "one":
        y = _held(case, y, rng.normal(size=(*shape, 1)).astype(float_))
        if weights is not None:
            weights = _held(case, weights, rng.random(shape).astype(float_))
    return Data(x, y, weights)


def fit_arguments(case: Case, data: Data, seed: int | None) -> dict[str, Any]:
    """Returns the arguments of `fit`, anew for every fit, as generators run out.

    Args:
        case: The case.
        data: Its samples.
        seed: That of a member that is trained alone; `None` for the population.
    """
    batch_size, samples = case.batch_size, len(keras.tree.flatten(data.x)[0])
    weights: dict[str, Any] = {}
    if case.weights == "class_weight":
        weights = {"class_weight": {0: 0.5, 1: 2.0, 2: 1.0}}
    arrays = dict(data._asdict(), batch_size=batch_size, **weights)
    if data.sample_weight is None:
        del arrays["sample_weight"]
    if case.feed == "order of seeds":
        if seed is None:
            return arrays | {"data_order": "seed"}
        return _in_order(data, seed, batch_size, samples)
    if case.feed == "validation_split":
        return arrays | {"validation_split": 0.25, "shuffle": False}
    if case.feed == "validation_data":
        return arrays | {"validation_data": data.part(0, 7), "shuffle": False}
    if case.feed == "tf.data":
        import tensorflow as tf

        batches = tf.data.Dataset.from_tensor_slices(data.part(0, None))
        return {"x": batches.batch(batch_size), **weights}
    if case.feed == "generator":

        def generator() -> Iterator[tuple[Any, ...]]:
            while True:
                for start in range(0, samples, batch_size):
                    yield data.part(start, start + batch_size)

        steps = -(-samples // batch_size)
        return {"x": generator(), "steps_per_epoch": steps, **weights}
    if case.feed == "PyDataset":
        return {"x": _Batches(data, batch_size), "shuffle": False, **weights}
    return arrays | {"shuffle": False}


class _Batches(keras.utils.PyDataset):
    """Feeds samples in their order."""

    def __init__(self, data: Data, batch_size: int) -> None:
        """Keeps the samples."""
        super().__init__()
        self._data, self._batch_size = data, batch_size

    def __len__(self) -> int:
        """Returns the batches of an epoch."""
        return -(-len(keras.tree.flatten(self._data.x)[0]) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Returns a batch."""
        start = index * self._batch_size
        return self._data.part(start, start + self._batch_size)


def _in_order(data: Data, seed: int, batch_size: int, samples: int) -> dict[str, Any]:
    """Returns the arguments of a plain fit on the batches of one seed."""
    orders = SeedBatches(
        np.arange(samples), np.arange(samples), [seed], batch_size=batch_size
    )

    def batches() -> Iterator[tuple[Any, ...]]:
        for epoch in range(EPOCHS):
            orders.start_epoch(epoch)
            for step in range(len(orders)):
                chosen = orders[step][1][:, 0]
                weights = data.sample_weight
                yield keras.utils.pack_x_y_sample_weight(
                    data.x[chosen],
                    data.y[chosen],
                    None if weights is None else weights[chosen],
                )

    return {"x": batches(), "steps_per_epoch": len(orders)}


def _held(case: Case, first: Any, second: Any) -> Any:
    """Holds what belongs to two outputs as the case does."""
    if case.outputs == "dict":
        return {"first": first, "second": second}
    return [first, second]
