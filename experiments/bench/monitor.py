"""`fit` with a `DeadUnitMonitor` against `fit` without."""

import functools
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.measurement import Measurement, Rounds, benchmark, ratio
from experiments.bench.timing import (
    BATCH,
    DEPTH,
    ROUNDS,
    from_child,
    interleaved,
    timed,
)
from experiments.reporting.report import Part, Table

STEPS = {
    "784-256-256-10": 200,
    "two convolutions": 20,
    f"{DEPTH} layers of 10 and 6": 100,
    "MobileNetV2": 2,
}
"""Networks, and the steps of a `fit`."""


def build(network: str) -> Any:
    """Builds one of the networks that are timed."""
    import keras

    from experiments.engine import networks

    if network == "784-256-256-10":
        return networks.feedforward(784, 10, (256, 256), "he_normal")
    if network == "MobileNetV2":
        return keras.applications.MobileNetV2((32, 32, 3), weights=None, classes=10)
    if network != "two convolutions":
        return networks.feedforward(784, 10, networks.alternating(DEPTH), "lee_qr")
    layers = keras.layers
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


def train(pipe: Connection, network: str) -> None:
    """Trains a network with and without a monitor, in turn; first it is traced."""
    from keras_inits import DeadUnitMonitor

    rng = np.random.default_rng(0)
    model, steps = build(network), STEPS[network]
    x = rng.random((steps * BATCH, *model.input_shape[1:]), dtype=np.float32)
    y = rng.integers(0, 10, len(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    monitor = DeadUnitMonitor(on_collapse=None)
    calls = {
        way: functools.partial(model.fit, x, y, BATCH, verbose=0, callbacks=callbacks)
        for way, callbacks in (("without", []), ("with", [monitor]))
    }
    first = {way: timed(call) for way, call in calls.items()}
    for seconds in interleaved(calls, ROUNDS * 3):
        pipe.send(
            {
                way: {"step_seconds": s / steps, "first_seconds": first[way]}
                for way, s in seconds.items()
            }
        )


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a row for each network."""
    rows = [
        [
            network,
            f"{1e3 * rounds['step_seconds']['without'].median():.2f}",
            *ratio(rounds["step_seconds"], "with", "without"),
            f"{rounds['first_seconds']['without'].median():.1f}",
            ratio(rounds["first_seconds"], "with", "without")[0],
        ]
        for network, rounds in measured.items()
    ]
    columns = ["network", "step without (ms)", "with / without", "range"]
    columns += ["first fit without (s)", "with / without"]
    title = f"Training with a DeadUnitMonitor, batch {BATCH}"
    return [Table(title, columns, rows)]


EXPERIMENT = benchmark(
    "monitor",
    "fit with a DeadUnitMonitor against fit without",
    report,
    [
        Measurement(
            "monitor",
            network,
            ("without", "with"),
            functools.partial(from_child, train, None, network),
            ROUNDS * 3,
        )
        for network in STEPS
    ],
)
