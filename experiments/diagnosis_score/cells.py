"""Networks that `diagnose` predicts, and that are then trained."""

import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from experiments.diagnosis_score import measures, networks
from experiments.diagnosis_score.tasks import Task, task
from experiments.engine.ledger import Ledger
from keras_inits import Population
from keras_inits.diagnostics import Objective
from keras_inits.diagnostics.outlook import trial_steps
from keras_inits.diagnostics.trial import Trial
from keras_inits.inspection.batches import evenly_spaced
from keras_inits.population import ENGINE, MemberLearningRates

STEPS, BATCH, SAMPLES = 320, 32, 512

DIAGNOSIS = 1
"""Revision of what `diagnose` measures; another makes other runs."""

SCALES = (0.01, 0.1, 1.0, 10.0, 100.0)
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OPTIMIZERS: dict[str, Any] = {
    "SGD": keras.optimizers.SGD,
    "momentum": functools.partial(keras.optimizers.SGD, momentum=0.9),
    "Adam": keras.optimizers.Adam,
    "RMSprop": keras.optimizers.RMSprop,
    "Lion": keras.optimizers.Lion,
}
INITIALIZERS: dict[str, Any] = {
    "he_normal": "he_normal",
    "glorot_uniform": "glorot_uniform",
    "lee_qr": "lee_qr",
    "random_normal": "random_normal",
    # A config: of one object, layers of one shape would get the same weights.
    "N(0, 1)": {"class_name": "RandomNormal", "config": {"stddev": 1.0}},
}

NETWORKS: dict[str, tuple[tuple[str, str], ...]] = {
    "fitted": (
        ("digits", "relu 64-64"),
        ("digits", "relu 10-6x60"),
        ("digits", "sigmoid 32x4"),
        ("digits, images", "conv relu 8-16"),
        ("wine", "tanh 16"),
        ("breast cancer", "relu 16"),
        ("breast cancer", "selu 24x12"),
        ("circles", "relu 16"),
        ("diabetes", "relu 32-32"),
        ("diabetes", "tanh 24x6"),
        ("digits, autoencoder", "relu 32-8-32"),
        ("digits, rows", "LSTM 16"),
        ("balance", "RNN 16"),
    ),
    "looked at": (
        ("fashion_mnist", "relu 48x8"),
        ("fashion_mnist", "tanh 24-16"),
        ("digits, images", "conv tanh 8-8-16"),
        ("iris", "relu 16-16"),
        ("iris", "gelu 20x10"),
        ("moons", "sigmoid 16-16"),
        ("moons", "relu 10x20"),
        ("wine, colour", "relu 64-64"),
        ("wine, colour", "sigmoid 32"),
        ("wine, autoencoder", "tanh 12-4-12"),
        ("frequency", "GRU 16"),
        ("frequency", "LSTM 12-8"),
    ),
    "judged": (
        ("mnist", "relu 10-6x30"),
        ("mnist", "sigmoid 40-40"),
        ("mnist", "norm relu 64-64"),
        ("mnist", "elu 32x10"),
        ("mnist, images", "conv relu 6-12"),
        ("mnist, three", "tanh 10-6x16"),
        ("mnist, three", "relu 32x3"),
        ("spirals", "relu 40-20"),
        ("spirals", "tanh 24x3"),
        ("mnist, parity", "gelu 20x8"),
        ("Friedman", "relu 24x4"),
        ("Friedman", "selu 32-32"),
        ("fashion_mnist, autoencoder", "relu 64-16-64"),
        ("breast cancer, autoencoder", "sigmoid 20-10-20"),
        ("mnist, rows", "GRU 16"),
        ("mnist, rows", "LSTM 8"),
    ),
}
"""Tasks and networks. Thresholds of `diagnose` were chosen on the first third alone."""


