"""What a case is made of: networks, samples, and the arguments of `fit`."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from experiments.bench.exactness.cases import SETTINGS, Case
from experiments.bench.exactness.losses import LOSSES, METRICS, TARGETS
from experiments.bench.exactness.networks import (
    HEADS,
    INPUTS,
    NETWORKS,
    STACKS,
    STEPS,
    WORDS,
)
from experiments.bench.exactness.optimizers import OPTIMIZERS
from experiments.bench.exactness.refusals import REFUSALS
from keras_inits.population import SeedBatches

EPOCHS = 2


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
