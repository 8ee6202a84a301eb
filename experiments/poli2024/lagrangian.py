"""De Pater & Mitici (2023): the last layer by Lagrangian LR, after other methods."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.engine import datasets, networks, trainer
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.poli2024.methods import start
from experiments.reporting import verdicts
from experiments.reporting.panels import save
from experiments.reporting.report import Claim, Part, Table, claims_table, mean_sd
from keras_inits import calibration
from keras_inits.population import ENGINE, SeedBatches

COMPARED = ("he", "glorot", "lecun", "ortho", "yilmaz_poli")
"""Of `METHODS`; the first is Kaiming's, to which the paper compares."""

LAST = ("method", "lagrangian_lr")
"""What the last layer starts by."""

FEWER, INITIAL = 34, 53
"""Percent fewer epochs than with Kaiming's, and accuracy (%) at the start with
transfer: those of the paper's abstract."""

MARGIN = 10
"""Percent that a number of epochs may be from the abstract's and count as the same."""

NEAR = (1.1, 1.02)
"""Factors of Kaiming's lowest validation loss at which a network has arrived: on the
way there, and where losses hardly fall any more and go up and down."""

_HIDDEN, _BATCH, _HELD_OUT = (100, 100, 100), 100, 2000
_SOURCE_SEED = 2023_166


@dataclass(frozen=True)
class Cell:
    """ReLU networks that start by each method, with either last layer.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        source: Data set on which all layers but the last were trained before, with He's
            weights; none for no transfer.
        samples: Most samples to train on.
        epochs: Passes through them, with Adam at 0.001.
        seeds: Number of seeds, each with samples held out of its own.
    """

    dataset: str
    source: str = ""
    samples: int = 10_000
    epochs: int = 20
    seeds: int = 5

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return self.dataset + (f", features of {self.source}" if self.source else "")

    @property
    def rows_per_run(self) -> int:
        """Epochs that the ledger has of a run that is finished."""
        return self.epochs

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every member, those of a seed side by side."""
        return [
            {
                "experiment": "poli-lagrangian",
                "dataset": self.dataset,
                "source": self.source,
                "samples": self.samples,
                "batch_size": _BATCH,
                "method": method,
                "last": last,
                "epochs": self.epochs,
                "seed": seed,
                "engine": ENGINE,
            }
            for seed in range(self.seeds)
            for method in COMPARED
            for last in LAST
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
            ledger: Gets loss and accuracy in training and on what is held out, and of
                the latter, in the first epoch, `start_loss` and `start_accuracy`.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Shows how far the training is.
        """
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, "unit")

        def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
            training, held_out = datasets.hold_out(data.y, seed)
            return training[: self.samples], held_out[:_HELD_OUT]

        def build(method: str, last: str, seed: int) -> keras.Model:
            model = networks.feedforward(
                x.shape[1], data.num_classes, _HIDDEN, "he_normal"
            )
            if self.source:
                features = _features(self.source, self.samples, data_dir)
                for layer, weights in zip(model.layers[:-1], features, strict=True):
                    layer.set_weights(weights)
                start_last(model, method, seed)
            else:
                start(model, method, seed)
            if last == "lagrangian_lr":
                samples = split(seed)[0]
                calibration.lagrangian_lr(model, x[samples], data.y[samples])
            return model

        def batches(seeds: Sequence[int]) -> tuple[SeedBatches, SeedBatches]:
            training, held_out = zip(*map(split, seeds), strict=True)
            return (
                SeedBatches(x, data.y, seeds, training, _BATCH),
                SeedBatches(x, data.y, seeds, held_out, _HELD_OUT, shuffle=False),
            )

        members = [
            {name: run[name] for name in ("method", "last", "seed")} for run in missing
        ]
        # As `Population` has them: each seed once, in the order of the members.
        seeds = list(dict.fromkeys(run["seed"] for run in missing))
        trainer.train(
            build,
            members,
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.Adam(0.001),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            epochs=self.epochs,
            callbacks=[Starting(batches(seeds)[1])],
            progress=progress,
        )


def start_last(model: keras.Model, method: str, seed: int) -> None:
    """Sets the last layer of a network as a method has it, and leaves the others.

    Args:
        model: From `networks.feedforward`, set in place.
        method: A key of `METHODS`.
        seed: A seed.
    """
    kept = [layer.get_weights() for layer in model.layers[:-1]]
    start(model, method, seed)
    for layer, weights in zip(model.layers[:-1], kept, strict=True):
        layer.set_weights(weights)


