"""Initializers against Keras' own."""

import functools
from multiprocessing.connection import Connection
from typing import Any

from experiments.bench.timing import in_child, interleaved
from experiments.reporting.report import Part, Table


def run() -> list[Part]:
    """Times the initializers against Keras' own of the same shape."""
    return [in_child(_initializers, threads=None)]


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
            times |= interleaved(calls, rounds)
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
