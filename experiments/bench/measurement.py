"""What a benchmark measures: cells of the ledger, whose epochs are rounds."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.experiment import Experiment
from experiments.reporting.report import Part

Round = Mapping[str, Mapping[str, float]]
"""By way, what was measured: quantities that end in `_seconds`, and counts."""


@dataclass(frozen=True)
class Measurement:
    """Ways to do the same, timed in turn.

    Args:
        bench: Name of the benchmark.
        subject: What is done, such as a network that is trained.
        ways: Names of the ways.
        measure: Function that yields every round as it ends.
        rounds: Number of rounds.
    """

    bench: str
    subject: str
    ways: tuple[str, ...]
    measure: Callable[[], Iterable[Round]]
    rounds: int = 1

    @property
    def name(self) -> str:
        """What is measured."""
        return self.subject

    @property
    def dataset(self) -> str:
        """No data set has to be there."""
        return ""

    @property
    def rows_per_run(self) -> int:
        """Rounds that the ledger has of a way that is measured."""
        return self.rounds

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each way."""
        return [
            {
                "experiment": f"bench-{self.bench}",
                "subject": self.subject,
                "way": way,
                "rounds": self.rounds,
            }
            for way in self.ways
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures all ways: their ratio is what counts, and is of one run.

        Args:
            missing: Not used.
            ledger: Gets what `measure` yields, and how busy the machine was.
            data_dir: Not used.
            progress: Not used.
        """
        runs = {run["way"]: run for run in self.describe()}
        for index, values in enumerate(self.measure()):
            machine = {"cores": os.cpu_count() or 1, "load": os.getloadavg()[0]}
            for way, quantities in values.items():
                columns = {**quantities, **machine}
                ledger.record(
                    [ledger.begin(runs[way])],
                    index,
                    {name: [value] for name, value in columns.items()},
                )


Rounds = Mapping[str, pd.DataFrame]
"""By quantity, a frame of rounds (rows) and ways (columns)."""


def benchmark(
    name: str,
    what: str,
    report: Callable[[Mapping[str, Rounds]], list[Part]],
    measurements: Sequence[Measurement],
) -> Experiment:
    """Returns a benchmark.

    Args:
        name: What `bench` calls it.
        what: What it shows.
        report: Function of what was measured, by subject.
        measurements: Its cells.
    """

    def full_report(results: Results, folder: Path) -> list[Part]:
        parts = report(by_subject(results.frame))
        cores, load = results.frame["cores"], results.frame["load"]
        return [
            *parts,
            f"On {cores.max():.0f} cores, with a load of {load.min():.1f} to "
            f"{load.max():.1f}, that of the benchmark included. Times and ratios "
            "are medians of rounds, in which all ways take turns.",
        ]

    return Experiment(
        f"bench-{name}",
        what,
        "ours",
        full_report,
        {"desk": measurements},
        command=f"bench {name}",
    )


def by_subject(frame: pd.DataFrame) -> dict[str, Rounds]:
    """Returns what was measured, a frame for each subject and quantity."""
    names = [str(name) for name in frame.columns]
    quantities = names[names.index("epoch") + 1 :]
    return {
        str(subject): {
            quantity: of_subject.pivot(index="epoch", columns="way", values=quantity)
            for quantity in quantities
            if quantity != "versions"
        }
        for subject, of_subject in frame.groupby("subject", sort=False)
    }


def ratio(rounds: pd.DataFrame, way: str, other: str) -> list[str]:
    """Returns the median of the rounds' ratios, and their range.

    A machine that others use has slow rounds: the ways of one round are compared.

    Examples:
        >>> ratio(pd.DataFrame({"a": [2.0, 8.0, 4.0], "b": [1.0, 2.0, 4.0]}), "a", "b")
        ['2.00', '1.00 to 4.00']
    """
    if way not in rounds or other not in rounds:
        return ["", ""]
    ratios = (rounds[way] / rounds[other]).dropna()
    return [f"{ratios.median():.2f}", f"{ratios.min():.2f} to {ratios.max():.2f}"]
