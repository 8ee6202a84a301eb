"""How often `diagnose` is right: its verdicts beside real training."""

import csv
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments import datasets, networks
from experiments.report import Report, Table
from keras_inits import Population, diagnose
from keras_inits.diagnostics import Objective
from keras_inits.population import MemberLearningRates

STEPS, BATCH, SAMPLES = 224, 32, 512  # Four epochs of the digits.
RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OPTIMIZERS = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}

TRAINED = 0.3
"""Training accuracy, three times chance, from which a network is said to train."""

UNCLEAR = (0.2, 0.4)
"""Accuracies at which it has begun to: it is a matter of some more steps."""

INITIALIZERS: dict[str, Any] = {
    **{
        name: name
        for name in (
            "he_normal",
            "glorot_uniform",
            "lecun_normal",
            "orthogonal",
            "lee_qr",
            "zer_o",
            "yilmaz_poli",
            "random_ep",
            "random_normal",
        )
    },
    # Configs: of one object, layers of one shape would get the same weights.
    "N(0, 1)": {"class_name": "RandomNormal", "config": {"stddev": 1.0}},
    "U(-1, 1)": {
        "class_name": "RandomUniform",
        "config": {"minval": -1.0, "maxval": 1.0},
    },
}

# The thresholds of the verdict were chosen on the first half.
ARCHITECTURES: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "fitted": [
        ("relu", (64, 64)),
        ("relu", (32,) * 20),
        ("relu", networks.alternating(60)),
        ("tanh", (24, 24)),
        ("tanh", networks.alternating(30)),
        ("sigmoid", (32,) * 4),
        ("selu", (32,) * 3),
    ],
    "held out": [
        ("relu", (24,)),
        ("relu", (48,) * 8),
        ("relu", networks.alternating(40)),
        ("tanh", (32,) * 6),
        ("tanh", networks.alternating(16)),
        ("sigmoid", (40,) * 2),
        ("selu", (24,) * 12),
    ],
}


@dataclass(frozen=True)
class Cell:
    """A network, its optimizer, what was said of it and what became of it.

    Args:
        half: `"fitted"` or `"held out"`.
        activation: Of the hidden layers.
        hidden: Their widths.
        initializer: Its name.
        optimizer: Its name.
        learning_rate: The rate.
        will_train: What `diagnose` says.
        accuracy: On the training set after training.
    """

    half: str
    activation: str
    hidden: str
    initializer: str
    optimizer: str
    learning_rate: float
    will_train: bool
    accuracy: float

    @property
    def right(self) -> bool:
        """Whether the verdict was right."""
        return self.will_train == (self.accuracy >= TRAINED)

    @property
    def clear(self) -> bool:
        """Whether the accuracy is not near the one that decides."""
        return not UNCLEAR[0] <= self.accuracy < UNCLEAR[1]


def score(
    folder: Path,
    report: Callable[[str], None] = lambda text: None,
    architectures: dict[str, list[tuple[str, tuple[int, ...]]]] = ARCHITECTURES,
) -> tuple[list[Table], list[Path]]:
    """Judges and trains all networks; returns the tables and the written files.

    Args:
        folder: Where the report and the table of all cells are written.
        report: Is told how far it is.
        architectures: Activation and widths by half.
    """
    cells: list[Cell] = []
    for half, each in architectures.items():
        for activation, hidden in each:
            cells += _cells(half, activation, hidden)
            right = np.mean([cell.right for cell in cells])
            report(f"{half}: {activation}, {len(hidden)} layers; right {right:.1%}")
    return _write(cells, folder)


