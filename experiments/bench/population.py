"""A population against plain `fit` of one network."""

import statistics
import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.timing import BATCH, DEPTH, ROUNDS, worker
from experiments.progress import console
from experiments.report import Table

MEMBERS, STEPS = 80, 20


def run() -> None:
    """Times 80 members of the 120-layer network against plain `fit` of one.

    The two run in processes of their own, since TensorFlow's threads are set once for
    each: plain Keras with its default, a population with one thread an operation.
    """
    plain, many = (
        worker(_train, threads, n) for n, threads in ((1, None), (MEMBERS, 1))
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
