"""`fit` with a `DeadUnitMonitor` against `fit` without."""

import functools
import statistics
import time
from multiprocessing.connection import Connection

import numpy as np

from experiments.bench.timing import BATCH, DEPTH, ROUNDS, in_child
from experiments.reporting.report import Part, Table


def run() -> list[Part]:
    """Times `fit` with a `DeadUnitMonitor` against `fit` without."""
    return [in_child(_monitor, threads=None)]


def _monitor(pipe: Connection) -> None:
    import keras

    from experiments.engine import networks
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
