"""Speed: ratios of medians, of things measured in turn in one run."""

import functools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.progress import console
from experiments.report import Table

DEPTH, MEMBERS, BATCH, STEPS, ROUNDS = 120, 80, 100, 20, 5


def initializers() -> None:
    """Times the initializers against Keras' own of the same shape."""
    _in_child(_initializers, threads=None)


def _initializers(pipe: Connection) -> None:

    import keras_inits

    ours = keras_inits.available()
    theirs = ["ones", "random_normal", "orthogonal"]
    made = {name: keras_inits.get(name) for name in [*ours, *theirs]}
    # A QR decomposition takes seconds where a draw takes milliseconds.
    slow = {"orthogonal", "ortho_ep"}
    rows = []
    for shape in ((784, 10), (1024, 512), (4096, 2048)):
        times: dict[str, float] = {}
        for rounds, names in ((15, made.keys() - slow), (3, slow)):
            calls = {n: functools.partial(_call, made[n], shape) for n in names}
            times |= _interleaved(calls, rounds)
        for name in ours:
            rows.append(
                [
                    f"{shape[0]}×{shape[1]}",
                    name,
                    f"{1e3 * times[name]:.2f}",
                    *(f"{times[name] / times[n]:.3g}" for n in theirs),
                ]
            )
    pipe.send(
        Table(
            "Initializers called through Keras",
            ["shape", "name", "ms", *(f"/ {name}" for name in theirs)],
            rows,
        )
    )


def _call(initializer: Any, shape: tuple[int, int]) -> Any:
    import keras

    # One entry is asked for, so that the clock stops when the kernel is there.
    return keras.ops.convert_to_numpy(initializer(shape)[-1, -1])


def population() -> None:
    """Times 80 members of the 120-layer network against plain `fit` of one.

    The two run in processes of their own, since TensorFlow's threads are set once for
    each: plain Keras with its default, a population with one thread an operation.
    """
    plain, many = (
        _worker(_train, threads, n) for n, threads in ((1, None), (MEMBERS, 1))
    )
    setup = {name: pipe.recv() for name, pipe in (("plain", plain), ("many", many))}
    times: dict[str, list[float]] = {"plain": [], "many": []}
    for _ in range(ROUNDS):
        for name, pipe in (("plain", plain), ("many", many)):
            pipe.send("go")
            times[name].append(pipe.recv())
    for pipe in (plain, many):
        pipe.send(None)
    step = {name: statistics.median(values) for name, values in times.items()}
    # Ten epochs on the 59,500 training images of MNIST.
    whole = {n: sum(setup[n]) + 5950 * step[n] for n in step}
    rows = [
        [
            label,
            f"{setup[name][0]:.1f}",
            f"{setup[name][1]:.1f}",
            f"{1e3 * step[name]:.1f}",
            f"{1e3 * step[name] / members:.2f}",
        ]
        for name, label, members in (
            ("plain", "plain fit, 1 member", 1),
            ("many", f"population, {MEMBERS} members", MEMBERS),
        )
    ]
    console.print(
        Table(
            f"Training {DEPTH} hidden layers of 10 and 6 units, batch {BATCH}",
            ["", "build (s)", "trace (s)", "step (ms)", "step and member (ms)"],
            rows,
        ).to_rich()
    )
    console.print(
        f"Ratio for a member's step: {MEMBERS * step['plain'] / step['many']:.1f}; "
        "with building and tracing, over 10 epochs of MNIST: "
        f"{MEMBERS * whole['plain'] / whole['many']:.1f}."
    )


def _train(pipe: Connection, members: int) -> None:
    import keras

    from experiments import networks
    from keras_inits import Population

    def build(initializer: str = "he_normal") -> keras.Model:
        hidden = networks.alternating(DEPTH)
        return networks.feedforward(784, 10, hidden, initializer)

    rng = np.random.default_rng(0)
    x = rng.random((STEPS * BATCH, 784), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    start = time.perf_counter()
    names = ["lee_qr", "orthogonal", "glorot_uniform", "he_normal"]
    names += ["zer_o", "rectangular_identity", "glorot_normal", "he_uniform"]
    if members == 1:
        model = build()
    else:
        each = range(members // len(names))
        pairs = [{"initializer": name, "seed": seed} for name in names for seed in each]
        model = Population(build, pairs)
    built = time.perf_counter()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, verbose=0)
    pipe.send((built - start, time.perf_counter() - built))
    clock = _Clock()
    model.fit(x, y, batch_size=BATCH, verbose=0)  # The shape of its batches is new.
    while pipe.recv():
        model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[clock.callback()])
        pipe.send(clock.median())


