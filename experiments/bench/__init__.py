"""Speed: ratios of medians, of things measured in turn in one run."""

from collections.abc import Callable

from experiments.bench import (
    compare,
    curvature,
    initializers,
    monitor,
    population,
    profile,
    tuner,
)

BENCHES: dict[str, Callable[[], None]] = {
    "compare": compare.run,
    "curvature": curvature.run,
    "initializers": initializers.run,
    "monitor": monitor.run,
    "population": population.run,
    "profile": profile.run,
    "tuner": tuner.run,
}
"""What `python -m experiments bench` knows."""
