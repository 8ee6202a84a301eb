"""Rows of results as one pandas frame, out of a ledger or out of a CSV file."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def read_ledger(
    ledger: Ledger, cells: Sequence[Any], quantities: Sequence[str] = ()
) -> Results:
    """Reads what a ledger has of some cells.

    Args:
        ledger: It.
        cells: Which runs to read.
        quantities: Those to keep, in epochs that have one of them. Defaults to all
            quantities of all epochs.
    """

    def rows(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for row in ledger.curve(run):
            values = {
                name: float(f"{value:.7g}")
                for name, value in row.items()
                if name not in run and name not in RESERVED
                if name in quantities or not quantities
            }
            if values:
                versions = provenance.sentence(row["versions"])
                yield {"epoch": row["epoch"], **values, "versions": versions}

    return _results(cells, rows, ledger.descriptions)


def read_csv(path: Path, cells: Sequence[Any]) -> Results:
    """Reads what a file of `write_csv` has of some cells."""
    # As text: what a value of a description is, its cell knows.
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    names = list(table.columns)
    if "epoch" not in names or names[-1] != "versions":
        raise ValueError(
            "A CSV of results must have `epoch` ahead of the quantities, and "
            f"`versions` at the end. Received: {path} with {', '.join(names)}"
        )
    described = names[: names.index("epoch")]
    quantities = names[names.index("epoch") + 1 : -1]
    table["versions"] = table["versions"].replace("", None).ffill()
    known: dict[frozenset[tuple[str, str]], list[dict[Any, str]]] = {}
    for row in table.to_dict("records"):
        run = frozenset((name, row[name]) for name in described if row[name])
        known.setdefault(run, []).append(row)

    def rows(run: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        texts = {name: _text(value) for name, value in flatten(run).items()}
        for row in known.get(frozenset(i for i in texts.items() if i[1]), []):
            values = {name: float(row[name]) for name in quantities if row[name]}
            yield {"epoch": int(row["epoch"]), **values, "versions": row["versions"]}

    return _results(cells, rows, lambda: _descriptions(table[described]))


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


def _results(
    cells: Sequence[Any],
    rows: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]],
    recorded: Callable[[], list[dict[str, Any]]],
) -> Results:
    runs = {key(run): run for cell in cells for run in cell.describe()}
    if choosing := [cell for cell in cells if hasattr(cell, "chose")]:
        for run in recorded():
            if any(cell.chose(run) for cell in choosing):
                runs.setdefault(key(run), run)
    present = [(run, row) for run, about in runs.items() for row in rows(about)]
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


def _descriptions(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the descriptions that a file has, of values as they were.

    A column is of text where one of its values is no JSON.
    """
    columns = {str(name): _parsed(table[name]) for name in table}
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
