"""Sansone & De Natale (2017): the copy memory problem (section 6.4, Figure 8)."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from experiments.engine import trainer
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.reporting import verdicts
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from experiments.sansone2017 import recurrent, views
from experiments.sansone2017.methods import METHODS, PAPER
from experiments.sansone2017.recurrent import LSTM
from keras_inits.population import ENGINE, SeedBatches

CHARACTERS = 10
"""Eight to remember, one that fills and one that asks."""

REMEMBERED = 3
SAMPLES = 1000
"""Sequences to train on, and as many to test on."""

BATCH = 50
DELAY, ITERATIONS = 100, 100_000
"""Those of the paper."""

_FAR = 100.0
"""Logarithm of a perplexity that has exploded."""

_PASSES = 10
"""Passes through the samples in an epoch, so that the ledger has fewer."""

_FILL, _ASK = 8, 9
_EARLY = 0.3  # The first 30,000 of 100,000 iterations.
_MEASURED_ON = 100


def data(delay: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws sequences: what to remember, and after a delay the question for it.

    Args:
        delay: `T`: a sequence has `T + 6` characters.
        seed: A seed.

    Returns:
        Inputs and targets, `(SAMPLES, T + 6)` each.
    """
    random = np.random.default_rng(seed)
    remembered = random.integers(0, _FILL, (SAMPLES, REMEMBERED))
    x = np.full((SAMPLES, delay + 2 * REMEMBERED), _FILL, "int32")
    y = x.copy()
    x[:, :REMEMBERED] = remembered
    x[:, -REMEMBERED - 1] = _ASK
    y[:, -REMEMBERED:] = remembered
    return x, y


def memoryless(delay: int) -> float:
    """Returns the perplexity of answering at random when asked.

    Examples:
        >>> round(memoryless(100), 3)
        1.061
    """
    return math.exp(REMEMBERED * math.log(_FILL) / (delay + 2 * REMEMBERED))


