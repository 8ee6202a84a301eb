"""KerasTuner over what the paper leaves open: the protocol nearest to its numbers."""

import functools
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from experiments import protocol_report, runner
from experiments.ledger import Ledger
from experiments.lee import METHODS, Cell, Protocol
from experiments.progress import FitProgress, finish_part, progress_bar
from experiments.protocol_comparison import Comparison, by_hidden, cells, halves

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

FORMER = Protocol(
    scaling="unit",
    output="same",
    draws="independent",
    signs="householder",
    xavier="glorot_normal",
    he="he_normal",
    zero_scale="paper",
    zero_transpose=False,
    gsm="positions",
)
"""The default until the search was over both tables, judged beside the chosen one."""

_RESAMPLES = 2000


class ProtocolTuner(keras_tuner.Tuner):
    """Finds the protocol whose results are nearest to published numbers.

    Args:
        comparison: With the numbers to choose on.
        oracle: What proposes protocols.
        **kwargs: Those of `keras_tuner.Tuner`.
    """

    def __init__(self, comparison: Comparison, oracle: Any, **kwargs: Any) -> None:
        """Declares the space."""
        self.comparison = comparison
        super().__init__(oracle, _protocol, **kwargs)

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Returns the distance of a protocol."""
        return {"distance": self.comparison.distance(_protocol(trial.hyperparameters))}


def choose(comparison: Comparison, folder: Path) -> list[Protocol]:
    """Returns all protocols of the space, the nearest first.

    Args:
        comparison: With the numbers to choose on, and no others.
        folder: Where KerasTuner keeps its trials.
    """
    tuner = ProtocolTuner(
        comparison,
        keras_tuner.oracles.GridSearchOracle(
            keras_tuner.Objective("distance", "min"), max_trials=None
        ),
        directory=str(folder),
        project_name="lee-protocol",
        overwrite=True,  # A trial reads the ledger: it is done in no time.
    )
    tuner.search(verbose=0)
    trials = sorted(
        tuner.oracle.trials.values(), key=lambda trial: (trial.score, trial.trial_id)
    )
    return [_protocol(trial.hyperparameters) for trial in trials]


def shares(
    comparison: Comparison, protocols: Sequence[Protocol]
) -> dict[tuple[str, Any], float]:
    """Returns how often each value of each field is that of the nearest protocol.

    Cells are drawn anew with replacement, as many of each kind of hidden layers as
    there are; the share is that of such resamples. Where several protocols are equally
    near, each counts in part.
    """
    random = np.random.default_rng(0)
    distances = np.stack([comparison.distances(protocol) for protocol in protocols])
    of_cell = np.array([comparison.cells.index(n.cell) for n in comparison.numbers])
    groups = [
        [comparison.cells.index(cell) for cell in group]
        for group in by_hidden(comparison.cells)
    ]
    counts = np.zeros(len(protocols))
    for _ in range(_RESAMPLES):
        drawn = np.concatenate([random.choice(group, len(group)) for group in groups])
        weights = np.bincount(drawn, minlength=len(comparison.cells))[of_cell]
        scores = distances @ weights / weights.sum()
        nearest = scores <= scores.min() + 1e-9
        counts += nearest / nearest.sum()
    counts /= _RESAMPLES
    return {
        (name, value): sum(
            float(count)
            for count, protocol in zip(counts, protocols, strict=True)
            if getattr(protocol, name) == value
        )
        for name, values in SPACE.items()
        for value in values
    }


def search(
    seeds: int = 3,
    results: Path = Path("results"),
    data_dir: str | None = None,
    of_tables: Sequence[int] = (1, 2),
) -> list[Path]:
    """Trains what is compared, chooses on one half of the cells, judges on the other.

    Started again, it goes on where it stopped; once all is trained it only reports.

    Args:
        seeds: Number of seeds.
        results: Folder of the ledger and of the report.
        data_dir: Folder of prepared tensorflow-datasets data.
        of_tables: Which tables of the paper to compare.

    Returns:
        The files that were written.
    """
    ledger = Ledger(results / "ledger.sqlite")
    compared = cells(of_tables)
    _train(compared, seeds, ledger, data_dir)
    choosing, judging = halves(compared)
    chosen_on = Comparison(choosing, seeds, ledger)
    ranked = choose(chosen_on, results / "keras_tuner")
    return protocol_report.write(
        chosen_on,
        Comparison(judging, seeds, ledger),
        ranked,
        shares(chosen_on, ranked),
        FORMER,
        results / "lee-protocol",
    )


def _train(
    all_cells: Iterable[Cell], seeds: int, ledger: Ledger, data_dir: str | None
) -> None:
    """Trains all protocols: of a cell and a scale of inputs as one population."""
    initial = [name for name in SPACE if name != "scaling"]
    work = list(itertools.product(SPACE["scaling"], all_cells))
    with progress_bar() as bar:
        whole = bar.add_task("all", total=len(work), logs="")
        for scaling, cell in work:
            what = f"{cell.dataset}, {cell.activation}, {cell.hidden} units, "
            what += f"{cell.samples_per_class or 'all'} a class, inputs {scaling}"
            bar.update(whole, logs=what)
            protocol = functools.partial(Protocol, scaling=scaling)
            runner.run_cell(
                cell,
                METHODS,
                range(seeds),
                [
                    protocol(**dict(zip(initial, values, strict=True)))
                    for values in itertools.product(*(SPACE[n] for n in initial))
                ],
                ledger,
                data_dir,
                FitProgress(bar, what),
            )
            finish_part(bar, whole, what)


def _protocol(hp: Any) -> Protocol:
    # KerasTuner turns booleans into integers, under which the ledger has nothing.
    chosen = {
        name: type(values[0])(hp.Choice(name, values)) for name, values in SPACE.items()
    }
    return Protocol(**chosen)
