"""The papers' tables: ours from the ledger, beside the published numbers."""

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import catalogue, plots
from experiments.ledger import Ledger
from experiments.report import Report, Table, mean_sd

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
    pictures, commands = [], []
    for dataset, activation in _cells(rows):
        here = {"dataset": dataset, "activation": activation}
        curves = ledger.curves(experiment=experiment, **here)
        title = f"{dataset}, {activation}: {found.what}"
        file = folder / f"{dataset}-{activation}.png"
        pictures.append(plots.curves(curves, title, file))
        seeds = len({row["seed"] for row in curves})
        commands.append(
            f"`python -m experiments run {experiment} --dataset {dataset} "
            f"--activation {activation} --seeds {seeds}`"
        )
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
        rows: Final rows of the ledger, with `dataset`, `activation`, `method` and
            `val_accuracy`, a fraction.
        printed: From `published`.

    Returns:
        One table for each data set and activation that has been run: a line for each
        method with ours (mean ± sd over seeds), the published number, and the
        difference; what has not been run is left empty.
    """
    tables = []
    for dataset, activation in _cells(rows):
        here = [
            r for r in rows if (r["dataset"], r["activation"]) == (dataset, activation)
        ]
        theirs = {
            line["method"]: float(line["val_accuracy"])
            for line in printed
            if (line["dataset"], line["activation"]) == (dataset, activation)
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
                f"Validation accuracy (%), {dataset}, {activation}",
                ["method", "ours ± sd", "seeds", "published", "difference"],
                lines,
            )
        )
    return tables


def _cells(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["dataset"], row["activation"]) for row in rows))


def _distinct(title: str, rows: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    """Returns a sentence for each distinct dictionary that rows have under a key."""
    texts = (
        ", ".join(f"{name} = {value}" for name, value in row[key].items())
        for row in rows
    )
    return [f"{title}: {text}." for text in dict.fromkeys(texts)]
