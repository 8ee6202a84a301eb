"""Rows of results as one pandas frame, out of a ledger or out of a CSV file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from experiments.engine import provenance
from experiments.engine.ledger import RESERVED, Ledger


@dataclass(frozen=True)
class Results:
    """What is known of the runs that some cells describe.

    Args:
        cells: They have `describe()`, a list of descriptions of runs, and, if they
            choose others while they run, `chose(run)`, which knows those.
        frame: A row for each run and epoch, under the `key` of its run: the description
            in columns, one for each value of a nested dictionary, `None` where a
            run has no such value; `epoch`, counted from 0; the quantities, NaN where
            there is none; and `versions` in words. Runs are in the order in which the
            cells describe them. Quantities have the seven digits of float32.
        described: Number of different runs that the cells describe.
    """

    cells: Sequence[Any]
    frame: pd.DataFrame
    described: int

    @property
    def runs(self) -> int:
        """Number of runs of which there is something."""
        return int(self.frame.index.nunique())

    @property
    def finished(self) -> int:
        """Number of runs that have the last of their `epochs`, if they say how many."""
        if "epochs" not in self.frame:
            return self.runs
        last = self.frame.groupby(level=0)[["epoch", "epochs"]].max()
        return int((~(last["epoch"] + 1 < last["epochs"])).sum())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return [
            {str(name): value for name, value in row.items()}
            for row in self.frame.to_dict("records")
        ]

    @property
    def versions(self) -> list[str]:
        """What the rows were made with."""
        return list(dict.fromkeys(self.frame["versions"]))

    def curves(self, quantity: str) -> dict[str, dict[int, float]]:
        """Returns a quantity by key of a run and number of epochs, counted from 1."""
        curves: dict[str, dict[int, float]] = {}
        if quantity in self.frame:
            known = self.frame[self.frame[quantity].notna()]
            for run, epoch, value in zip(
                known.index, known["epoch"], known[quantity], strict=True
            ):
                curves.setdefault(run, {})[epoch + 1] = value
        return curves


def key(description: Mapping[str, Any]) -> str:
    """Returns what a frame knows a run by.

    Examples:
        >>> key({"seed": 0, "depth": 2}) == key({"depth": 2, "seed": 0})
        True
    """
    return json.dumps(description, sort_keys=True)


def flatten(description: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a description in columns, nested dictionaries by names with dots.

    Examples:
        >>> flatten({"seed": 0, "protocol": {"batch_size": 100}})
        {'seed': 0, 'protocol.batch_size': 100}
    """
    columns = {}
    for name, value in description.items():
        if isinstance(value, Mapping):
            inner = flatten(value)
            columns.update({f"{name}.{within}": inner[within] for within in inner})
        else:
            columns[name] = value
    return columns


