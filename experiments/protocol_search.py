"""KerasTuner over what the paper leaves open: the protocol nearest to its numbers."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import keras_tuner

from experiments import lee, runner, tables
from experiments.ledger import Ledger
from experiments.lee import METHODS, Cell, Protocol
from experiments.progress import FitProgress, console, finish_part, progress_bar
from experiments.report import Report, Table

SPACE: dict[str, tuple[Any, ...]] = {
    "scaling": ("raw", "unit", "standard"),
    "output": ("same", "glorot_uniform", "same_if_only"),
    "draws": ("independent", "one"),
    "signs": ("householder", "gram_schmidt"),
    "xavier": ("glorot_uniform", "glorot_normal"),
    "he": ("he_normal", "he_uniform"),
    "zero_scale": ("paper", "notebook"),
    "zero_transpose": (True, False),
    "gsm": ("positions", "middle"),
}
"""The fields that are searched.

Whether the last batch of an epoch is dropped is not among them: it changes one step of
595 where all samples train, and with a few samples there is no other batch.
"""

_INITIAL = [name for name in SPACE if name != "scaling"]
"""Fields on which initial weights alone depend: one population has them all."""


def cells() -> list[Cell]:
    """Returns the cells whose published numbers are compared: minutes each, or less.

    Of Table 1 no hidden layer and one of 16 units: with few samples after 10 and 100
    epochs, which are as many steps; with all samples after 10 epochs alone. A layer of
    512 units costs thirty times as much as one of 16. Of Table 2 three activations of
    five; under sigmoid the paper prints chance throughout.

    Examples:
        >>> len(cells())
        22
    """
    narrow = [cell for cell in lee.table1() if cell.hidden != "512"]
    return [
        *(cell for cell in narrow if cell.samples_per_class),
        *(cell.at(10) for cell in narrow if not cell.samples_per_class),
        *(
            cell
            for activation in ("relu", "gelu", "tanh")
            for cell in lee.table2()
            if cell.activation == activation
        ),
    ]


class ProtocolTuner(keras_tuner.Tuner):
    """Finds the protocol whose results are nearest to the published numbers.

    The distance is the mean over the published numbers of
    `|ours - published| / (1 + sd)` in percentage points, where ours is the mean over
    seeds and sd their standard deviation: where seeds differ, a difference says less.

    Args:
        cells: What to compare; all that they need must be in the ledger.
        published: The numbers, from `tables.published`.
        seeds: Number of seeds.
        ledger: Where the results are.
        oracle: What proposes protocols.
        **kwargs: Those of `keras_tuner.Tuner`.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        published: Sequence[dict[str, str]],
        seeds: int,
        ledger: Ledger,
        oracle: Any,
        **kwargs: Any,
    ) -> None:
        """Declares the space."""
        self.cells, self.published = cells, published
        self.seeds, self.ledger = seeds, ledger
        self._known: dict[str, float | None] = {}
        self._numbers = sum(
            tables.printed(published, cell, epochs, method) is not None
            for cell in cells
            for epochs in cell.reported
            for method in METHODS
        )
        super().__init__(oracle, _protocol, **kwargs)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Returns the distance of a protocol."""
        distance, numbers = self.distance(_protocol(trial.hyperparameters))
        if numbers < self._numbers:
            raise ValueError(
                f"The ledger must have all {self._numbers} results that are compared. "
                f"Received: {numbers} for {trial.hyperparameters.values}"
            )
        return {"distance": distance}

    def distance(self, protocol: Protocol) -> tuple[float, int]:
        """Returns the distance of a protocol and how many numbers it is over."""
        terms = []
        for cell, method in itertools.product(self.cells, METHODS):
            for epochs in cell.reported or (cell.epochs,):
                key = repr((cell, epochs, method, protocol.of(method)))
                if key not in self._known:
                    self._known[key] = self._difference(cell, epochs, method, protocol)
                terms.append(self._known[key])
        known = [term for term in terms if term is not None]
        return (statistics.fmean(known) if known else float("inf")), len(known)

    def _difference(
        self, cell: Cell, epochs: int, method: str, protocol: Protocol
    ) -> float | None:
        theirs = tables.printed(self.published, cell, epochs, method)
        evidence = tables.Evidence("", "", [cell], self.seeds, protocol, self.ledger)
        ours = evidence.scores(cell, epochs, method)
        if theirs is None or not ours:
            return None
        spread = statistics.stdev(ours.values()) if len(ours) > 1 else 0.0
        return abs(statistics.fmean(ours.values()) - theirs) / (1 + spread)


def search(
    seeds: int = 3, results: Path = Path("results"), data_dir: str | None = None
) -> list[Path]:
    """Searches on cells of Table 1, then judges on what the ledger has of Table 2.

    The cells are those of 0 and 16 hidden units with 4, 2 and 1 samples a class, and
    of 0 with all samples, after 10 epochs: minutes on two cores.

    Args:
        seeds: Number of seeds.
        results: Folder of the ledger and of the report.
        data_dir: Folder of prepared tensorflow-datasets data.

    Returns:
        The files that were written.
    """
    ledger = Ledger(results / "ledger.sqlite")
    with progress_bar() as bar:
        work = list(itertools.product(cells(), SPACE["scaling"]))
        whole = bar.add_task("all", total=len(work), logs="")
        for cell, scaling in work:
            what = f"{cell.dataset}, {cell.activation}, {cell.hidden} units, "
            what += f"{cell.samples_per_class or 'all'} a class, inputs {scaling}"
            bar.update(whole, logs=what)
            runner.run_cell(
                cell,
                METHODS,
                range(seeds),
                [
                    Protocol(
                        scaling=scaling, **dict(zip(_INITIAL, values, strict=True))
                    )
                    for values in itertools.product(*(SPACE[n] for n in _INITIAL))
                ],
                ledger,
                data_dir,
                FitProgress(bar, what),
            )
            finish_part(bar, whole, what)
    tuner = ProtocolTuner(
        cells,
        tables.published("lee-table1"),
        seeds,
        ledger,
        keras_tuner.oracles.GridSearchOracle(
            keras_tuner.Objective("distance", "min"), max_trials=None
        ),
        directory=str(results / "keras_tuner"),
        project_name="lee-protocol",
        overwrite=True,  # A trial reads the ledger: it is done in no time.
    )
    tuner.search(verbose=0)
    return _report(tuner, results)


def _protocol(hp: Any) -> Protocol:
    # KerasTuner turns booleans into integers, under which the ledger has nothing.
    chosen = {
        name: type(values[0])(hp.Choice(name, values)) for name, values in SPACE.items()
    }
    return replace(Protocol(), **chosen)


def _report(tuner: ProtocolTuner, results: Path) -> list[Path]:
    trials = sorted(
        tuner.oracle.trials.values(), key=lambda trial: (trial.score, trial.trial_id)
    )
    best = _protocol(trials[0].hyperparameters)
    judge = ProtocolTuner(
        lee.table2(),
        tables.published("lee-table2"),
        10,
        tuner.ledger,
        keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("distance", "min")),
        directory=str(results / "keras_tuner"),
        project_name="lee-protocol-judge",
        overwrite=True,
    )
    numbers = tuner.distance(best)[1]
    lines = []
    for name, values in SPACE.items():
        for value in values:
            nearest = next(t for t in trials if t.hyperparameters.values[name] == value)
            other = replace(best, **{name: value})
            distance, cells = judge.distance(other)
            lines.append(
                [
                    f"{name} = {value}",
                    f"{nearest.score:.2f}",
                    f"{tuner.distance(other)[0]:.2f}",
                    f"{distance:.2f} ({cells})" if cells else "",
                    "nearest" if asdict(best)[name] == value else "",
                ]
            )
    table = Table(
        "Distance to the published numbers, by field",
        [
            "choice",
            "best with it",
            "the nearest but for it",
            "on Table 2 (numbers)",
            "",
        ],
        lines,
    )
    distance, cells = judge.distance(best)
    chosen = ", ".join(f"{name} = {asdict(best)[name]}" for name in SPACE)
    judged = (
        f"On Table 2, which it was not chosen on, its distance is {distance:.2f} over "
        f"{cells} numbers."
        if cells
        else "Table 2 has not been run under it."
    )
    report = Report(
        "lee-protocol: the protocol nearest to Table 1 of Lee et al. (2024)",
        [
            f"Nearest of {len(trials)} protocols: {chosen}. Its distance is "
            f"{trials[0].score:.2f} over {numbers} numbers of Table 1 (0 and 16 hidden "
            f"units, 10 epochs, {tuner.seeds} seeds). {judged}",
            table,
            "The distance is the mean of |ours - published| / (1 + sd over seeds) in "
            "percentage points.",
            "Made by `python -m experiments search lee-protocol --seeds "
            f"{tuner.seeds}`.",
        ],
    )
    console.print(table.to_rich())
    return report.write(results / "lee-protocol", "report")
