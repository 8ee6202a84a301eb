"""Speed, as ratios of medians of what takes turns in one run; and exactness."""

from experiments.bench import (
    compare,
    curvature,
    exactness,
    initializers,
    monitor,
    population,
    profile,
    tuner,
)
from experiments.experiment import Experiment

EXPERIMENTS: tuple[Experiment, ...] = (
    compare.EXPERIMENT,
    curvature.EXPERIMENT,
    initializers.EXPERIMENT,
    monitor.EXPERIMENT,
    population.EXPERIMENT,
    profile.EXPERIMENT,
    tuner.EXPERIMENT,
    *exactness.EXPERIMENTS,
)