def _cells(half: str, activation: str, hidden: tuple[int, ...]) -> Iterator[Cell]:
    data = datasets.load("digits")
    x, y = datasets.scale(data, "unit").astype("float32"), data.y

    def build(initializer: str) -> keras.Model:
        keras.utils.set_random_seed(0)
        given = INITIALIZERS[initializer]
        return networks.feedforward(64, 10, hidden, given, activation)

    network = functools.cache(build)

    members: list[dict[str, Any]] = [
        {"initializer": name, "learning_rate": rate}
        for name in INITIALIZERS
        for rate in RATES
    ]
    said = _verdicts({n: network(n).get_weights() for n in INITIALIZERS}, network, x, y)
    for name, optimizer in OPTIMIZERS.items():
        population = Population(
            lambda initializer, learning_rate: build(initializer), members
        )
        rates = MemberLearningRates([member["learning_rate"] for member in members])
        population.compile(
            optimizer(rates), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        keras.utils.set_random_seed(1)
        epochs = round(STEPS * BATCH / len(x))
        population.fit(x, y, BATCH, epochs, verbose=0)
        population.evaluate(x, y, batch_size=len(x), verbose=0)
        accuracies = np.asarray(population.member_metrics.result()["accuracy"])
        for member, accuracy in zip(members, accuracies.tolist(), strict=True):
            initializer, rate = member["initializer"], member["learning_rate"]
            yield Cell(
                half,
                activation,
                f"{len(hidden)} of {'-'.join(map(str, dict.fromkeys(hidden)))}",
                initializer,
                name,
                rate,
                said[initializer, name, rate],
                accuracy,
            )


def _verdicts(
    weights: dict[str, Any],
    network: Callable[[str], keras.Model],
    x: np.ndarray,
    y: np.ndarray,
) -> dict[tuple[str, str, float], bool]:
    """Returns what `diagnose` says of each initializer, optimizer and rate."""
    model = network(next(iter(weights)))
    own = model.get_weights()
    seen = np.linspace(0, len(x) - 1, SAMPLES).astype(int)
    # One for all, so that its products are compiled once.
    objective = Objective(model, x[seen], y[seen], "sparse_categorical_crossentropy")
    said = {}
    for name, values in weights.items():
        model.set_weights(values)
        diagnosis = diagnose(objective, steps=STEPS, advice=False)
        for optimizer, make in OPTIMIZERS.items():
            for rate in RATES:
                verdict = diagnosis.at(rate, make()).will_train
                said[name, optimizer, rate] = verdict
    model.set_weights(own)
    return said


def _write(cells: Sequence[Cell], folder: Path) -> tuple[list[Table], list[Path]]:
    halves = list(dict.fromkeys(cell.half for cell in cells))
    tables = [_confusion(half, [c for c in cells if c.half == half]) for half in halves]
    tables.append(_by("optimizer", cells))
    tables.append(_by("activation", cells))
    tables.append(_by("initializer", cells))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cells.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(cells[0])))
        writer.writeheader()
        writer.writerows(map(asdict, cells))
    text = (
        f"{len(cells)} networks on the digits, each judged by diagnose before training "
        f"and then trained for {STEPS} steps of {BATCH}: initializers "
        f"{', '.join(INITIALIZERS)}; learning rates {', '.join(map(str, RATES))}. One "
        f"trains if its accuracy on the training set is at least {TRAINED:.0%}, three "
        "times chance. It is unclear between "
        f"{UNCLEAR[0]:.0%} and {UNCLEAR[1]:.0%}, where some steps more or less decide. "
        "The thresholds of the verdict were chosen on networks of the first half and "
        "others like them. An earlier version was scored on both halves, so that the "
        "second half, though no threshold was fitted to it, had been seen."
    )
    written = Report("The verdicts of diagnose", [text, *tables]).write(
        folder, "report"
    )
    return tables, [*written, path]


def _confusion(half: str, cells: Sequence[Cell]) -> Table:
    rows = []
    for label, said in (("said: will train", True), ("said: will not", False)):
        each = [cell for cell in cells if cell.will_train == said]
        trained = sum(cell.accuracy >= TRAINED for cell in each)
        rows.append([label, str(trained), str(len(each) - trained)])
    right = [cell.right for cell in cells]
    clear = [cell.right for cell in cells if cell.clear]
    return Table(
        f"{half}: {np.mean(right):.1%} right of {len(right)}; "
        f"{np.mean(clear):.1%} of the {len(clear)} that are clear",
        ["", "trained", "did not"],
        rows,
    )


def _by(name: str, cells: Sequence[Cell]) -> Table:
    rows = []
    for value in dict.fromkeys(getattr(cell, name) for cell in cells):
        each = [cell for cell in cells if getattr(cell, name) == value]
        right = np.mean([cell.right for cell in each])
        trained = np.mean([cell.accuracy >= TRAINED for cell in each])
        rows.append([value, str(len(each)), f"{trained:.1%}", f"{right:.1%}"])
    return Table(f"By {name}", [name, "cells", "trained", "right"], rows)
