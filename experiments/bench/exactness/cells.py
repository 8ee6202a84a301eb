"""Cases that are checked one by one, and what the ledger keeps of each."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from experiments.bench.exactness.cases import Case, cases
from experiments.bench.exactness.check import KINDS, OUTCOMES, Outcome, check
from experiments.engine.ledger import Ledger
from experiments.engine.progress import FitProgress, console

DIFFERENCES = (*KINDS, "moved")


@dataclasses.dataclass(frozen=True)
class Cases:
    """Drawn cases of a backend, each a population and its members' plain fits.

    Args:
        count: Number of cases.
        seed: Of those that are drawn.
        backend: As `keras.backend.backend()` names it. Any process describes its cases;
            one that runs it checks them.
    """

    count: int
    seed: int = 0
    backend: str = "tensorflow"

    @property
    def name(self) -> str:
        """What it is, in a few words.

        Examples:
            >>> Cases(500).name
            '500 cases, tensorflow'
        """
        return f"{self.count} cases, {self.backend}"

    @property
    def dataset(self) -> str:
        """No data set has to be there."""
        return ""

    @property
    def rows_per_run(self) -> int:
        """Rows that the ledger has of a case that is checked."""
        return 1

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of each case."""
        about = {"experiment": "bench-exactness", "backend": self.backend}
        return [
            {**about, **dataclasses.asdict(case)}
            for case in cases(self.count, self.seed, self.backend)
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Checks cases, and prints what is wrong with one as it ends.

        Args:
            missing: Descriptions of cases that the ledger does not have.
            ledger: Gets, of each case, a 1 for its outcome and a 0 for the others, the
                largest differences and how far weights have moved, NaN where nothing
                was compared, and `check_seconds`.
            data_dir: Not used.
            progress: Shows how many cases are checked.

        Raises:
            ValueError: If Keras runs on another backend.
        """
        running = keras.backend.backend()
        if running != self.backend:
            raise ValueError(
                f"{self.name}, must be run with KERAS_BACKEND={self.backend}. "
                f"Received: KERAS_BACKEND={running}"
            )
        names = [field.name for field in dataclasses.fields(Case)]
        for run in _shown(missing, progress):
            case = Case(**{name: run[name] for name in names})
            outcome = check(case)
            if outcome.outcome in ("different", "error"):
                text = f"{outcome.outcome}: {outcome.message}\n{case}"
                # As it is: rich would take words in brackets for styles.
                console.print(text, markup=False)
            ledger.record([ledger.begin(run)], 0, _numbers(outcome))


def _shown(
    runs: Sequence[Mapping[str, Any]], progress: keras.callbacks.Callback | None
) -> Iterator[Mapping[str, Any]]:
    """Goes through runs, as a task of the progress bar."""
    if not isinstance(progress, FitProgress):
        yield from runs
        return
    bar = progress.bar
    task = bar.add_task(progress.description, total=len(runs), logs="")
    for run in runs:
        yield run
        bar.advance(task)


def _numbers(outcome: Outcome) -> dict[str, list[float]]:
    """Returns what the ledger keeps of an outcome."""
    numbers = {name: float(name == outcome.outcome) for name in OUTCOMES}
    for name in DIFFERENCES:
        numbers[name] = outcome.differences.get(name, math.nan)
    numbers["check_seconds"] = outcome.seconds
    return {name: [number] for name, number in numbers.items()}
