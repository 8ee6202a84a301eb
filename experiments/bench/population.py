"""A population against other ways to train as many networks."""

import functools
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from experiments.bench import jax_vmap
from experiments.bench.measurement import Measurement, Round, Rounds, benchmark, ratio
from experiments.bench.timing import BATCH, DEPTH, timed, worker
from experiments.engine.trainer import STEPS_TOGETHER
from experiments.reporting.report import Part, Table

DEEP = f"{DEPTH} hidden layers of 10 and 6 units"
ORDINARY = ("784-256-256-10", "CNN with BatchNormalization", "LSTM(32)")
MEMBERS, FEW, ROUNDS = 80, 12, 11
STEPS = 5 * STEPS_TOGETHER
CORES = os.cpu_count() or 1

INITIALIZERS = "lee_qr orthogonal glorot_uniform he_normal zer_o".split()
INITIALIZERS += "rectangular_identity glorot_normal he_uniform".split()


class Way(NamedTuple):
    """A way to train networks, in processes of its own.

    Args:
        label: What it is called in tables.
        train: What each process runs.
        args: Further arguments of `train`.
        members: Networks that each process trains.
        threads: Threads of an operation; `None` for the default.
        at_once: Operations at once; `None` for the default.
        processes: Processes side by side.
    """

    label: str
    train: Callable[..., None]
    args: tuple[Any, ...]
    members: int = 1
    threads: int | None = None
    at_once: int | None = None
    processes: int = 1


BEST = f"population, {STEPS_TOGETHER} together"


def plain(network: str) -> list[Way]:
    """Returns `fit` as Keras gives it, and at its best.

    Its best is as one would train many networks who knows of TensorFlow's threads.
    """
    return [
        Way("plain fit", train, (network, 0, 1)),
        Way(
            "plain fit at its best",
            train,
            (network, 0, STEPS_TOGETHER),
            threads=1,
            at_once=1,
            processes=CORES,
        ),
    ]


def population(network: str, members: int, together: int) -> Way:
    """Returns a population, as the command line runs it."""
    label = BEST if together > 1 else "population"
    return Way(label, train, (network, members, together), members, 1, CORES)


def measure(ways: Sequence[Way]) -> Iterator[Round]:
    """Times ways in turn, in processes that stay; setting up is in the first round."""
    pipes: dict[str, list[Connection]] = {}
    once: dict[str, dict[str, float]] = {}
    for way in ways:
        mine = [
            worker(way.train, way.threads, *way.args, at_once=way.at_once)
            for _ in range(way.processes)
        ]
        pipes[way.label] = mine
        # Nothing else runs meanwhile.
        build, first = np.mean([pipe.recv() for pipe in mine], axis=0)
        once[way.label] = {"build_seconds": build, "first_seconds": first}
    for _ in range(ROUNDS):
        values = {}
        for way in ways:
            mine = pipes[way.label]
            for pipe in mine:
                pipe.send("go")
            step = statistics.mean(pipe.recv() for pipe in mine)
            each = {"step_seconds": step / (way.members * way.processes)}
            values[way.label] = {**each, **once.pop(way.label, {})}
        yield values
    for pipe in sum(pipes.values(), []):
        pipe.send(None)


