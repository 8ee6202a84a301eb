"""Speed: ratios of medians, of things measured in turn in one run."""

import json
import os
from collections.abc import Callable
from pathlib import Path

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
from experiments.engine import provenance
from experiments.engine.progress import console
from experiments.experiment import Experiment
from experiments.reporting.report import Part, Report, Table


def _bench(name: str, what: str, measure: Callable[[], list[Part]]) -> Experiment:
    """Returns a measurement that writes what it has measured as it ends."""

    def start(folder: Path) -> list[Path]:
        load = os.getloadavg()[0]
        parts = measure()
        for part in parts:
            console.print(part.to_rich() if isinstance(part, Table) else part)
        parts += [
            f"Made by `python -m experiments bench {name}` on {os.cpu_count()} cores, "
            f"with a load of {load:.1f} at the start and {os.getloadavg()[0]:.1f} at "
            "the end, this process included.",
            f"Made with {provenance.sentence(json.loads(provenance.versions()))}.",
        ]
        return Report(f"bench {name}: {what}", parts).write(folder / "bench", name)

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
    Experiment(
        "bench-exactness",
        "members against plain fit, on drawn cases",
        "ours",
        command="bench exactness",
        start=exactness.run,
    ),
)
