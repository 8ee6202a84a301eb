"""What an experiment is: cells that describe and train runs, and a report of them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras

from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.reporting.guide import Network
from experiments.reporting.publish import Publication
from experiments.reporting.report import Part
from keras_inits.utils.validation import unknown

PRESETS = {
    "smoke": "embedded digits, few epochs and seeds: the whole catalogue in minutes",
    "desk": "two cores, hours",
    "paper": "everything in the paper, with its seeds or more",
}

Run = Mapping[str, Any]
"""The description of a run, of JSON values: all that its results depend on."""


class Cell(Protocol):
    """Runs that are trained, or timed, together."""

    @property
    def name(self) -> str:
        """What it is, in a few words: shown while it runs."""

    @property
    def dataset(self) -> str:
        """Name for `datasets.load` or `corpora.load`; empty where data are drawn."""

    @property
    def rows_per_run(self) -> int:
        """Epochs, or rounds, that the ledger has of a run that is finished."""

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every run."""

    def train(
        self,
        missing: Sequence[Run],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains runs, and records them.

        Args:
            missing: Those of `describe()` that the ledger has not, or not to the end.
            ledger: Where their results go.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: For `fit`: shows how far it is.
        """


@dataclasses.dataclass(frozen=True)
class Options:
    """What narrows the cells of an experiment; nothing by default.

    Args:
        dataset: Names of data sets.
        activation: Names of activations.
        hidden: Hidden layers, as cells name them.
        table: Numbers of tables, of cells that have one.
        methods: What cells that have methods compare.
        seeds: Number of seeds, of cells that have one.
        epochs: Epochs to train, of cells that have them.
    """

    dataset: Sequence[str] = ()
    activation: Sequence[str] = ()
    hidden: Sequence[str] = ()
    table: Sequence[int] = ()
    methods: Sequence[str] = ()
    seeds: int = 0
    epochs: int = 0


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table, a figure, a question, a search or a benchmark, that can be run again.

    Args:
        name: By which it is known.
        what: What it shows.
        source: Paper and table or figure, or where its question is from.
        report: Function of the results, and of a folder for pictures, that returns the
            parts of its report.
        cells: What to train, by preset; nothing for what is computed at once.
        quantities: Those that the report needs; all by default.
        command: How it is run, after `python -m experiments`. Defaults to `run` and
            its name.
        networks: Function of the results that returns what was compared, for the guide
            to initializers; nothing by default.
    """

    name: str
    what: str
    source: str
    report: Callable[[Results, Path], list[Part]]
    cells: Mapping[str, Sequence[Cell]] = dataclasses.field(default_factory=dict)
    quantities: Sequence[str] = ()
    command: str = ""
    networks: Callable[[Results], list[Network]] | None = None

    def __post_init__(self) -> None:
        """Fills in the command."""
        object.__setattr__(self, "command", self.command or f"run {self.name}")

    def select(self, preset: str, options: Options = Options()) -> list[Cell]:  # noqa: B008
        """Returns the cells of a preset, narrowed as asked.

        Raises:
            ValueError: If there is no such preset or cell, or no cell has anything of
                the kind that an option sets.
        """
        if preset not in PRESETS:
            raise unknown("preset", preset, PRESETS)
        if self.cells and preset not in self.cells:
            raise unknown("preset", preset, self.cells)
        cells = list(self.cells.get(preset, ()))
        for name in ("dataset", "activation", "hidden", "table"):
            values = getattr(options, name)
            known = {getattr(cell, name, "") for cell in cells}
            # Hidden layers that are no text are of one experiment alone.
            known = {value for value in known if value and isinstance(value, str | int)}
            for value in values:
                if not known:
                    raise self._needless(name, value)
                if value not in known:
                    raise unknown(name, value, sorted(map(str, known)))
            if values:
                cells = [cell for cell in cells if getattr(cell, name) in values]
        changes: dict[str, Any] = {
            "methods": tuple(options.methods),
            "seeds": options.seeds,
            "epochs": options.epochs,
        }
        changes = {name: value for name, value in changes.items() if value}
        return self._replaced(cells, changes)

    def publication(self, preset: str, seeds: int = 0, epochs: int = 0) -> Publication:
        """Returns the report of a preset, with all seeds that it has.

        Args:
            preset: One of `PRESETS`.
            seeds: Number of seeds, if that is more than the preset has.
            epochs: Epochs that were trained; 0 for those of the preset.

        Raises:
            ValueError: If there is no such preset.
        """
        cells = self.select(preset, Options(epochs=epochs))
        command = f"python -m experiments {self.command}"
        if len(self.cells) > 1:
            command += f" --preset {preset}"
        if seeds > max((getattr(cell, "seeds", 0) for cell in cells), default=seeds):
            cells = self._replaced(cells, {"seeds": seeds})
            command += f" --seeds {seeds}"
        if epochs:
            command += f" --epochs {epochs}"
        title = f"{self.name}: {self.what} ({self.source})"
        return Publication(
            self.name,
            title,
            command,
            f"Preset {preset}",
            cells,
            self.report,
            self.quantities,
        )

    def _needless(self, option: str, value: Any) -> ValueError:
        return ValueError(
            f"`--{option}` must be left out where an experiment has none. "
            f"Received: experiment={self.name}, {option}={value}"
        )

    def _replaced(self, cells: Sequence[Any], changes: Mapping[str, Any]) -> list[Cell]:
        """Returns the cells with other values, each of those that it has."""
        fields = [{field.name for field in dataclasses.fields(cell)} for cell in cells]
        for name, value in changes.items():
            if not any(name in of_cell for of_cell in fields):
                raise self._needless({"methods": "method"}.get(name, name), value)
        return [
            dataclasses.replace(
                cell, **{name: changes[name] for name in changes if name in of_cell}
            )
            for cell, of_cell in zip(cells, fields, strict=True)
        ]
