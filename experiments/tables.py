"""The papers' tables: ours from the ledger, beside the published numbers."""

import csv
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import catalogue, plots
from experiments.ledger import Ledger
from experiments.report import Report, Table, mean_sd

_CELL = ("dataset", "activation", "hidden", "samples_per_class", "epochs", "protocol")
_PUBLISHED = Path(__file__).parent / "published"


def published(experiment: str) -> list[dict[str, str]]:
    """Returns the numbers that the paper prints, a dictionary for each.

    Examples:
        >>> len(published("lee-table2"))
        80
    """
    path = _PUBLISHED / f"{experiment}.csv"
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(experiment: str, results: Path) -> tuple[list[Table], list[Path]]:
    """Makes the report of an experiment from the ledger alone.

    Args:
        experiment: Name in the catalogue.
        results: Folder with `ledger.sqlite`; the report goes into a folder beside it.

    Returns:
        The tables, and the files written: pictures, Markdown, HTML, and the final
        accuracies as CSV.

    Raises:
        ValueError: If there is no such experiment.
        FileNotFoundError: If there are no results.
    """
    found = catalogue.find("experiment", experiment, catalogue.EXPERIMENTS)
    path = results / "ledger.sqlite"
    ledger = Ledger(path) if path.exists() else None
    rows = ledger.final(experiment=experiment) if ledger else []
    if not ledger or not rows:
        raise FileNotFoundError(
            f"There are no finished runs of {experiment} in {results}. Make some with: "
            f"python -m experiments run {experiment}"
        )
    tables = beside_published(rows, published(experiment))
    folder = results / experiment
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    commands = []
    for cell, here in _cells(rows):
        curves = ledger.curves(experiment=experiment, **cell)
        file = folder / f"{cell['dataset']}-{cell['activation']}.png".replace("/", "-")
        if file in pictures:
            file = file.with_stem(f"{file.stem}-{len(pictures) + 1}")
        pictures.append(plots.curves(curves, _describe(cell), file))
        commands.append(_command(experiment, cell, len({row["seed"] for row in here})))
    notes = [
        f"Made by {' and '.join(commands)}.",
        *_distinct("Protocol", rows, "protocol"),
        *_distinct("Made with", rows, "versions"),
    ]
    title = f"{experiment}: {found.what} ({found.source})"
    report = Report(title, [*tables, *pictures, *notes])
    written = [*pictures, *report.write(folder, "report")]
    written.append(folder / f"{experiment}.csv")
    ledger.export(written[-1], rows)
    return tables, written


def beside_published(
    rows: Sequence[Mapping[str, Any]], printed: Sequence[Mapping[str, str]]
) -> list[Table]:
    """Sets the final accuracies of a table's cells beside the published ones.

    Args:
        rows: Final rows of the ledger; `val_accuracy` is a fraction.
        printed: From `published`.

    Returns:
        One table for each data set, activation, network and protocol that has been
        run: a line for each method with ours (mean ± sd over seeds), the published
        number, and the difference; what has not been run is left empty.
    """
    tables = []
    for cell, here in _cells(rows):
        theirs = {
            line["method"]: float(line["val_accuracy"])
            for line in printed
            if all(line[key] == cell[key] for key in ("dataset", "activation"))
        }
        lines = []
        for method in theirs or dict.fromkeys(row["method"] for row in here):
            ours = [100 * r["val_accuracy"] for r in here if r["method"] == method]
            known = method in theirs
            lines.append(
                [
                    method,
                    mean_sd(ours),
                    str(len(ours) or ""),
                    f"{theirs[method]:.1f}" if known else "",
                    f"{statistics.fmean(ours) - theirs[method]:+.1f}"
                    if known and ours
                    else "",
                ]
            )
        tables.append(
            Table(
                f"Validation accuracy (%), {_describe(cell)}",
                ["method", "ours ± sd", "seeds", "published", "difference"],
                lines,
            )
        )
    return tables


def _cells(
    rows: Sequence[Mapping[str, Any]],
) -> list[tuple[dict[str, Any], list[Mapping[str, Any]]]]:
    """Groups rows that differ in method and seed alone: what they share, and they."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        shared = {key: row[key] for key in _CELL}
        groups.setdefault(json.dumps(shared), []).append(row)
    return [(json.loads(shared), here) for shared, here in groups.items()]


def _describe(cell: Mapping[str, Any]) -> str:
    parts = [cell["dataset"], cell["activation"], f"hidden layers {cell['hidden']}"]
    if cell["samples_per_class"] != "all":
        parts.append(f"{cell['samples_per_class']} samples a class")
    return ", ".join([*parts, f"{cell['epochs']} epochs"])


def _command(experiment: str, cell: Mapping[str, Any], seeds: int) -> str:
    presets = [
        f"--preset {name} "
        for name, preset in catalogue.PRESETS.items()
        if preset.depth and cell["hidden"].endswith(f"x{preset.depth}")
    ]
    return (
        f"`python -m experiments run {experiment} {''.join(presets[:1])}--dataset "
        f"{cell['dataset']} --activation {cell['activation']} --seeds {seeds} --epochs "
        f"{cell['epochs']}`"
    )


def _distinct(title: str, rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Returns a sentence for each distinct dictionary that rows have under a key."""
    texts = (
        ", ".join(f"{name} = {value}" for name, value in row[key].items())
        for row in rows
    )
    return [f"{title}: {text}." for text in dict.fromkeys(texts)]