@functools.cache
def _features(
    source: str, samples: int, data_dir: str | None
) -> list[list[np.ndarray]]:
    """Trains a network on other data; returns the weights of its hidden layers."""
    data = datasets.load(source, data_dir)
    x = datasets.scale(data, "unit")
    training, _ = datasets.hold_out(data.y, 0)
    training = training[:samples]
    model = networks.feedforward(x.shape[1], data.num_classes, _HIDDEN, "he_normal")
    # Of a seed that no member has: features fit the last layer that they began with.
    start(model, "he", _SOURCE_SEED)
    model.compile("adam", "sparse_categorical_crossentropy")
    for epoch in range(10):
        order = np.random.default_rng(epoch).permutation(training)
        model.fit(x[order], data.y[order], _BATCH, shuffle=False, verbose=0)
    return [layer.get_weights() for layer in model.layers[:-1]]


class Starting(keras.callbacks.Callback):
    """Logs, with the first epoch, how members do before they are trained.

    Args:
        held_out: Samples of each seed.
    """

    def __init__(self, held_out: SeedBatches) -> None:
        """Keeps the samples."""
        super().__init__()
        self._held_out = held_out
        self._scores: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Evaluates the members."""
        self.model.evaluate(self._held_out, verbose=0)
        self._scores = {
            f"start_{name}": keras.ops.convert_to_numpy(values)
            for name, values in self.model.member_metrics.result().items()
        }

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds `start_loss` and `start_accuracy`."""
        if epoch == 0:
            for name, values in self._scores.items():
                self.model.log_members(name, values)
                if logs is not None:
                    logs[name] = float(values.mean())


def report(results: Results, folder: Path) -> list[Part]:
    """Loss and accuracy at the start, epochs to Kaiming's loss, and what is claimed.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    frame = results.frame
    rows, claims = [], list[Claim]()
    for cell in results.cells:
        chosen = (frame["dataset"] == cell.dataset) & (frame["source"] == cell.source)
        done = verdicts.finished(frame[chosen], cell.rows_per_run)
        if not len(done):
            continue
        first = done[done["epoch"] == 0]
        soon = {near: _epochs(done, near) for near in NEAR}
        runs = list(dict.fromkeys(zip(done["method"], done["last"], strict=True)))
        for method, last in runs:
            of_run = first[(first["method"] == method) & (first["last"] == last)]
            rows.append(
                [
                    f"{cell.name}: {method}"
                    + (", last lagrangian_lr" if last == "lagrangian_lr" else ""),
                    mean_sd(of_run["start_loss"].tolist(), digits=2),
                    mean_sd((100 * of_run["start_accuracy"]).tolist()),
                    *(
                        f"{np.median(of[method, last]):.0f}"
                        if (method, last) in of
                        else ""
                        for of in soon.values()
                    ),
                ]
            )
        seeds = {(m, last, s) for m, last in runs for s in range(cell.seeds)}
        known = set(zip(done["method"], done["last"], done["seed"], strict=True))
        if len(runs) == len(COMPARED) * len(LAST) and seeds <= known:
            claims += _claims(cell, first, soon)
    columns = [
        "",
        "loss at the start",
        "accuracy at the start (%)",
        *(f"epochs to {near:g} times Kaiming's lowest loss (median)" for near in NEAR),
    ]
    parts: list[Part] = [Table("Held out", columns, rows)]
    if claims:
        parts.insert(0, claims_table("What the abstract says", claims))
    parts.append(_picture(results, folder / "curves.png"))
    of = results.cells[0]
    epochs = " or ".join(str(n) for n in sorted({c.epochs for c in results.cells}))
    parts.append(
        f"ReLU networks of {', '.join(map(str, _HIDDEN))} units, Adam at 0.001, "
        f"batches of {_BATCH}, up to {of.samples:,} samples, {epochs} epochs, "
        f"{verdicts.seeds(results.frame['seed'])}. With features, layers but the last "
        "come from a network that was trained on other data here, in place of weights "
        "that are downloaded, and go on to be trained. lagrangian_lr is a "
        "reconstruction: the paper is not public. A loss that is not reached counts as "
        "the last epoch. "
        "Intervals are Student's, 90 %, over seeds. Whether epochs are fewer is "
        "decided by p below 0.05, and how many fewer by whether the range has all of "
        "the interval, or none."
    )
    return parts


Run = tuple[str, str]
"""Method, and what the last layer starts by."""


def _by_run(rows: pd.DataFrame, column: str) -> dict[Run, np.ndarray]:
    """Returns a number of each seed, by run."""
    values: dict[Run, dict[int, float]] = {}
    for row in rows.to_dict("records"):
        values.setdefault((row["method"], row["last"]), {})[row["seed"]] = row[column]
    return {run: np.array([of[s] for s in sorted(of)]) for run, of in values.items()}


def _epochs(done: pd.DataFrame, near: float) -> dict[Run, np.ndarray]:
    """Returns after how many epochs each run has arrived, of seeds of Kaiming's."""
    kaiming = done[(done["method"] == "he") & (done["last"] == "method")]
    aims = (kaiming.groupby("seed")["val_loss"].min() * near).to_dict()
    done = done[done["seed"].isin(aims)]
    last = done["epoch"].max()
    there = done[(done["val_loss"] <= done["seed"].map(aims)) | (done["epoch"] == last)]
    keys = ["method", "last", "seed"]
    first = there.sort_values("epoch").drop_duplicates(keys)
    return _by_run(first.assign(epochs=first["epoch"] + 1), "epochs")


