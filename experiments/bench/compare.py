"""`compare` against plain `fit` of one network."""

import functools
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.measurement import Measurement, Rounds, benchmark, ratio
from experiments.bench.timing import from_child, timed
from experiments.reporting.report import Part, Table

NAMES = ["lee_qr", "zer_o", "rai", "gsm", "rectangular_identity", "he_normal"]
NAMES += ["he_uniform", "glorot_uniform", "lecun_normal", "orthogonal"]
SEEDS, STEPS, BATCH = 3, 500, 32
DEPTHS = {"64-128-128-10": 0, "60 hidden layers of 10 and 6": 60}
WAYS = ("plain fit", "compare", "compare, stable rates")


def train(pipe: Connection, network: str) -> None:
    """Trains one network, and compares it under all initializers."""
    import keras

    import keras_inits
    from experiments.engine import datasets, networks

    data = datasets.load("digits")
    x, y = datasets.scale(data, "unit"), data.y
    hidden = networks.alternating(DEPTHS[network]) or (128, 128)

    def build(initializer: Any) -> keras.Model:
        model = networks.feedforward(64, 10, hidden, initializer)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    order = np.random.default_rng(0).permutation(STEPS * BATCH) % len(x)
    compare = functools.partial(
        keras_inits.compare, build, x, y, NAMES, SEEDS, STEPS, BATCH
    )
    calls: tuple[Callable[[], Any], ...] = (
        lambda: build("he_normal").fit(x[order], y[order], BATCH, verbose=0),
        compare,
        functools.partial(compare, stable_rate=True),
    )
    pipe.send(
        {
            way: {"all_seconds": timed(call)}
            for way, call in zip(WAYS, calls, strict=True)
        }
    )


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a row for each network."""
    rows = []
    for network, rounds in measured.items():
        seconds = rounds["all_seconds"]
        row = [network, f"{seconds['plain fit'].median():.1f}"]
        for way in WAYS[1:]:
            row += [f"{seconds[way].median():.1f}", ratio(seconds, way, WAYS[0])[0]]
        rows.append(row)
    columns = ["network", "plain fit (s)", "compare (s)", "ratio"]
    columns += ["with stable rates (s)", "ratio"]
    title = f"{len(NAMES)} initializers × {SEEDS} seeds, {STEPS} steps, all included"
    return [Table(title, columns, rows)]


EXPERIMENT = benchmark(
    "compare",
    "compare against plain fit of one network",
    report,
    [
        Measurement(
            "compare", network, WAYS, functools.partial(from_child, train, 1, network)
        )
        for network in DEPTHS
    ],
)
