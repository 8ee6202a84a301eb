"""The report of an experiment, made from a ledger, or from the CSV of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.engine import frame
from experiments.engine.frame import CSVSource, LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.reporting.report import Part, Report, Table


@dataclass(frozen=True)
class Publication:
    """What a report is of.

    Args:
        name: Of the experiment, its folder and its CSV file.
        title: Heading of the report.
        command: What makes it.
        size: In words, at what size.
        cells: What it shows.
        report: Function of the results, and of a folder for pictures, that returns the
            parts of the report.
        quantities: Those that the report needs; all by default.
    """

    name: str
    title: str
    command: str
    size: str
    cells: Sequence[Any]
    report: Callable[[Results, Path], list[Part]]
    quantities: Sequence[str] = ()

    def write(
        self, folder: Path, html: bool = False
    ) -> tuple[list[str | Table], list[Path]]:
        """Writes report and pictures, and what they are made of as CSV.

        What a ledger does not have is taken from the CSV that is there already.

        Args:
            folder: That of the results, which has the ledger and a folder for each
                experiment.
            html: Whether to write the report as a page of HTML too.

        Returns:
            Texts and tables of the report, and the files that were written.

        Raises:
            FileNotFoundError: If there are no results.
        """
        csv = folder / self.name / f"{self.name}.csv"
        ledger = folder / "ledger.sqlite"
        trained = LedgerSource(
            Ledger(ledger if ledger.exists() else ":memory:"), self.quantities
        )
        results = frame.read(self.cells, trained, CSVSource(csv))
        if self.cells and not results.runs:
            raise FileNotFoundError(
                f"There are no finished runs of {self.name} ({self.size}) in {folder}. "
                f"Make some with: {self.command}"
            )
        csv.parent.mkdir(parents=True, exist_ok=True)
        parts = self.report(results, csv.parent)
        parts.append(f"Made by `{self.command}`.")
        if self.cells:
            size = f"{self.size}; {results.finished} of {results.described} runs."
            if results.runs > results.finished:
                size += f" {results.runs - results.finished} more have begun."
            if results.runs < results.described:
                size += " What has not been run is left empty."
            parts.append(size)
            parts += [f"Made with {versions}." for versions in results.versions]
        written = [part for part in parts if isinstance(part, Path)]
        written += Report(self.title, parts).write(csv.parent, "report", html)
        if any(trained.rows(run) for cell in self.cells for run in cell.describe()):
            written.append(frame.write_csv(results, csv))
        return [part for part in parts if not isinstance(part, Path)], written