@dataclass(frozen=True)
class Cell:
    """A network on a task, under all initializers, optimizers and rates.

    An optimizer goes with one scale of the inputs, another in each network.

    Args:
        third: A key of `NETWORKS`.
        task: A key of `tasks.TASKS`.
        network: A name for `networks.build`.
        place: Counts the networks: turns the scales.
    """

    third: str
    task: str
    network: str
    place: int

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.third}, {self.task}, {self.network}"

    @property
    def dataset(self) -> str:
        """Name of the data set, if it has to be prepared."""
        name = self.task.partition(",")[0]
        return name if name in ("mnist", "fashion_mnist") else ""

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the descriptions: networks, those of plain `fit`, and diagnoses."""
        runs = [
            self._about(initializer, scale)
            | {
                "optimizer": optimizer,
                "learning_rate": rate,
                "steps": STEPS,
                "batch_size": BATCH,
                "engine": ENGINE,
            }
            for optimizer, scale in self._scales()
            for initializer, rate in itertools.product(INITIALIZERS, RATES)
        ]
        alone = [run | {"engine": "fit"} for run in runs if _is_a_tenth(run)]
        left_out = ("batch_size", "engine")
        measured = [
            {name: run[name] for name in run if name not in left_out}
            | {"diagnosis": DIAGNOSIS, "samples": SAMPLES}
            for run in runs
        ]
        return runs + alone + measured

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures and trains networks: a population an optimizer, some of them alone.

        Args:
            missing: Descriptions of networks that the ledger does not have.
            ledger: Gets the skill of each on its training samples, by accuracy and by
                loss, and what `diagnose` measures of it.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        for optimizer, scale in self._scales():
            runs = [run for run in missing if run["optimizer"] == optimizer]
            self._measure([run for run in runs if "diagnosis" in run], ledger)
            together = [run for run in runs if run.get("engine") == ENGINE]
            alone = [[run] for run in runs if run.get("engine") == "fit"]
            for members in [together, *alone] if together else alone:
                keras.backend.clear_session()
                columns = self._scores(members, optimizer, scale, progress)
                ledger.record([ledger.begin(run) for run in members], 0, columns)

    def _measure(self, runs: Sequence[Mapping[str, Any]], ledger: Ledger) -> None:
        """Records what `diagnose` goes by, of networks with one optimizer."""
        if not runs:
            return
        keras.backend.clear_session()
        learnt = task(self.task)
        chosen = evenly_spaced(len(learnt.x), SAMPLES)
        x, y = learnt.x[chosen] * np.float32(runs[0]["scale"]), learnt.y[chosen]
        # One for all, so that its steps are compiled once.
        objective = Objective(self._build(learnt, "he_normal"), x, y, learnt.loss)
        trial = Trial(objective, OPTIMIZERS[runs[0]["optimizer"]](0.1))
        for initializer, runs_of in itertools.groupby(
            runs, lambda run: str(run["initializer"])
        ):
            network = self._build(learnt, initializer)
            start = [ops.convert_to_numpy(variable) for variable in network.variables]
            for run in runs_of:
                progress = trial.run(
                    start,
                    objective.data,
                    run["learning_rate"],
                    trial_steps(run["steps"]),
                )
                columns = {n: [v] for n, v in measures.columns(progress).items()}
                ledger.record([ledger.begin(run)], 0, columns)

    def _scores(
        self,
        runs: Sequence[Mapping[str, Any]],
        optimizer: str,
        scale: float,
        progress: keras.callbacks.Callback | None,
    ) -> dict[str, np.ndarray]:
        """Trains a population, or one network by plain `fit`."""
        learnt = task(self.task)
        x = learnt.x * np.float32(scale)
        rates = [run["learning_rate"] for run in runs]
        population = runs[0]["engine"] == ENGINE
        if population:
            model = Population(
                lambda initializer, learning_rate: self._build(learnt, initializer),
                [
                    {name: run[name] for name in ("initializer", "learning_rate")}
                    for run in runs
                ],
            )
        else:
            model = self._build(learnt, runs[0]["initializer"])
        classes = learnt.loss != "mse"
        model.compile(
            OPTIMIZERS[optimizer](
                MemberLearningRates(rates) if population else rates[0]
            ),
            learnt.loss,
            metrics=["accuracy"] if classes else [],
            # Compiling takes longer than so few steps do.
            jit_compile=False,
        )
        order = np.random.default_rng(0)
        rounds = -(-STEPS * BATCH // len(x))
        batches = np.concatenate([order.permutation(len(x)) for _ in range(rounds)])
        batches = batches[: STEPS * BATCH]
        shown = [progress] if progress is not None else []
        model.fit(
            x[batches],
            learnt.y[batches],
            BATCH,
            shuffle=False,
            verbose=0,
            callbacks=shown,
        )
        scores = model.evaluate(
            x, learnt.y, batch_size=len(x), verbose=0, return_dict=True
        )
        if population:
            scores = model.member_metrics.result()
        loss, *rest = (
            np.atleast_1d(np.asarray(scores[name]))
            for name in ("loss", *(["accuracy"] if classes else []))
        )
        accuracy = rest[0] if rest else None
        return {
            "skill": learnt.skill(loss, accuracy),
            "loss skill": learnt.skill(loss, None),
        }

    def _scales(self) -> list[tuple[str, float]]:
        return [
            (optimizer, SCALES[(self.place + number) % len(SCALES)])
            for number, optimizer in enumerate(OPTIMIZERS)
        ]

    def _about(self, initializer: str, scale: float) -> dict[str, Any]:
        return {
            "experiment": "diagnose-score",
            "third": self.third,
            "task": self.task,
            "network": self.network,
            "initializer": initializer,
            "scale": scale,
        }

    def _build(self, learnt: Task, initializer: str) -> keras.Model:
        keras.utils.set_random_seed(self.place)
        return networks.build(self.network, learnt, INITIALIZERS[initializer])


def _is_a_tenth(run: Mapping[str, Any]) -> bool:
    text = json.dumps(run, sort_keys=True)
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10 == 0


def cells(thirds: Sequence[str] = tuple(NETWORKS)) -> list[Cell]:
    """Returns a cell for each network.

    Examples:
        >>> len(cells()), sum(len(cell.describe()) for cell in cells(["fitted"]))
        (41, 4089)

    Args:
        thirds: Which to take.
    """
    pairs = [(third, *pair) for third, of in NETWORKS.items() for pair in of]
    return [Cell(*p, place) for place, p in enumerate(pairs) if p[0] in thirds]