def _claims(
    cell: Cell, first: pd.DataFrame, soon: Mapping[float, Mapping[Run, np.ndarray]]
) -> list[Claim]:
    """Judges what the abstract says of the last layer."""
    losses = _by_run(first, "start_loss")
    pairs = [(losses[m, "method"], losses[m, "lagrangian_lr"]) for m in COMPARED]
    claims: list[Claim] = [
        (
            f"The loss at the start is lower with it, after every method, {cell.name}",
            ", ".join(
                f"{m} {before.mean():.2f} to {after.mean():.2f}"
                for m, (before, after) in zip(COMPARED, pairs, strict=True)
            ),
            verdicts.above_zero([before - after for before, after in pairs]),
        ),
    ]
    for near, epochs in soon.items():
        fewer = np.log(epochs["he", "lagrangian_lr"] / epochs["he", "method"])
        mean, low, high = (
            f"{100 * (math.exp(value) - 1):+.0f}"
            for value in (fewer.mean(), *verdicts.ends(fewer))
        )
        measured = f"{mean} % ({low} to {high}) after Kaiming's"
        least, most = FEWER - MARGIN, FEWER + MARGIN
        claims += [
            (
                f"Fewer epochs than Kaiming's, {cell.name} (to {near:g} times its "
                "lowest loss)",
                measured,
                verdicts.above_zero([-fewer]),
            ),
            (
                f"{FEWER} % fewer, {cell.name} ({least} to {most} %; to {near:g} times "
                "its lowest loss)",
                measured,
                verdicts.within(
                    fewer, math.log(1 - most / 100), math.log(1 - least / 100)
                ),
            ),
        ]
    if cell.source:
        accuracy = 100 * _by_run(first, "start_accuracy")["he", "lagrangian_lr"]
        claims.append(
            (
                f"At least {INITIAL} % accuracy at the start with transfer, "
                f"{cell.name}",
                f"{accuracy.mean():.1f} % (90 % interval "
                f"{verdicts.interval(accuracy)})",
                verdicts.within(accuracy, INITIAL, np.inf),
            )
        )
    return claims


def _picture(results: Results, path: Path) -> Path:
    """Draws losses on what is held out over epochs, with either last layer."""
    cells, frame = results.cells, results.frame
    figure = Figure(figsize=(3.6 * len(cells) + 1.8, 3.4), layout="constrained")
    panels = figure.subplots(1, len(cells), squeeze=False)[0]
    for axes, cell in zip(panels, cells, strict=True):
        chosen = (frame["dataset"] == cell.dataset) & (frame["source"] == cell.source)
        for index, method in enumerate(COMPARED):
            for last, line in zip(LAST, ("-", ":"), strict=True):
                of_run = frame[
                    chosen & (frame["method"] == method) & (frame["last"] == last)
                ]
                if not len(of_run):
                    continue
                losses = of_run.groupby("epoch")["val_loss"].median()
                start = of_run[of_run["epoch"] == 0]["start_loss"].median()
                axes.plot(
                    [0, *(losses.index + 1)],
                    [start, *losses],
                    color=f"C{index}",
                    ls=line,
                    label=method + (", lagrangian_lr" if line == ":" else ""),
                )
        axes.set_yscale("log")
        axes.set_title(cell.name, loc="left", fontsize=9)
        axes.set_xlabel("epoch")
    panels[0].set_ylabel("loss, held out\nmedian over seeds")
    return save(figure, path)
