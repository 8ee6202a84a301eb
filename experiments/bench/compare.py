"""`compare` against plain `fit` of one network."""

import time
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.timing import in_child
from experiments.reporting.report import Part, Table


def run() -> list[Part]:
    """Times `compare` of 10 initializers and 3 seeds against plain `fit` of one."""
    return [in_child(_compare, threads=1)]


def _compare(pipe: Connection) -> None:
    import keras

    import keras_inits
    from experiments.engine import datasets, networks

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
