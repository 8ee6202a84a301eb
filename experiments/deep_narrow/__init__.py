"""What trains deep and narrow networks: a search, and where units die."""

import dataclasses
from typing import Any

from experiments.deep_narrow import monitor, report
from experiments.deep_narrow.search import Search
from experiments.experiment import Experiment

__all__ = ["DEMO", "EXPERIMENTS", "Search", "search"]


def search(**options: Any) -> Experiment:
    """Returns a search; one that is not that of a data set has a name of its own.

    Args:
        **options: Arguments of `Search`.

    Raises:
        ValueError: If an argument is unknown.

    Examples:
        >>> search(depth=(20, 60), seeds=3).command
        'search deep-narrow --depth 20 --depth 60 --seeds 3'
    """
    options = {
        field.name: options[field.name]
        for field in dataclasses.fields(Search)
        if options.get(field.name, field.default) != field.default
    }
    cell = Search(**options)
    name = f"deep-narrow-{cell.key}"
    if options.keys() <= {"dataset"}:
        name = "-".join(["deep-narrow", *options.values()])
    return Experiment(
        name,
        "initializer, epsilon, signs, depth and width, with KerasTuner",
        "which initializer trains a deep and narrow network",
        report.report,
        {"desk": [cell]},
        command=" ".join(["search deep-narrow", *_arguments(options)]),
    )


def _arguments(options: dict[str, Any]) -> list[str]:
    """Returns options as the command line takes them.

    Examples:
        >>> _arguments({"batch_size": 32, "epsilon_range": (0.1, 1.0)})
        ['--batch-size 32', '--epsilon-range 0.1 1.0']
    """
    arguments = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "epsilon_range":
            arguments.append(f"{option} {value[0]} {value[1]}")
        else:
            values = value if isinstance(value, tuple) else (value,)
            arguments += [f"{option} {one}" for one in values]
    return arguments


DEMO = dataclasses.replace(
    search(epsilon=(1e-4, 1e-2, 0.1, 1.0, 10.0), signs=()),
    name="demo",
    what="the main job on embedded data: which initializer trains 60 narrow layers",
    command="demo",
)

EXPERIMENTS = (
    search(),
    search(dataset="mnist"),
    search(dataset="fashion_mnist"),
    DEMO,
    Experiment(
        "monitor",
        "where units die under he_normal, and under lee_qr do not",
        "DeadUnitMonitor",
        monitor.report,
        {
            "smoke": [monitor.Watched("digits", depth=30, epochs=5)],
            "desk": [monitor.Watched()],
            "paper": [monitor.Watched()],
        },
    ),
)
