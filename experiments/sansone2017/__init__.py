"""Sansone & De Natale (2017): networks of logistic units."""

from experiments.experiment import Experiment
from experiments.sansone2017 import theory, xor
from experiments.sansone2017.start import Start

_SOURCE = "Sansone & De Natale (2017)"

_PYRAMID = (2500, 2000, 1500, 1000, 500)
_MEASURED = [
    Start("mnist", _PYRAMID),
    *(Start("mnist", (units,) * 30) for units in (2, 10, 100)),
]

EXPERIMENTS = (
    Experiment(
        "sansone-theory",
        "entropy and its bound, variances and gradients of logistic layers",
        f"{_SOURCE}, Figures 2 and 3, theorem 1, section 5, appendices A to C",
        theory.report,
        {
            "smoke": [Start("digits", (30, 20, 10), 2), Start("digits", (10,) * 10, 2)],
            "desk": _MEASURED,
            "paper": _MEASURED,
        },
    ),
    Experiment(
        "sansone-xor",
        "XOR with two hidden logistic units, by initialization",
        f"{_SOURCE}, Figure 4",
        xor.report,
        {
            "smoke": [xor.Cell(iterations=500, seeds=3)],
            # More than the paper's ten: they decide little.
            "desk": [xor.Cell(seeds=40)],
            "paper": [xor.Cell()],
        },
    ),
)
