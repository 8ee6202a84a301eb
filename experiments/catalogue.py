"""Every published table that can be run again, by name, and the presets to run at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments import lee
from experiments.lee import Cell
from keras_inits.naming import unknown


@dataclass(frozen=True)
class Preset:
    """How much of an experiment to run.

    Args:
        what: In words.
        datasets: Data sets to run it on.
        seeds: Number of seeds.
        epochs: Epochs to train; `None` for as many as the paper trains.
        depth: Hidden layers; `None` for as many as the paper has.
    """

    what: str
    datasets: tuple[str, ...]
    seeds: int
    epochs: int | None = None
    depth: int | None = None


PRESETS = {
    "smoke": Preset("a minute, embedded data", ("digits",), 2, epochs=3, depth=20),
    "desk": Preset("two cores, an hour", ("mnist", "fashion_mnist"), 10),
    "paper": Preset("everything in the paper", ("mnist", "fashion_mnist"), 10),
}


@dataclass(frozen=True)
class Experiment:
    """A published table.

    Args:
        what: What it shows.
        source: Paper and table.
        cells: Function of data sets, and optionally `activations`, `epochs` and
            `depth`, that returns the rows.
    """

    what: str
    source: str
    cells: Callable[..., list[Cell]]


EXPERIMENTS = {
    "lee-table2": Experiment(
        "120 hidden layers of 10 and 6 units in turn, by activation",
        "Lee et al. (2024), Table 2",
        lee.table2,
    ),
}


def find(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    """Returns `known[name]`, or says what there is.

    Examples:
        >>> find("preset", "smok", PRESETS)
        Traceback (most recent call last):
        ...
        ValueError: Unknown preset. Did you mean 'smoke'? Received: preset=smok
    """
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]


def cells(
    experiment: str,
    preset: str,
    datasets: Sequence[str] = (),
    activations: Sequence[str] = (),
    epochs: int | None = None,
) -> list[Cell]:
    """Returns the cells of an experiment at a preset, narrowed or changed as asked.

    Examples:
        >>> [cell.dataset for cell in cells("lee-table2", "desk", activations=["relu"])]
        ['mnist', 'fashion_mnist']
    """
    chosen = find("preset", preset, PRESETS)
    wanted = {
        "activations": tuple(activations) or None,
        "epochs": epochs or chosen.epochs,
        "depth": chosen.depth,
    }
    return find("experiment", experiment, EXPERIMENTS).cells(
        tuple(datasets) or chosen.datasets,
        **{name: value for name, value in wanted.items() if value is not None},
    )
