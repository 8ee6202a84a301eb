"""Products with the Hessian against gradients."""

import functools
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.timing import DEPTH, in_child, interleaved
from experiments.reporting.report import Part, Table


def run() -> list[Part]:
    """Times products with the Hessian against gradients, and counts them."""
    return [in_child(_curvature, threads=None)]


def _curvature(pipe: Connection) -> None:
    from experiments.engine import networks
    from keras_inits import diagnostics

    rng = np.random.default_rng(0)
    x, y = rng.random((1000, 784), dtype=np.float32), rng.integers(0, 10, 1000)
    rows = []
    for label, hidden in (
        ("784-256-256-10", (256, 256)),
        (f"{DEPTH} hidden layers of 10 and 6", networks.alternating(DEPTH)),
    ):
        model = networks.feedforward(784, 10, hidden, "he_normal")
        model.compile(loss="sparse_categorical_crossentropy")
        objective = diagnostics.Objective(model, x, y)
        weights, vector = objective.weights, rng.standard_normal(objective.size)
        start = time.perf_counter()
        objective.hessian_product(vector)
        compiled = time.perf_counter() - start
        calls: dict[str, Callable[[], Any]] = {
            "gradient": functools.partial(objective.gradient, weights),
            "product": functools.partial(objective.hessian_product, vector, weights),
        }
        times = interleaved(calls, rounds=30)
        start = time.perf_counter()
        spectrum = diagnostics.eigenvalues(diagnostics.HessianOperator(objective))
        rows.append(
            [
                label,
                f"{compiled:.1f}",
                f"{1e3 * times['gradient']:.1f}",
                f"{1e3 * times['product']:.1f}",
                f"{times['product'] / times['gradient']:.2f}",
                str(spectrum.num_matvecs),
                f"{time.perf_counter() - start:.2f}",
            ]
        )
    columns = ["network", "compile (s)", "gradient (ms)", "H v (ms)", "ratio"]
    columns += ["products for |H|", "|H| (s)"]
    pipe.send(Table("Products with the Hessian, 1000 samples", columns, rows))
