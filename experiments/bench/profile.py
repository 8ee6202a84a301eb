"""What the step of a population is spent on."""

import statistics
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.population import (
    CORES,
    DEEP,
    MEMBERS,
    STEPS,
    batches,
    compiled,
)
from experiments.bench.timing import BATCH, DEPTH, in_child
from experiments.engine.trainer import STEPS_TOGETHER
from experiments.reporting.report import Part, Table

ROUNDS, SIZE = 11, 1024


def run() -> list[Part]:
    """Times a step part by part, and the least that its products could take.

    Each part is timed with all those before it, as one graph, and what it adds is the
    difference: of processor time, which what runs side by side adds to as well.
    """
    return [in_child(_profile, threads=1, at_once=CORES)]


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


def _profile(pipe: Connection) -> None:
    import tensorflow as tf

    from experiments.engine import networks

    hidden = networks.alternating(DEPTH)
    population = compiled(DEEP, MEMBERS, STEPS_TOGETHER)
    data = batches(DEEP)
    population.fit(*data, batch_size=BATCH, verbose=0)
    bare = networks.feedforward(784, 10, hidden, "zeros", "linear")
    x, y = (tf.constant(array[:BATCH]) for array in data)
    parts = graphs(population, bare, x, y)
    square = tf.random.normal((SIZE, SIZE))
    multiply = tf.function(lambda a: a @ a)
    calls: dict[str, Callable[[], Any]] = {
        **{name: times_over(part) for name, part in parts.items()},
        "input, Python and callbacks of `fit`": lambda: population.fit(
            *data, batch_size=BATCH, verbose=0
        ),
        "large products": times_over(lambda: multiply(square)),
    }
    for call in calls.values():
        call()  # It is traced.
    rounds = [[processor_time(call) for call in calls.values()] for _ in range(ROUNDS)]
    *ends, large = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    work, speed = MEMBERS * flops([784, *hidden, 10], BATCH), 2 * SIZE**3 / large
    least = f"least for its {work / 1e9:.2f} GFLOP, at the {speed / 1e9:.0f} GFLOP/s "
    least += f"of products {SIZE}×{SIZE}"
    rows = [
        [name, f"{1e3 * seconds:.1f}", f"{100 * seconds / ends[-1]:.0f}"]
        for name, seconds in [
            *zip(calls, np.diff(ends, prepend=0.0), strict=False),
            ("the whole step", ends[-1]),
            (least, work / speed),
        ]
    ]
    title = f"A step of {MEMBERS} members, {DEEP}, batch {BATCH}, of {CORES} cores"
    pipe.send(Table(title, ["part", "processor time (ms)", "%"], rows))


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


def graphs(population: Any, bare: Any, x: Any, y: Any) -> dict[str, Callable[[], Any]]:
    """Returns graphs of a population's step, each with one part more than the last.

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

    return {
        "products, forward": graph(lambda x, y: through(products, kernels, x)),
        "products, backward": graph(lambda x, y: gradients(products, kernels, x)),
        "biases and activations": graph(lambda x, y: gradients(stack, split, x)),
        "matrices to weights and back, losses, metrics": graph(with_loss),
        "Adam": graph(lambda x, y: population.train_step((x, y))),
    }
