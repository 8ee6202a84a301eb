"""`PopulationTuner` against KerasTuner's own grid search."""

import tempfile
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from typing import Any

from experiments.bench.measurement import Measurement, Round, Rounds, benchmark
from experiments.bench.timing import timed, worker
from experiments.reporting.report import Part, Table

THREADS = {"grid": None, "population": 1}
"""Ways, and the threads that an operation has there."""


def measure() -> Iterator[Round]:
    """Searches the same grid both ways."""
    yield {way: worker(tune, threads, way).recv() for way, threads in THREADS.items()}


def tune(pipe: Connection, way: str) -> None:
    """Searches a grid."""
    import keras
    import keras_tuner

    from experiments.engine import datasets, networks
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
        tuner: Any
        if way == "population":
            tuner = PopulationTuner(oracle, hypermodel, seeds=3, directory=folder)
        else:
            tuner = keras_tuner.Tuner(
                oracle, hypermodel, executions_per_trial=3, directory=folder
            )
        seconds = timed(lambda: tuner.search(x, y, **fit))
        pipe.send({"trials": len(tuner.oracle.trials), "search_seconds": seconds})


def report(measured: Mapping[str, Rounds]) -> list[Part]:
    """Returns a row for each way, and their ratio."""
    ((subject, rounds),) = measured.items()
    trials, seconds = (rounds[name].median() for name in ("trials", "search_seconds"))
    rate = 3600 * trials / seconds
    rows = [
        [way, f"{trials[way]:.0f}", f"{seconds[way]:.0f}", f"{rate[way]:.0f}"]
        for way in THREADS
    ]
    columns = ["tuner", "trials", "seconds", "trials an hour"]
    return [
        Table(f"The same grid: {subject}", columns, rows),
        f"Ratio of trials an hour: {rate['population'] / rate['grid']:.1f}.",
    ]


EXPERIMENT = benchmark(
    "tuner",
    "trials an hour, against KerasTuner",
    report,
    [
        Measurement(
            "tuner",
            "20 hidden layers, digits, 5 epochs, 3 seeds a trial",
            tuple(THREADS),
            measure,
        )
    ],
)