def batches(network: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns inputs of `STEPS` batches, as a network takes them, and labels."""
    rng = np.random.default_rng(0)
    x = rng.random((STEPS * BATCH, 784), dtype=np.float32)
    shapes = {"CNN with BatchNormalization": (28, 28, 1), "LSTM(32)": (28, 28)}
    return x.reshape(-1, *shapes.get(network, (784,))), rng.integers(0, 10, len(x))


def build(network: str, initializer: str = "he_normal") -> Any:
    """Builds one of the networks that are timed."""
    import keras

    from experiments.engine import networks

    layers = keras.layers
    if network == DEEP:
        hidden = networks.alternating(DEPTH)
        return networks.feedforward(784, 10, hidden, initializer)
    if network == "784-256-256-10":
        return networks.feedforward(784, 10, (256, 256), initializer)
    if network == "LSTM(32)":
        inner = [keras.Input((28, 28)), layers.LSTM(32, kernel_initializer=initializer)]
    else:
        inner = [keras.Input((28, 28, 1))]
        for filters in (8, 16):
            inner += [
                layers.Conv2D(filters, 3, kernel_initializer=initializer),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.MaxPooling2D(),
            ]
        inner += [layers.Flatten()]
    return keras.Sequential([*inner, layers.Dense(10, "softmax")])


def compiled(network: str, members: int, together: int) -> Any:
    """Returns a population, or one network where there are no members."""
    from keras_inits import Population

    if members:
        pairs = [
            {"initializer": INITIALIZERS[i % len(INITIALIZERS)], "seed": i}
            for i in range(members)
        ]
        model = Population(functools.partial(build, network), pairs)
    else:
        model = build(network)
    model.compile(
        "adam",
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=together,
    )
    return model


def train(pipe: Connection, network: str, members: int, together: int) -> None:
    """Trains what is compiled."""
    x, y = batches(network)
    begin = time.perf_counter()
    model = compiled(network, members, together)
    built = time.perf_counter()
    model.fit(x, y, batch_size=BATCH, verbose=0)
    pipe.send((built - begin, time.perf_counter() - built))
    clock = Clock()
    while pipe.recv():
        model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[clock.callback()])
        pipe.send(clock.median() / together)


def train_by_hand(pipe: Connection, members: int) -> None:
    """Trains the deep network with `jax_vmap`."""
    from experiments.engine import networks

    x, y = batches(DEEP)
    x, y = x.reshape(STEPS, BATCH, -1), y.reshape(STEPS, BATCH)
    begin = time.perf_counter()
    rng = np.random.default_rng(0)
    widths = [784, *networks.alternating(DEPTH), 10]
    state = jax_vmap.start(
        [
            (
                rng.normal(0, (2 / n) ** 0.5, (members, n, m)).astype("float32"),
                np.zeros((members, m), "float32"),
            )
            for n, m in zip(widths, widths[1:], strict=False)
        ]
    )
    built = time.perf_counter()
    steps = jax_vmap.trainer()

    def steps_of_all() -> None:
        nonlocal state
        state, (losses, _) = steps(state, x, y)
        losses.block_until_ready()

    steps_of_all()
    pipe.send((built - begin, time.perf_counter() - built))
    while pipe.recv():
        pipe.send(timed(steps_of_all) / STEPS)


class Clock:
    """Times the executions of a `fit` from the end of one to the end of the next."""

    def __init__(self) -> None:
        """Starts with none."""
        self.ends: list[float] = []

    def callback(self) -> Any:
        """Returns what notes the ends of the next `fit`."""
        import keras

        self.ends = []
        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: self.ends.append(time.perf_counter())
        )

    def median(self) -> float:
        """Returns the median of their distances."""
        return float(np.median(np.diff(self.ends)))


def deep_ways() -> list[Way]:
    """Returns the ways to train the deep network."""
    return [
        *plain(DEEP),
        *(population(DEEP, MEMBERS, together) for together in (1, STEPS_TOGETHER)),
        Way("jax.vmap, lax.scan", train_by_hand, (MEMBERS,), MEMBERS),
    ]


def measure_deep() -> Iterator[Round]:
    """Times the ways to train the deep network, without JAX where it is missing."""
    with_jax = importlib.util.find_spec("jax") is not None
    return measure([w for w in deep_ways() if with_jax or w.train is train])


def ordinary_ways(network: str) -> list[Way]:
    """Returns the ways to train another network."""
    return [*plain(network), population(network, FEW, STEPS_TOGETHER)]


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a table of the deep network, and one of the others."""
    rounds = measured[DEEP]
    steps = rounds["step_seconds"]
    step, build, first = (
        rounds[name].median()
        for name in ("step_seconds", "build_seconds", "first_seconds")
    )
    rows = [
        [
            f"{way.label}, {way.members * way.processes}",
            f"{build[way.label]:.1f}",
            f"{first[way.label]:.1f}",
            f"{1e3 * step[way.label]:.2f}",
            *ratio(steps, way.label, BEST),
        ]
        for way in deep_ways()
        if way.label in steps
    ]
    columns = ["way, networks", "build (s)", f"first {STEPS} steps (s)"]
    columns += ["step of one (ms)", f"/ {BEST}", "range"]
    # Ten epochs on the 59,500 training images of MNIST.
    alone, together = (
        members * (5950 - STEPS) * step[way] + build[way] + first[way]
        for way, members in (("plain fit", 1), (BEST, MEMBERS))
    )
    others = [
        [
            network,
            *(f"{1e3 * s:.2f}" for s in _ordered(rounds["step_seconds"].median())),
            *ratio(rounds["step_seconds"], "plain fit", BEST),
            *ratio(rounds["step_seconds"], "plain fit at its best", BEST),
        ]
        for network, rounds in measured.items()
        if network != DEEP
    ]
    heads = ["network", "plain fit (ms)", "at its best (ms)", "population (ms)"]
    heads += ["plain / population", "range", "best / population", "range"]
    return [
        Table(f"{DEEP}, batch {BATCH}", columns, rows),
        "Plain fit over the population for a member, with building and tracing, over "
        f"10 epochs of MNIST: {MEMBERS * alone / together:.1f}.",
        Table(f"The step of one of {FEW} members, batch {BATCH}", heads, others),
    ]


def _ordered(step: Any) -> list[float]:
    return [step[way] for way in ("plain fit", "plain fit at its best", BEST)]


EXPERIMENT = benchmark(
    "population",
    "a population against plain fit and JAX",
    report,
    [
        Measurement(
            "population",
            DEEP,
            tuple(way.label for way in deep_ways()),
            measure_deep,
            ROUNDS,
        ),
        *(
            Measurement(
                "population",
                network,
                tuple(way.label for way in ordinary_ways(network)),
                functools.partial(measure, ordinary_ways(network)),
                ROUNDS,
            )
            for network in ORDINARY
        ),
    ],
)
