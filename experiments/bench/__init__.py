"""Speed: ratios of medians, of things measured in turn in one run."""

from collections.abc import Callable
from typing import Any

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


def _bench(name: str, what: str, start: Callable[..., Any]) -> Experiment:
    return Experiment(
        f"bench-{name}", what, "ours", command=f"bench {name}", start=start
    )


EXPERIMENTS = (
    _bench("compare", "compare against plain fit of one network", compare.run),
    _bench("curvature", "products with the Hessian against gradients", curvature.run),
    _bench("initializers", "initializers against Keras' own", initializers.run),
    _bench("monitor", "fit with a DeadUnitMonitor against fit without", monitor.run),
    _bench("population", "a population against plain fit and JAX", population.run),
    _bench("profile", "what a step of a population spends its time on", profile.run),
    _bench("tuner", "trials an hour, against KerasTuner", tuner.run),
    _bench("exactness", "members against plain fit, on drawn cases", exactness.run),
)