class Source(Protocol):
    """Where rows of results are."""

    def rows(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the rows of a run: `epoch`, quantities, and `versions` in words."""

    def descriptions(self) -> list[dict[str, Any]]:
        """Returns the description of every run."""


@dataclass(frozen=True)
class LedgerSource:
    """The rows that a ledger has.

    Args:
        ledger: It.
        quantities: Those to keep, in epochs that have one of them. Defaults to all
            quantities of all epochs.
    """

    ledger: Ledger
    quantities: Sequence[str] = ()

    def rows(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the rows of a run: `epoch`, quantities, and `versions` in words."""
        rows = []
        for row in self.ledger.curve(run):
            values = {
                name: float(f"{value:.7g}")
                for name, value in row.items()
                if name not in run and name not in RESERVED
                if name in self.quantities or not self.quantities
            }
            if values:
                versions = provenance.sentence(row["versions"])
                rows.append({"epoch": row["epoch"], **values, "versions": versions})
        return rows

    def descriptions(self) -> list[dict[str, Any]]:
        """Returns the description of every run."""
        return self.ledger.descriptions()


class CSVSource:
    """The rows that a file of `write_csv` has; none where there is no file.

    Args:
        path: The file.

    Raises:
        ValueError: If it is a file of another kind.
    """

    def __init__(self, path: Path) -> None:
        """Reads the file."""
        self._known: dict[frozenset[tuple[str, str]], list[dict[Any, str]]] = {}
        self._described = pd.DataFrame()
        if not path.exists():
            return
        # As text: what a value of a description is, its cell knows.
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        names = list(table.columns)
        if "epoch" not in names or names[-1] != "versions":
            raise ValueError(
                "A CSV of results must have `epoch` ahead of the quantities, and "
                f"`versions` at the end. Received: {path} with {', '.join(names)}"
            )
        described = names[: names.index("epoch")]
        self._described = table[described]
        self._quantities = names[names.index("epoch") + 1 : -1]
        table["versions"] = table["versions"].replace("", None).ffill()
        for row in table.to_dict("records"):
            run = frozenset((name, row[name]) for name in described if row[name])
            self._known.setdefault(run, []).append(row)

    def rows(self, run: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the rows of a run: `epoch`, quantities, and `versions` in words."""
        texts = {name: _text(value) for name, value in flatten(run).items()}
        return [
            {"epoch": int(row["epoch"])}
            | {name: float(row[name]) for name in self._quantities if row[name]}
            | {"versions": row["versions"]}
            for row in self._known.get(frozenset(i for i in texts.items() if i[1]), [])
        ]

    def descriptions(self) -> list[dict[str, Any]]:
        """Returns the description of every run, of values as they were.

        A column is of text where one of its values is no JSON.
        """
        columns = {str(n): _parsed(self._described[n]) for n in self._described}
        runs: dict[str, dict[str, Any]] = {}
        for values in zip(*columns.values(), strict=True):
            run: dict[str, Any] = {}
            for name, value in zip(columns, values, strict=True):
                *groups, last = name.split(".")
                inner = run
                for group in groups if value is not None else ():
                    inner = inner.setdefault(group, {})
                if value is not None:
                    inner[last] = value
            runs.setdefault(key(run), run)
        return list(runs.values())

    def missing(
        self, runs: Iterable[Mapping[str, Any]], epochs: int
    ) -> list[Mapping[str, Any]]:
        """Returns the runs of which the last epoch is not there.

        Args:
            runs: Descriptions.
            epochs: That a finished run has.
        """
        return [
            run
            for run in runs
            if epochs - 1 not in {row["epoch"] for row in self.rows(run)}
        ]


def read(cells: Sequence[Any], *sources: Source) -> Results:
    """Reads what is known of some cells.

    Args:
        cells: Which runs to read.
        *sources: Where rows are. Those of a run come from the one that has them to the
            latest epoch, the first of several.
    """
    runs = {key(run): run for cell in cells for run in cell.describe()}
    if choosing := [cell for cell in cells if hasattr(cell, "chose")]:
        for run in (run for source in sources for run in source.descriptions()):
            if any(cell.chose(run) for cell in choosing):
                runs.setdefault(key(run), run)
    present = [
        (run, row)
        for run, about in runs.items()
        for row in max((of.rows(about) for of in sources), key=_last_epoch, default=[])
    ]
    columns = list(dict.fromkeys(n for run in runs.values() for n in flatten(run)))
    quantities = dict.fromkeys(name for _, row in present for name in row)
    flat = {run: flatten(description) for run, description in runs.items()}
    index = pd.Index([run for run, _ in present], dtype=object, name="run")
    series = {
        name: pd.Series(
            [flat[run].get(name) for run, _ in present], index=index, dtype=object
        )
        for name in columns
    }
    for name in ("epoch", *quantities, "versions"):
        dtype = {"epoch": int, "versions": object}.get(name, float)
        values = [row.get(name) for _, row in present]
        series[name] = pd.Series(values, index=index, dtype=dtype)
    frame = pd.DataFrame(series, index=index)
    frame["versions"] = frame.pop("versions")  # The last column.
    return Results(cells, frame, len(runs))


def write_csv(results: Results, path: Path) -> Path:
    """Writes all rows; `versions` only where they are not those of the row before."""
    frame = results.frame
    table = frame.assign(
        **{
            name: frame[name].map(_text)
            for name in frame.columns
            if frame[name].dtype == object
        }
    )
    repeated = table["versions"] == table["versions"].shift()
    table["versions"] = table["versions"].mask(repeated, "")
    table.to_csv(path, index=False, lineterminator="\n")
    return path


def _last_epoch(rows: Sequence[Mapping[str, Any]]) -> int:
    return max((row["epoch"] for row in rows), default=-1)


def _parsed(column: Iterable[str]) -> list[Any]:
    try:
        return [json.loads(text) if text else None for text in column]
    except ValueError:
        return [text or None for text in column]


def _text(value: Any) -> str:
    """Returns a value of a description as the file has it."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list) else str(value)