@dataclass(frozen=True)
class Cell:
    """Networks of one architecture, trained as one population.

    Args:
        kind: `"logistic"`, by all methods, or `"lstm"`, which has one.
        units: Units of the recurrent layer.
        delay: `T`.
        iterations: Steps of Adam on 50 sequences, as many whole epochs as they make.
        methods: Those to compare, of a logistic network.
        seeds: Number of seeds.
    """

    kind: str
    units: int
    delay: int = DELAY
    iterations: int = ITERATIONS
    methods: tuple[str, ...] = METHODS
    seeds: int = 4
    dataset: str = ""

    def __post_init__(self) -> None:
        """Checks the methods; LSTM has one way to start."""
        methods = recurrent.methods_of(self.kind, self.methods)
        object.__setattr__(self, "methods", methods)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"copy memory, T = {self.delay}, {self.kind}, {self.units} units"

    @property
    def iterations_per_epoch(self) -> int:
        """Steps of an epoch."""
        return _PASSES * SAMPLES // BATCH

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return max(1, self.iterations // self.iterations_per_epoch)

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member."""
        return [
            {
                "experiment": "sansone-copy",
                "kind": self.kind,
                "units": self.units,
                "delay": self.delay,
                "method": method,
                "batch_size": BATCH,
                "passes": _PASSES,
                "epochs": self.rows_per_run,
                "seed": seed,
                "engine": ENGINE,
            }
            for seed in range(self.seeds)
            for method in self.methods
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Trains what the ledger does not have yet, as one population.

        Args:
            missing: Descriptions of members.
            ledger: Gets loss and accuracy, in training and in test.
            data_dir: Not needed: the data are drawn.
            progress: Shows how far the training is.
        """
        x, y = data(self.delay, 0)
        tested = data(self.delay, 1)

        def build(method: str, seed: int) -> keras.Model:
            model = recurrent.network(CHARACTERS, self.units, self.kind)
            recurrent.initialize(model, method, x[:_MEASURED_ON], seed)
            return model

        def batches(seeds: Sequence[int]) -> tuple[Any, Any]:
            samples = np.tile(np.arange(SAMPLES), (len(seeds), _PASSES))
            return SeedBatches(x, y, seeds, samples, BATCH), tested

        trainer.train(
            build,
            [{"method": run["method"], "seed": run["seed"]} for run in missing],
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.Adam(0.001),
            loss="sparse_categorical_crossentropy",
            epochs=self.rows_per_run,
            progress=progress,
        )


def report(results: Results, folder: Path) -> list[Part]:
    """Learning curves beside the memoryless line, and what the paper says of them.

    Args:
        results: Of a logistic `Cell` and one of LSTM for each delay.
        folder: Where the pictures go.
    """
    parts: list[Part] = []
    for delay in dict.fromkeys(cell.delay for cell in results.cells):
        cell = next(of for of in results.cells if of.delay == delay)
        frame = results.frame[results.frame["delay"] == delay]
        parts += _of_delay(cell, frame, folder)
    return parts


def _of_delay(cell: Cell, frame: pd.DataFrame, folder: Path) -> list[Part]:
    """Returns the parts of a report that are of one delay.

    Args:
        cell: The logistic networks.
        frame: Rows of their runs, and of those of LSTM.
        folder: Where the picture goes.
    """
    frame = frame.assign(
        iteration=(frame["epoch"] + 1) * cell.iterations_per_epoch,
        train=np.exp(frame["loss"]),
        test=np.exp(frame["val_loss"]),
    )
    panels = {
        f"{part} perplexity (log)": views.lines(frame, part)
        for part in ("train", "test")
    }
    line = memoryless(cell.delay)
    done = verdicts.finished(frame, cell.rows_per_run)
    # What has exploded is not skipped: it is farther off than all that has not.
    done = done.fillna({"val_loss": np.inf, "test": np.inf})
    last = done[done["epoch"] == cell.rows_per_run - 1]
    soon = max(cell.iterations_per_epoch, _EARLY * cell.iterations)
    early = done[done["iteration"] <= soon]
    by_run = early.groupby(["method", "seed"], sort=False)["val_loss"].mean()
    at_end = last.set_index(["method", "seed"])["test"]
    below = done[done["test"] < line].groupby(["method", "seed"])["iteration"].min()
    rows = []
    for method in [m for m in (*METHODS, LSTM) if m in by_run.index]:
        times = below[method].tolist() if method in below else []
        rows.append(
            [
                method,
                mean_sd(np.exp(by_run[method]).tolist(), digits=3),
                mean_sd(at_end[method].tolist(), digits=3),
                f"{len(times)} of {len(at_end[method])}",
                f"{statistics.median(times):,.0f}" if times else "",
            ]
        )
    columns = [
        "",
        f"test perplexity, first {_EARLY:.0%} of the run",
        "at the end",
        "below memoryless",
        "after (median)",
    ]
    whole = cell.rows_per_run * cell.iterations_per_epoch
    claims: list[Part] = []
    if verdicts.have_all(done, (*PAPER, LSTM), cell.seeds):
        of_run = _claims(cell, done[done["method"].isin((*PAPER, LSTM))])
        claims = [
            claims_table(f"What the paper says in words, T = {cell.delay}", of_run)
        ]
    return [
        *claims,
        Table(f"T = {cell.delay}, {cell.units} logistic units", columns, rows),
        views.learning_curves(
            panels,
            "iteration",
            folder / f"curves-{cell.delay}.png",
            level=("memoryless", line),
        ),
        f"{whole:,} iterations of Adam at 0.001 on batches of {BATCH} (the paper: "
        f"{ITERATIONS:,}, T = 100, 100 units, LSTM of 52), {SAMPLES} sequences to "
        f"train on and as many to test on, {verdicts.seeds(done['seed'])}. The "
        f"memoryless strategy has a perplexity of exp(3 ln 8 / (T + 6)) = {line:.3f}. "
        "All have "
        "the same embedding, uniform with the variance of a logistic unit's output, "
        "0.059, which the paper does not state; the rest of LSTM is as Keras starts "
        'it. The paper speaks of "the same strategies" as its reference 58, a '
        "regularizer against vanishing gradients and clipped ones, and of Adam: ours "
        "is Adam alone. With EP input and state have half of pi / 2 each, so that "
        f"gradients pass a step {recurrent.step_factor():.2f} times as large as they "
        f"came, and {cell.delay} steps {recurrent.step_factor() ** cell.delay:.0e}: "
        "they vanish, more slowly than by other methods. It counts "
        "some 32,000 parameters; embedding, recurrent layer and output of its Figure "
        "9 have 22,000 with its numbers of units. p by paired t-tests over seeds. Of "
        "what is said of parts of the run the first is judged by the same part of "
        "ours; the others need a run of the paper's size.",
    ]


def _claims(cell: Cell, losses: pd.DataFrame) -> list[Claim]:
    """Judges section 6.4.

    Args:
        cell: What was trained.
        losses: Test losses of the paper's methods and LSTM, by `method`, `seed` and
            `iteration`; infinite where they have exploded.
    """
    whole = cell.iterations >= ITERATIONS and cell.delay == DELAY
    # The same part of a shorter run, of a task that is easier, is another claim.
    task = "6.4" if whole else f"6.4, at this size (T = {cell.delay})"
    last = losses["iteration"].max()

    def ahead(
        method: str, rivals: Sequence[str], after: float, until: float
    ) -> tuple[str, bool | None]:
        """Compares, in a part of the run, mean losses of seeds."""
        part = losses[losses["iteration"].between(after * last + 1, until * last)]
        if part.empty:
            return "too short a run", None
        by_run = part.groupby(["method", "seed"])["val_loss"].mean().unstack()
        with np.errstate(invalid="ignore"):  # Of infinite ones, which are ties.
            gaps = {m: by_run.loc[m].to_numpy() - by_run.loc[method] for m in rivals}
        texts = [
            f"{rival}'s is {np.exp(of.mean()):.3f} times as high "
            f"({verdicts.p_text(verdicts.p_value(of))})"
            for rival, of in gaps.items()
        ]
        span = f"iterations {after * last:,.0f} to {until * last:,.0f}: "
        return span + ", ".join(texts), verdicts.above_zero(list(gaps.values()))

    ours = "random+EP"
    logistic = [method for method in PAPER if method != ours]
    early, leads = ahead(ours, [*logistic, LSTM], 0, _EARLY)
    early_lstm, leads_lstm = ahead(ours, [LSTM], 0, _EARLY)
    others = [method for method in (*PAPER, LSTM) if method != "ortho"]
    middle, ortho = ahead("ortho", others, _EARLY, 0.5)
    one_epoch = 1 - cell.iterations_per_epoch / last
    end, best = ahead(ours, logistic, one_epoch, 1)
    by_run = losses.set_index(["iteration", "method", "seed"])["val_loss"]
    known = losses["iteration"].unique()
    halfway = max((at for at in known if at <= 0.5 * last), default=0)
    above = by_run[last].unstack() - np.log(memoryless(cell.delay))
    degraded = (
        (by_run[last]["ortho"] - by_run[halfway]["ortho"]).to_numpy()
        if halfway
        else np.zeros(0)
    )
    better = verdicts.above_zero([-of for of in above.clip(upper=_FAR).to_numpy()])
    return [
        (
            f"{task}: random+EP is ahead of all others, LSTM included, for the first "
            f"{_EARLY:.0%} of the run (test perplexity, geometric mean)",
            early,
            leads,
        ),
        (f"{task}: of LSTM", early_lstm, leads_lstm),
        (
            "6.4: from 30,000 to 50,000 iterations ortho is the best",
            middle,
            ortho if whole else None,
        ),
        (
            "6.4: after 50,000 iterations ortho degrades",
            f"its test perplexity at the end is {np.exp(degraded.mean()):.3f} times "
            "that of half of the run"
            if halfway
            else "too short a run",
            verdicts.above_zero([degraded]) if whole else None,
        ),
        (
            "6.4: in the end random+EP is the best of logistic networks",
            end,
            best if whole else None,
        ),
        (
            f"{task}: eventually all are better than the memoryless strategy",
            "test perplexity at the end, by that of the memoryless: "
            + ", ".join(f"{m} {np.exp(above.loc[m].mean()):.3f}" for m in above.index),
            # What is not yet better may become so.
            better if better or whole else None,
        ),
    ]
