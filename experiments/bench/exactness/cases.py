"""Cases: a row of every table, drawn by a seeded generator.

To have one more thing checked, add a row to a table.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from experiments.bench.exactness.losses import CLASS_TARGETS, LOSSES, METRICS
from experiments.bench.exactness.networks import HEADS, NETWORKS, OUTPUTS
from experiments.bench.exactness.optimizers import OPTIMIZERS
from experiments.bench.exactness.refusals import REFUSALS
from keras_inits.inspection import keras_private

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


_REGULARIZES_IN_FLOAT32 = tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15)


def rows_of(table: str, backend: str) -> dict[str, float]:
    """Returns the rows of a table that a backend has, and how often to draw each."""
    rows = list(TABLES[table])
    weights = zip(rows, _COMMON.get(table, [1.0] * len(rows)), strict=True)
    return {
        row: weight
        for row, weight in weights
        if (backend == "tensorflow" or row not in TENSORFLOW_ONLY)
        # Of TensorFlow's XLA alone: other backends have all rows, whatever runs here.
        and (
            row != "jit_compile"
            or backend != "tensorflow"
            or keras_private.has_exact_xla()
        )
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
        # Older Keras regularizes in float32 whatever the dtype: TensorFlow refuses it.
        not (
            _REGULARIZES_IN_FLOAT32
            and case.network == "regularized"
            and case.dtype == "float64"
        ),
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


@functools.cache
def _fixed(backend: str) -> tuple[Case, ...]:
    return (*(named(name, backend) for name in NAMED), *covering(backend))


def cases(count: int, seed: int, backend: str) -> list[Case]:
    """Returns those of `NAMED`, those that cover all rows, and drawn ones, in turn."""
    fixed = _fixed(backend)
    more = (
        draw(np.random.default_rng((seed, index)), backend)
        for index in range(count - len(fixed))
    )
    return [*fixed, *more][:count]
