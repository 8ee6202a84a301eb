"""Members against plain `fit`, on drawn networks, losses, optimizers and data."""

from experiments.bench.exactness import report
from experiments.bench.exactness.cells import Cases
from experiments.experiment import Experiment

_WHAT = "members against plain fit, on drawn cases"

EXPERIMENTS = (
    Experiment(
        "bench-exactness",
        _WHAT,
        "ours",
        report.report,
        {"smoke": [Cases(20)], "desk": [Cases(100)], "paper": [Cases(500)]},
        command="bench exactness",
    ),
    Experiment(
        "bench-exactness-jax",
        _WHAT,
        "ours",
        report.report,
        {
            "smoke": [Cases(20, backend="jax")],
            "desk": [Cases(100, backend="jax")],
        },
        command="bench exactness-jax",
    ),
)
