"""What the step of a population is spent on."""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.measurement import Measurement, Rounds, benchmark
from experiments.bench.population import (
    CORES,
    DEEP,
    MEMBERS,
    STEPS,
    batches,
    compiled,
)
from experiments.bench.timing import BATCH, DEPTH, from_child
from experiments.engine.trainer import STEPS_TOGETHER
from experiments.reporting.report import Part, Table

ROUNDS, SIZE = 11, 1024

PARTS = (
    "products, forward",
    "products, backward",
    "biases and activations",
    "matrices to weights and back, losses, metrics",
    "Adam",
    "input, Python and callbacks of `fit`",
)
"""The parts of a step. Each is timed with all those before it, as one graph; the
difference is what it adds, of processor time, to which all that runs at once adds."""

LARGE = f"products {SIZE}×{SIZE}"


def flops(widths: Sequence[int], batch: int) -> int:
    """Counts the operations in the products of a step of training.

    Forward, and backward for the kernel and, but for the first layer, for the signal:
    two operations, a product and a sum, for each sample and weight.

    Examples:
        >>> flops([3, 2, 1], batch=1)  # 6 weights twice, 2 weights three times
        36
    """
    first, *others = (n * m for n, m in zip(widths, widths[1:], strict=False))
    return 2 * batch * (2 * first + 3 * sum(others))


def measure(pipe: Connection) -> None:
    """Times a step part by part, and products that nothing disturbs."""
    import tensorflow as tf

    from experiments.engine import networks

    population = compiled(DEEP, MEMBERS, STEPS_TOGETHER)
    data = batches(DEEP)
    population.fit(*data, batch_size=BATCH, verbose=0)
    hidden = networks.alternating(DEPTH)
    bare = networks.feedforward(784, 10, hidden, "zeros", "linear")
    x, y = (tf.constant(array[:BATCH]) for array in data)
    square = tf.random.normal((SIZE, SIZE))
    multiply: Callable[[Any], Any] = tf.function(lambda a: a @ a)
    parts = [
        *(times_over(part) for part in graphs(population, bare, x, y)),
        lambda: population.fit(*data, batch_size=BATCH, verbose=0),
    ]
    calls: dict[str, Callable[[], Any]] = dict(zip(PARTS, parts, strict=True))
    calls[LARGE] = times_over(lambda: multiply(square))
    for call in calls.values():
        call()  # It is traced.
    for _ in range(ROUNDS):
        pipe.send(
            {way: {"step_seconds": processor_time(call)} for way, call in calls.items()}
        )


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns what each part adds, and the least that the products could take."""
    from experiments.engine import networks

    ((subject, rounds),) = measured.items()
    medians = rounds["step_seconds"].median()
    ends = [medians[part] for part in PARTS]
    work = MEMBERS * flops([784, *networks.alternating(DEPTH), 10], BATCH)
    speed = 2 * SIZE**3 / medians[LARGE]
    least = f"least for its {work / 1e9:.2f} GFLOP, at the {speed / 1e9:.0f} GFLOP/s "
    least += f"of {LARGE}"
    rows = [
        [name, f"{1e3 * seconds:.1f}", f"{100 * seconds / ends[-1]:.0f}"]
        for name, seconds in [
            *zip(PARTS, np.diff(ends, prepend=0.0), strict=True),
            ("the whole step", ends[-1]),
            (least, work / speed),
        ]
    ]
    return [Table(f"A step of {subject}", ["part", "processor time (ms)", "%"], rows)]


def times_over(step: Callable[[], Any]) -> Callable[[], None]:
    """Returns what takes as many steps as a `fit` of the data."""

    def steps() -> None:
        for _ in range(STEPS):
            step()

    return steps


def processor_time(steps: Callable[[], Any]) -> float:
    """Returns the seconds that all cores together work for one of the steps."""
    start = time.process_time()
    steps()
    return (time.process_time() - start) / STEPS


def graphs(population: Any, bare: Any, x: Any, y: Any) -> list[Callable[[], Any]]:
    """Returns graphs of a population's step, each with one of `PARTS` more.

    Args:
        population: A `Population` of dense networks that has trained.
        bare: The same network, without activations.
        x: Inputs of a batch.
        y: Targets of it.
    """
    import keras
    import tensorflow as tf
    from keras import ops

    from keras_inits.population.dense_stack import DenseStack, chain
    from keras_inits.population.forward import Batch

    forward, matrices = population._state.forward, population._matrices
    for layer in bare.layers:
        layer.use_bias, layer.activation = False, keras.activations.linear
    stack, products = forward.stack, DenseStack(chain(bare) or [])
    # Arrays, which are constants of a graph: each argument of one takes its time.
    split = [
        [
            ops.convert_to_numpy(value)
            for value in forward.packing.unpack(
                [ops.take(matrix, part, axis=0) for matrix in matrices]
            )
        ]
        for part in forward.parts
    ]
    kernels = [weights[::2] for weights in split]

    def through(stack: Any, parts: Any, x: Any) -> Any:
        # Squares: the sum of probabilities has no gradient.
        return sum(ops.sum(ops.square(stack(part, x, None))) for part in parts)

    def gradients(stack: Any, parts: Any, x: Any) -> Any:
        parts = [[tf.constant(array) for array in part] for part in parts]
        with tf.GradientTape() as tape:
            tape.watch(parts)
            loss = through(stack, parts, x)
        return tape.gradient(loss, parts)

    def with_loss(x: Any, y: Any) -> Any:
        states = [ops.convert_to_tensor(s) for s in population.member_metrics.states]
        with tf.GradientTape() as tape:
            losses, _, metrics = forward.step(matrices, states, Batch(x, y), None, True)
            loss = ops.sum(losses)
        return tape.gradient(loss, [m.value for m in matrices]), metrics

    def graph(part: Callable[..., Any]) -> Callable[[], Any]:
        traced = tf.function(part, autograph=False)
        return lambda: traced(x, y)

    return [
        graph(lambda x, y: through(products, kernels, x)),
        graph(lambda x, y: gradients(products, kernels, x)),
        graph(lambda x, y: gradients(stack, split, x)),
        graph(with_loss),
        graph(lambda x, y: population.train_step((x, y))),
    ]


EXPERIMENT = benchmark(
    "profile",
    "what a step of a population spends its time on",
    report,
    [
        Measurement(
            "profile",
            f"{MEMBERS} members, {DEEP}, batch {BATCH}",
            (*PARTS, LARGE),
            functools.partial(from_child, measure, 1, at_once=CORES),
            ROUNDS,
        )
    ],
)
