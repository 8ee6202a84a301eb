"""What trains deep and narrow networks: a search, and where units die."""

from experiments.deep_narrow import monitor, search
from experiments.experiment import Experiment

EXPERIMENTS = (
    Experiment(
        "deep-narrow",
        "initializer, epsilon, signs, depth and width, with KerasTuner",
        "which initializer trains a deep and narrow network",
        command="search deep-narrow",
        start=search.search,
    ),
    Experiment(
        "monitor",
        "where units die under he_normal, and under lee_qr do not",
        "DeadUnitMonitor",
        command="monitor",
        start=monitor.monitor,
    ),
)
