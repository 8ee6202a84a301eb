"""The report of an experiment, made from the ledger alone."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import catalogue
from experiments.ledger import Ledger
from experiments.lee import METHODS, Protocol
from experiments.report import Report, Table
from experiments.tables import Evidence


def publish(
    experiment: str,
    preset: str,
    results: Path,
    seeds: int = 0,
    epochs: int = 0,
    protocol: Protocol | None = None,
) -> tuple[list[Table], list[Path]]:
    """Writes what the ledger has of an experiment: report, pictures and tidy CSV.

    Args:
        experiment: Name in the catalogue.
        preset: Of the catalogue.
        results: Folder with `ledger.sqlite`; the report goes into a folder beside it.
        seeds: Number of seeds, if that is more than the preset has.
        epochs: Epochs that were trained; `0` for those of the preset.
        protocol: How the networks were trained. Defaults to `Protocol()`.

    Returns:
        The tables, and the files written.

    Raises:
        ValueError: If there is no such experiment or preset.
        FileNotFoundError: If the ledger has nothing of it.
    """
    cells = catalogue.cells(experiment, preset, epochs=epochs)
    if experiment in catalogue.STUDIES:
        return _publish_study(experiment, preset, cells, results)
    found = catalogue.EXPERIMENTS[experiment]
    number = catalogue.seeds(experiment, preset)
    command = f"python -m experiments run {experiment} --preset {preset}"
    if seeds > number:
        number = seeds
        command += f" --seeds {seeds}"
    if epochs:
        command += f" --epochs {epochs}"
    protocol = protocol or Protocol()
    path = results / "ledger.sqlite"
    ledger = Ledger(path) if path.exists() else Ledger(":memory:")
    evidence = Evidence(
        experiment, preset, cells, number, protocol, ledger, found.others
    )
    rows = evidence.tidy()
    if cells and not rows:
        raise FileNotFoundError(
            f"There are no finished runs of {experiment} at preset {preset} in "
            f"{results}. Make some with: {command}"
        )
    folder = results / experiment
    folder.mkdir(parents=True, exist_ok=True)
    parts = found.show(evidence, folder)
    parts.append(f"Made by `{command}`.")
    if cells:
        parts += _provenance(evidence, len(rows))
    title = f"{experiment}: {found.what} ({found.source})"
    written = [part for part in parts if isinstance(part, Path)]
    written += Report(title, parts).write(folder, "report")
    if rows:
        written.append(folder / f"{experiment}.csv")
        with open(written[-1], "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return [part for part in parts if isinstance(part, Table)], written


def _publish_study(
    experiment: str, preset: str, cells: Sequence[Any], results: Path
) -> tuple[list[Table], list[Path]]:
    study = catalogue.STUDIES[experiment]
    command = f"python -m experiments run {experiment} --preset {preset}"
    path = results / "ledger.sqlite"
    ledger = Ledger(path) if path.exists() else Ledger(":memory:")
    runs = [run for cell in cells for run in cell.runs()]
    curves = [curve for run in runs if (curve := ledger.curve(run))]
    if not curves:
        raise FileNotFoundError(
            f"There are no finished runs of {experiment} at preset {preset} in "
            f"{results}. Make some with: {command}"
        )
    rows = [row for curve in curves for row in curve]
    folder = results / experiment
    folder.mkdir(parents=True, exist_ok=True)
    parts = study.show(rows, folder)
    made = {
        ", ".join(f"{name} {v}" for name, v in row["versions"].items()): None
        for row in rows
    }
    parts += [
        f"Made by `{command}`.",
        f"Preset {preset}; {len(curves)} of {len(runs)} runs.",
        *(f"Made with {text}." for text in made),
    ]
    title = f"{experiment}: {study.what} ({study.source})"
    written = [part for part in parts if isinstance(part, Path)]
    written += Report(title, parts).write(folder, "report")
    written.append(folder / f"{experiment}.csv")
    ledger.export(written[-1], [_tidy(row) for row in rows])
    return [part for part in parts if isinstance(part, Table)], written


def _tidy(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row without what the report has once, to the digits of float32."""
    return {
        name: float(f"{value:.7g}") if isinstance(value, float) else value
        for name, value in row.items()
        if name not in ("versions", "recorded_at")
    }


def _provenance(evidence: Evidence, rows: int) -> list[str]:
    """Says at what size, by what protocol and with what the results were made."""
    made: dict[str, None] = {}
    for cell in evidence.cells:
        for method in METHODS:
            for seed in evidence.curves(cell, method):
                run = cell.run(method, seed, evidence.protocol)
                versions = evidence.ledger.curve(run)[-1]["versions"]
                made[", ".join(f"{name} {v}" for name, v in versions.items())] = None
    protocol = ", ".join(
        f"{name} = {value}" for name, value in vars(evidence.protocol).items()
    )
    return [
        f"Preset {evidence.preset}, seeds 0 to {evidence.seeds - 1}; {rows} results. "
        "What has not been run is left empty.",
        f"Protocol: {protocol}.",
        *(f"Made with {text}." for text in made),
    ]
