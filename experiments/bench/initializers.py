"""Initializers against Keras' own."""

import functools
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import keras_inits
from experiments.bench.measurement import Measurement, Rounds, benchmark
from experiments.bench.timing import ROUNDS, from_child, interleaved
from experiments.reporting.report import Part, Table

SHAPES = ((784, 10), (1024, 512), (4096, 2048))
OURS = tuple(keras_inits.available())
THEIRS = ("ones", "random_normal", "orthogonal")


def draw(pipe: Connection, shape: tuple[int, int]) -> None:
    """Calls all initializers in turn."""
    calls = {
        name: functools.partial(_call, keras_inits.get(name), shape)
        for name in (*OURS, *THEIRS)
    }
    for seconds in interleaved(calls, ROUNDS):
        pipe.send({name: {"call_seconds": s} for name, s in seconds.items()})


def _call(initializer: Any, shape: tuple[int, int]) -> Any:
    import keras

    # One entry is asked for, so that the clock stops when the kernel is there.
    return keras.ops.convert_to_numpy(initializer(shape)[-1, -1])


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a row for each shape and initializer of ours."""
    rows = []
    for shape, rounds in measured.items():
        seconds = rounds["call_seconds"].median()
        rows += [
            [
                shape,
                name,
                f"{1e3 * seconds[name]:.2f}",
                *(f"{seconds[name] / seconds[other]:.3g}" for other in THEIRS),
            ]
            for name in OURS
        ]
    columns = ["shape", "name", "ms", *(f"/ {name}" for name in THEIRS)]
    return [Table("Initializers called through Keras", columns, rows)]


EXPERIMENT = benchmark(
    "initializers",
    "initializers against Keras' own",
    report,
    [
        Measurement(
            "initializers",
            "×".join(map(str, shape)),
            (*OURS, *THEIRS),
            functools.partial(from_child, draw, None, shape),
            ROUNDS,
        )
        for shape in SHAPES
    ],
)