class _Clock:
    """Times the steps of a `fit` from the end of one to the end of the next."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def callback(self) -> Any:
        import keras

        self.ends = []
        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda *_, **__: self.ends.append(time.perf_counter())
        )

    def median(self) -> float:
        return float(np.median(np.diff(self.ends)))


def tuner() -> None:
    """Counts trials an hour of the tuner and of KerasTuner's own grid search."""
    each = {}
    for kind, threads in (("grid", None), ("population", 1)):
        pipe = _worker(_tune, threads, kind)
        each[kind] = pipe.recv()
    rows = [
        [kind, str(trials), f"{seconds:.0f}", f"{3600 * trials / seconds:.0f}"]
        for kind, (trials, seconds) in each.items()
    ]
    console.print(
        Table(
            "The same grid: 20 hidden layers, digits, 5 epochs, 3 seeds a trial",
            ["tuner", "trials", "seconds", "trials an hour"],
            rows,
        ).to_rich()
    )
    rate = {kind: trials / seconds for kind, (trials, seconds) in each.items()}
    console.print(f"Ratio of trials an hour: {rate['population'] / rate['grid']:.1f}.")


def _tune(pipe: Connection, kind: str) -> None:
    import keras
    import keras_tuner

    from experiments import datasets, networks
    from keras_inits import InitializerHyperModel, PopulationTuner

    data = datasets.load("digits")
    x, y = datasets.scale(data, "unit"), data.y

    def build(initializer: Any) -> keras.Model:
        model = networks.feedforward(64, 10, networks.alternating(20), initializer)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    names = ["lee_qr", "rectangular_identity", "zer_o", "orthogonal", "he_normal"]
    hypermodel = InitializerHyperModel(build, names, [0.001, 0.01, 0.1, 1.0])
    oracle = keras_tuner.oracles.GridSearchOracle("val_accuracy")
    fit = {"epochs": 5, "batch_size": 32, "validation_split": 0.15, "verbose": 0}
    with tempfile.TemporaryDirectory() as folder:
        made: Any
        if kind == "population":
            made = PopulationTuner(oracle, hypermodel, seeds=3, directory=folder)
        else:
            made = keras_tuner.Tuner(
                oracle, hypermodel, executions_per_trial=3, directory=folder
            )
        start = time.perf_counter()
        made.search(x, y, **fit)
        pipe.send((len(made.oracle.trials), time.perf_counter() - start))


def monitor() -> None:
    """Times `fit` with a `DeadUnitMonitor` against `fit` without."""
    _in_child(_monitor, threads=None)


