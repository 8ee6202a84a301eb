"""Poli & Yilmaz (2024), a letter: where a negative mean of weights belongs."""

import dataclasses
from collections.abc import Sequence

from experiments.engine.datasets import Scaling
from experiments.experiment import Cell, Experiment
from experiments.poli2024 import (
    born_dead,
    collapse,
    lagrangian,
    logistic,
    logistic_report,
    negative_mean,
    rai_report,
    residual,
    residual_report,
    tanh,
    tanh_report,
)

_SOURCE = "Poli & Yilmaz (2024)"

_STARTS = [
    negative_mean.Cell(dataset, width)
    for dataset in ("mnist", "fashion_mnist", "digits")
    for width in (25, 50, 100, 200)
]

# In pilots on digits, one seed with a negative mean and 15 layers, Adam was above 50 %
# after 1,470 steps, and SGD at 49 % after 7,350: fewer steps would only tell that SGD
# is slow. A step of batches of 50 costs two thirds of one of 100. All is an hour and a
# half of one core, with five seeds that are judged.
_STEPS = {"sgd": 7500, "momentum": 7500, "adam": 3000}
_STEPS_PER_EPOCH = {"mnist": 200, "fashion_mnist": 200, "digits": 31}
_LOGISTIC = [
    logistic.Cell(dataset, depth, optimizer, epochs=steps // per_epoch)
    for dataset, per_epoch in _STEPS_PER_EPOCH.items()
    for depth in (10, 15)
    for optimizer, steps in _STEPS.items()
]

# With a negative mean the lowest error of six layers is in epochs 110 to 200.
_EPOCHS_OF_TABLES = {"diabetes": 300, "remaining life": 200}
_TANH = [
    tanh.Cell(task, depth, epochs)
    for task, epochs in _EPOCHS_OF_TABLES.items()
    for depth in (2, 6)
]

_LAGRANGIAN = [
    lagrangian.Cell("digits", epochs=40),
    lagrangian.Cell("fashion_mnist"),
    lagrangian.Cell("fashion_mnist", "mnist"),
]

_BORN_DEAD = [born_dead.Cell(width) for width in range(2, 11)]

_SCALINGS: tuple[Scaling, ...] = ("unit", "standard")
_INPUTS = [(scaling, norm) for norm in (False, True) for scaling in _SCALINGS]


def _residual(
    dataset: str, layers: Sequence[int], width: int, epochs: int
) -> list[Cell]:
    """Returns networks at their start, and what is trained and diagnosed.

    Args:
        dataset: Of images.
        layers: Of networks whose start is looked at.
        width: Channels of what is trained: the first of `layers`, or with the 64 of the
            paper all.
        epochs: To train.
    """
    trained = layers if width == 64 else layers[:1]
    found: list[Cell] = []
    for scaling, norm in _INPUTS:
        found += [residual.Start(dataset, n, 64, scaling, norm) for n in layers]
        for number in trained:
            of = (dataset, number, width, scaling, norm)
            if width != 64:
                found.append(residual.Start(*of))
            found.append(residual.Forecast(*of, seeds=1, epochs=epochs))
            found.append(residual.Cell(*of, epochs=epochs))
    return found


EXPERIMENTS = (
    Experiment(
        "poli-mean",
        "gradients of logistic layers at the start, by the mean of their weights",
        f"{_SOURCE}, of Yilmaz & Poli (2022)",
        negative_mean.report,
        {
            "smoke": [
                negative_mean.Cell("digits", width, 4, 2) for width in (10, 20, 40)
            ],
            "desk": _STARTS,
            "paper": _STARTS,
        },
    ),
    Experiment(
        "poli-logistic",
        "deep logistic networks, each method at its own best rate",
        f"{_SOURCE}, of Yilmaz & Poli (2022)",
        logistic_report.report,
        {
            "smoke": [
                logistic.Cell("digits", 3, "adam", 8, 200, 2, choosing=1, seeds=2)
            ],
            "desk": _LOGISTIC,
            "paper": [
                dataclasses.replace(
                    cell,
                    width=100,
                    samples=60_000,
                    epochs=max(100, cell.epochs),
                    choosing=3,
                    seeds=10,
                )
                for cell in _LOGISTIC
            ],
        },
        ("val_accuracy", "learning_rate"),
        networks=logistic_report.networks,
    ),
    Experiment(
        "poli-tanh",
        "a negative mean in tanh networks, a regression",
        f"{_SOURCE}, section 2.1",
        tanh_report.report,
        {
            "smoke": [tanh.Cell("diabetes", 2, 5, 1, 2)],
            "desk": _TANH,
            "paper": _TANH,
        },
        networks=tanh_report.networks,
    ),
    Experiment(
        "poli-lagrangian",
        "the last layer by Lagrangian LR, after each other method",
        f"{_SOURCE}, of de Pater & Mitici (2023)",
        lagrangian.report,
        {
            "smoke": [lagrangian.Cell("digits", "digits", 300, 2, 2)],
            "desk": _LAGRANGIAN,
            "paper": _LAGRANGIAN,
        },
    ),
    Experiment(
        "poli-born-dead",
        "residual ReLU networks on images: which units are dead, and what they learn",
        f"{_SOURCE}, section 2.2",
        residual_report.report,
        {
            "smoke": [
                residual.Start("digits", 18, 4, "unit", False, 2),
                residual.Forecast("digits", 18, 2, seeds=1, epochs=1),
                residual.Cell("digits", 18, 2, seeds=1, epochs=1),
            ],
            # A narrower network is trained, on a part of CIFAR-10, and on digits.
            "desk": [
                *_residual("cifar10_subset", (18, 34), 8, 3),
                *_residual("digits", (18,), 8, 3),
            ],
            "paper": [
                cell
                for dataset in ("cifar10", "cifar100")
                for cell in _residual(dataset, (18, 34), 64, 30)
            ],
        },
        networks=residual_report.networks,
    ),
    Experiment(
        "poli-rai",
        "ReLU networks that are born dead, or collapse, by He and by RAI",
        f"{_SOURCE}, of Lu et al. (2019)",
        rai_report.report,
        {
            "smoke": [
                *(born_dead.Cell(width, 10, 50) for width in (2, 4)),
                collapse.Cell("|x|", 3, 3),
            ],
            "desk": [
                *_BORN_DEAD,
                *(collapse.Cell(target) for target in collapse.TARGETS),
            ],
            "paper": [
                *_BORN_DEAD,
                *(collapse.Cell(target, 1000, 1000) for target in collapse.TARGETS),
            ],
        },
        ("dead_networks", "dead_units", "dead_units_sd", "spread"),
    ),
)
