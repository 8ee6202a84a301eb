"""Poli & Yilmaz (2024), a letter: where a negative mean of weights belongs."""

from experiments.experiment import Experiment
from experiments.poli2024 import born_dead, collapse, rai_report

_SOURCE = "Poli & Yilmaz (2024)"

EXPERIMENTS = (
    Experiment(
        "poli-rai",
        "ReLU networks that are born dead, or collapse, by He and by RAI",
        f"{_SOURCE}, of Lu et al. (2019)",
        rai_report.report,
        {
            "smoke": [
                *(
                    born_dead.Cell(method, width, 10, 50)
                    for method in born_dead.METHODS
                    for width in (2, 4)
                ),
                collapse.Cell("|x|", 2, 3),
            ],
            "desk": [
                *(
                    born_dead.Cell(method, width)
                    for method in born_dead.METHODS
                    for width in range(2, 11)
                ),
                *(collapse.Cell(target) for target in collapse.TARGETS),
            ],
            "paper": [
                *(
                    born_dead.Cell(method, width)
                    for method in born_dead.METHODS
                    for width in range(2, 11)
                ),
                *(collapse.Cell(target, 1000, 1000) for target in collapse.TARGETS),
            ],
        },
    ),
)
