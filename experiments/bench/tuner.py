"""`PopulationTuner` against KerasTuner's own grid search."""

import tempfile
import time
from multiprocessing.connection import Connection
from typing import Any

from experiments.bench.timing import worker
from experiments.reporting.report import Part, Table


def run() -> list[Part]:
    """Counts trials an hour of the tuner and of KerasTuner's own grid search."""
    each = {}
    for kind, threads in (("grid", None), ("population", 1)):
        pipe = worker(_tune, threads, kind)
        each[kind] = pipe.recv()
    rows = [
        [kind, str(trials), f"{seconds:.0f}", f"{3600 * trials / seconds:.0f}"]
        for kind, (trials, seconds) in each.items()
    ]
    rate = {kind: trials / seconds for kind, (trials, seconds) in each.items()}
    return [
        Table(
            "The same grid: 20 hidden layers, digits, 5 epochs, 3 seeds a trial",
            ["tuner", "trials", "seconds", "trials an hour"],
            rows,
        ),
        f"Ratio of trials an hour: {rate['population'] / rate['grid']:.1f}.",
    ]


def _tune(pipe: Connection, kind: str) -> None:
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
        made: Any
        if kind == "population":
            made = PopulationTuner(oracle, hypermodel, seeds=3, directory=folder)
        else:
            made = keras_tuner.Tuner(
                oracle, hypermodel, executions_per_trial=3, directory=folder
            )
        start = time.perf_counter()
        made.search(x, y, **fit)
        pipe.send((len(made.oracle.trials), time.perf_counter() - start))