def _monitor(pipe: Connection) -> None:
    import keras

    from experiments import networks
    from keras_inits import DeadUnitMonitor

    layers = keras.layers

    def convolutional() -> keras.Model:
        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(16, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(10, "softmax"),
            ]
        )

    rng = np.random.default_rng(0)
    x = rng.random((200 * BATCH, 784), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    rows = []
    for name, model, images, steps in (
        (
            "784-256-256-10",
            networks.feedforward(784, 10, (256, 256), "he_normal"),
            x,
            200,
        ),
        ("two convolutions", convolutional(), x.reshape(-1, 28, 28, 1), 20),
        (
            f"{DEPTH} layers of 10 and 6",
            networks.feedforward(784, 10, networks.alternating(DEPTH), "lee_qr"),
            x,
            100,
        ),
    ):
        model.compile("adam", "sparse_categorical_crossentropy")
        fit = functools.partial(
            model.fit, images[: steps * BATCH], y[: steps * BATCH], BATCH, verbose=0
        )
        watch = DeadUnitMonitor(on_collapse=None)
        ratios, alone = [], []
        for callbacks in ([], [watch]):  # Traces both.
            fit(callbacks=callbacks)
        for _ in range(ROUNDS * 3):
            seconds = []
            for callbacks in ([], [watch]):
                start = time.perf_counter()
                fit(callbacks=callbacks)
                seconds.append(time.perf_counter() - start)
            alone.append(seconds[0])
            ratios.append(seconds[1] / seconds[0])
        rows.append(
            [
                name,
                f"{1e3 * statistics.median(alone) / steps:.2f}",
                f"{statistics.median(ratios):.3f}",
                f"{min(ratios):.3f} to {max(ratios):.3f}",
            ]
        )
    pipe.send(
        Table(
            f"Training with a DeadUnitMonitor, batch {BATCH}",
            ["network", "step without (ms)", "with / without", "range"],
            rows,
        )
    )


def curvature() -> None:
    """Times products with the Hessian against gradients, and counts them."""
    _in_child(_curvature, threads=None)


def _curvature(pipe: Connection) -> None:
    from experiments import networks
    from keras_inits import probes

    rng = np.random.default_rng(0)
    x, y = rng.random((1000, 784), dtype=np.float32), rng.integers(0, 10, 1000)
    rows = []
    for label, hidden in (
        ("784-256-256-10", (256, 256)),
        (f"{DEPTH} hidden layers of 10 and 6", networks.alternating(DEPTH)),
    ):
        model = networks.feedforward(784, 10, hidden, "he_normal")
        model.compile(loss="sparse_categorical_crossentropy")
        objective = probes.Objective(model, x, y)
        weights, vector = objective.weights, rng.standard_normal(objective.size)
        start = time.perf_counter()
        objective.hessian_product(vector)
        compiled = time.perf_counter() - start
        calls: dict[str, Callable[[], Any]] = {
            "gradient": functools.partial(objective.gradient, weights),
            "product": functools.partial(objective.hessian_product, vector, weights),
        }
        times = _interleaved(calls, rounds=30)
        start = time.perf_counter()
        spectrum = probes.hessian(objective)
        rows.append(
            [
                label,
                f"{compiled:.1f}",
                f"{1e3 * times['gradient']:.1f}",
                f"{1e3 * times['product']:.1f}",
                f"{times['product'] / times['gradient']:.2f}",
                str(spectrum.products),
                f"{time.perf_counter() - start:.2f}",
            ]
        )
    columns = ["network", "compile (s)", "gradient (ms)", "H v (ms)", "ratio"]
    columns += ["products for |H|", "|H| (s)"]
    pipe.send(Table("Products with the Hessian, 1000 samples", columns, rows))


def compare() -> None:
    """Times `compare` of 10 initializers and 3 seeds against plain `fit` of one."""
    _in_child(_compare, threads=1)


def _compare(pipe: Connection) -> None:
    import keras

    import keras_inits
    from experiments import datasets, networks

    data = datasets.load("digits")
    x, y = datasets.scale(data, "unit"), data.y
    names = ["lee_qr", "zer_o", "rai", "gsm", "rectangular_identity", "he_normal"]
    names += ["he_uniform", "glorot_uniform", "lecun_normal", "orthogonal"]
    steps, batch, rows = 500, 32, []
    for label, hidden in (
        ("64-128-128-10", (128, 128)),
        ("60 hidden layers of 10 and 6", networks.alternating(60)),
    ):

        def build(initializer: Any, hidden: tuple[int, ...] = hidden) -> keras.Model:
            model = networks.feedforward(64, 10, hidden, initializer)
            model.compile(
                "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
            )
            return model

        start = time.perf_counter()
        order = np.random.default_rng(0).permutation(steps * batch) % len(x)
        build("he_normal").fit(x[order], y[order], batch, verbose=0)
        plain = time.perf_counter() - start
        seconds = []
        for stable_rate in (False, True):
            start = time.perf_counter()
            keras_inits.compare(
                build, x, y, names, 3, steps, batch, stable_rate=stable_rate
            )
            seconds.append(time.perf_counter() - start)
        rows.append(
            [
                label,
                f"{plain:.1f}",
                *(text for s in seconds for text in (f"{s:.1f}", f"{s / plain:.1f}")),
            ]
        )
    columns = ["network", "plain fit (s)", "compare (s)", "ratio"]
    columns += ["with stable rates (s)", "ratio"]
    pipe.send(
        Table(f"10 initializers × 3 seeds, {steps} steps, all included", columns, rows)
    )


def _interleaved(
    calls: Mapping[str, Callable[[], Any]], rounds: int
) -> dict[str, float]:
    """Returns the median seconds of each call, made in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _worker(target: Callable[..., None], threads: int | None, *args: Any) -> Connection:
    """Starts a process with TensorFlow's threads for one operation set, or default."""
    here, there = multiprocessing.Pipe()
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    before = {name: os.environ.pop(name, None) for name in names}
    if threads is not None:
        os.environ[names[0]] = str(threads)
    try:
        context = multiprocessing.get_context("spawn")
        context.Process(target=target, args=(there, *args), daemon=True).start()
    finally:
        os.environ.update({n: v for n, v in before.items() if v is not None})
    there.close()
    return here


def _in_child(target: Callable[..., None], threads: int | None) -> None:
    console.print(_worker(target, threads).recv().to_rich())


BENCHES: dict[str, Callable[[], None]] = {
    "compare": compare,
    "curvature": curvature,
    "initializers": initializers,
    "monitor": monitor,
    "population": population,
    "tuner": tuner,
}
"""What `python -m experiments bench` knows."""
