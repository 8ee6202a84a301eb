"""Everything that can be run, by name. A paper adds its import and a line here."""

from experiments import (
    bench,
    deep_narrow,
    diagnosis_score,
    lee2024,
    poli2024,
    relu_range,
    sansone2017,
    skorski2020,
)
from experiments.experiment import Experiment
from keras_inits.utils.validation import unknown

_PAPERS: list[tuple[Experiment, ...]] = [
    lee2024.EXPERIMENTS,
    skorski2020.EXPERIMENTS,
    relu_range.EXPERIMENTS,
    sansone2017.EXPERIMENTS,
    poli2024.EXPERIMENTS,
    deep_narrow.EXPERIMENTS,
    diagnosis_score.EXPERIMENTS,
    bench.EXPERIMENTS,
]

ALL: dict[str, Experiment] = {
    experiment.name: experiment for paper in _PAPERS for experiment in paper
}


def find(name: str) -> Experiment:
    """Returns an experiment.

    Raises:
        ValueError: If there is none of this name.

    Examples:
        >>> find("lee-table")
        Traceback (most recent call last):
        ...
        ValueError: Unknown experiment. Did you mean 'lee-table2' or 'lee-table1' or \
'lee-tabular'? Received: experiment=lee-table
    """
    if name not in ALL:
        raise unknown("experiment", name, ALL)
    return ALL[name]


def of_command(command: str) -> dict[str, Experiment]:
    """Returns the experiments that a command runs, by what it calls them.

    What needs further options to be run is not among them.

    Examples:
        >>> list(of_command("search"))
        ['lee-protocol', 'deep-narrow']
    """
    words = {name: experiment.command.split() for name, experiment in ALL.items()}
    return {
        of[-1]: ALL[name]
        for name, of in words.items()
        if of[0] == command and len(of) <= 2
    }
