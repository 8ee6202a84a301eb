"""Products with the Hessian against gradients."""

import functools
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from experiments.bench.measurement import Measurement, Rounds, benchmark, ratio
from experiments.bench.timing import DEPTH, from_child, interleaved, timed
from experiments.reporting.report import Part, Table

ROUNDS, SAMPLES = 30, 1000
DEPTHS = {"784-256-256-10": 0, f"{DEPTH} hidden layers of 10 and 6": DEPTH}


def differentiate(pipe: Connection, network: str) -> None:
    """Takes gradients and products in turn; the first round has what is done once."""
    from experiments.engine import networks
    from keras_inits import diagnostics

    rng = np.random.default_rng(0)
    x = rng.random((SAMPLES, 784), dtype=np.float32)
    y = rng.integers(0, 10, SAMPLES)
    hidden = networks.alternating(DEPTHS[network]) or (256, 256)
    model = networks.feedforward(784, 10, hidden, "he_normal")
    model.compile(loss="sparse_categorical_crossentropy")
    objective = diagnostics.Objective(model, x, y)
    weights, vector = objective.weights, rng.standard_normal(objective.size)
    calls: dict[str, Callable[[], Any]] = {
        "gradient": functools.partial(objective.gradient, weights),
        "H v": functools.partial(objective.hessian_product, vector, weights),
    }
    once = {"compile_seconds": timed(calls["H v"])}
    operator = diagnostics.HessianOperator(objective)

    def norm() -> None:
        once["products"] = diagnostics.eigenvalues(operator).num_matvecs

    once["norm_seconds"] = timed(norm)
    for seconds in interleaved(calls, ROUNDS):
        pipe.send(
            {
                way: {"call_seconds": s, **(once if way == "H v" else {})}
                for way, s in seconds.items()
            }
        )
        once = {}


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a row for each network."""
    rows = []
    for network, rounds in measured.items():
        once = {name: frame["H v"].max() for name, frame in rounds.items()}
        calls = rounds["call_seconds"]
        rows.append(
            [
                network,
                f"{once['compile_seconds']:.1f}",
                f"{1e3 * calls['gradient'].median():.1f}",
                f"{1e3 * calls['H v'].median():.1f}",
                ratio(calls, "H v", "gradient")[0],
                f"{once['products']:.0f}",
                f"{once['norm_seconds']:.2f}",
            ]
        )
    columns = ["network", "compile (s)", "gradient (ms)", "H v (ms)", "ratio"]
    columns += ["products for |H|", "|H| (s)"]
    return [Table(f"Products with the Hessian, {SAMPLES} samples", columns, rows)]


EXPERIMENT = benchmark(
    "curvature",
    "products with the Hessian against gradients",
    report,
    [
        Measurement(
            "curvature",
            network,
            ("gradient", "H v"),
            functools.partial(from_child, differentiate, None, network),
            ROUNDS,
        )
        for network in DEPTHS
    ],
)
