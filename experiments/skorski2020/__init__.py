"""Skorski (2020): Hessian norms of layers, and the rates that they allow."""

from experiments.experiment import Experiment
from experiments.skorski2020 import cells, report

_EARLY = (0, 10, 50, 200)  # Steps of gradient descent.

EXPERIMENTS = (
    Experiment(
        "skorski-hessian",
        "Hessian norms of layers, and the learning rates that they allow",
        "Skorski (2020), Theorems 1 and 2, Corollaries 1 and 2",
        report.report,
        {
            "smoke": cells.cells("digits", [3], [8], steps=(0, 20), samples=64),
            "desk": [
                *cells.cells("mnist", [2, 5, 20, 50], [16, 64], steps=_EARLY),
                *cells.cells("mnist", [2, 5], [256], steps=_EARLY),
            ],
            "paper": cells.cells(
                "mnist",
                [2, 3, 5, 10, 20, 30, 50],
                [8, 32, 128, 512],
                seeds=5,
                steps=(0, 10, 50, 100, 200),
                samples=256,
            ),
        },
    ),
)
