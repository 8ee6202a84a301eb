"""Yilmaz & Poli (2022): which mean of weights lets gradients pass logistic layers."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.engine import datasets
from experiments.engine.frame import Results
from experiments.engine.ledger import Ledger
from experiments.engine.logistic_signals import signals
from experiments.reporting import verdicts
from experiments.reporting.panels import save
from experiments.reporting.report import Claim, Part, Table, claims_table

PRODUCTS = (*range(-32, -16, 2), *range(-16, 5))
"""Mean of a weight, times the number of inputs of its layer; the paper's is -8."""

STDDEV = 0.1
"""Of the weights, the paper's."""

PAPER, NEAR = -8, 2
"""The paper's product, and how far from it one may be that is said to be about it."""

SAMPLES = 500
_SLOPE = 0.25
"""How far from -1 the slope of a logarithm may be that is said to be -1."""


@dataclass(frozen=True)
class Cell:
    """Networks that start with every mean, and are not trained.

    Args:
        dataset: Name for `experiments.engine.datasets.load`.
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        seeds: Number of seeds.
    """

    dataset: str
    width: int
    depth: int = 10
    seeds: int = 5

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.dataset}, {self.depth} layers of {self.width} units"

    @property
    def rows_per_run(self) -> int:
        """Layers that the ledger has of a network."""
        return self.depth

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of every network."""
        return [
            {
                "experiment": "poli-mean",
                "dataset": self.dataset,
                "samples": SAMPLES,
                "width": self.width,
                "product": product,
                "stddev": STDDEV,
                "epochs": self.depth,
                "seed": seed,
            }
            for product in PRODUCTS
            for seed in range(self.seeds)
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Measures what the ledger does not have yet; an epoch is a hidden layer.

        Args:
            missing: Descriptions.
            ledger: Gets the quantities of `signals`.
            data_dir: Folder of prepared tensorflow-datasets data.
            progress: Not shown: it takes seconds.
        """
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, "unit")[:SAMPLES]
        for run in missing:
            sizes = (x.shape[1], *(self.width,) * self.depth, data.num_classes)
            weights = start(sizes, run["product"], run["seed"])
            number = ledger.begin(run)
            for layer, values in enumerate(signals(weights, x, data.y[:SAMPLES])):
                of_layer = {name: [value] for name, value in values.items()}
                ledger.record([number], layer, of_layer)


def start(
    sizes: Sequence[int], product: float, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws the weights of a logistic network, with a mean of their own.

    Logistic layers have weights from `N(product / inputs, 0.1**2)`; the softmax behind
    them is Glorot's.

    Args:
        sizes: Number of inputs, units of each hidden layer, and number of classes.
        product: Mean times inputs.
        seed: A seed.

    Returns:
        Kernel and bias of each layer.
    """
    shapes = list(itertools.pairwise(sizes))
    *seeds, last = np.random.SeedSequence(seed).generate_state(len(shapes)).tolist()
    draws = [
        keras.initializers.RandomNormal(product / inputs, STDDEV, layer_seed)
        for (inputs, _), layer_seed in zip(shapes, seeds, strict=False)
    ]
    draws.append(keras.initializers.GlorotUniform(last))
    return [
        (keras.ops.convert_to_numpy(draw(shape)), np.zeros(shape[1]))
        for draw, shape in zip(draws, shapes, strict=True)
    ]


def report(results: Results, folder: Path) -> list[Part]:
    """Which mean passes the gradient, by data set and width, and how much it passes.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    kept = passed(results)
    rows = []
    for cell, logs in kept.items():
        products = _best(logs)
        edge = int(np.isin(products, (PRODUCTS[0], PRODUCTS[-1])).sum())
        with_best = [
            np.interp(product, PRODUCTS, logs[seed])
            for seed, product in zip(logs, products, strict=True)
        ]
        rows.append(
            [
                f"{cell.dataset}, {cell.width} units",
                f"{products.mean():.1f} ({verdicts.interval(products)})"
                + (f", the last tried in {edge} of {len(products)}" if edge else ""),
                f"{products.mean() / cell.width:.4f}",
                *(
                    f"{math.exp(float(np.mean(of))):.3f}"
                    for of in (with_best, logs.loc[PAPER], logs.loc[0])
                ),
            ]
        )
    columns = [
        "",
        "best mean x inputs",
        "best mean",
        "a layer passes, with it",
        "with -8",
        "with 0",
    ]
    parts: list[Part] = [
        Table("Gradients of the first layer over those of the last", columns, rows)
    ]
    claims = _claims(results.cells, kept)
    if claims:
        parts.insert(0, claims_table("What Yilmaz & Poli say", claims))
    return [
        *parts,
        _picture(kept, folder / "gradients.png"),
        "What a layer passes is the ratio of the gradients (root mean square, of the "
        "cross-entropy with respect to outputs) of neighbouring hidden layers, the "
        "geometric mean over layers. The best mean of a seed is the one nearest to 0 "
        "with which this is 1, so that gradients neither vanish nor explode, "
        "interpolated between those tried; where it never is 1, the one with which it "
        "comes nearest. Beyond it layers may pass more or less, by chance. Intervals "
        "are Student's, 90 %, over seeds, and a range is held where it has all of "
        "one. Logistic layers with weights from "
        f"N(mean, {STDDEV:g}²), no biases, pixels in [0, 1], {SAMPLES} samples, "
        f"{verdicts.seeds(results.frame['seed'])}.",
    ]


Passed = dict[Cell, pd.DataFrame]
"""Of networks the logarithm of what a layer passes, by product and seed."""


def passed(results: Results) -> Passed:
    """Returns what a layer passes of the gradient, of the seeds that have all products.

    Args:
        results: Of `Cell`s.
    """
    frame, kept = results.frame, Passed()
    for cell in results.cells:
        chosen = (frame["dataset"] == cell.dataset) & (frame["width"] == cell.width)
        done = verdicts.finished(frame[chosen], cell.rows_per_run)
        first, last = (
            done[done["epoch"] == layer].set_index(["product", "seed"])["gradient"]
            for layer in (0, cell.depth - 1)
        )
        logs = np.log((first / last).astype(float)) / (cell.depth - 1)
        by_seed = logs.unstack().reindex(PRODUCTS).dropna(axis="columns")
        if by_seed.size:
            kept[cell] = by_seed
    return kept


def best(logs: Sequence[float]) -> float:
    """Returns the product nearest to 0 with which gradients neither vanish nor explode.

    It is where the logarithm of what a layer passes, interpolated, is 0. Where it
    never is, it is where it comes nearest: the peak of the parabola through the best
    product and its two neighbours, or an end of `PRODUCTS`.

    Args:
        logs: The logarithm for each of `PRODUCTS`.
    """
    points, values = np.array(PRODUCTS, dtype=float), np.array(logs, dtype=float)
    (left,) = np.nonzero(values[:-1] * values[1:] <= 0)
    if len(left):
        share = values[left] / (values[left] - values[left + 1])
        zeros = points[left] + share * (points[left + 1] - points[left])
        return float(zeros[np.abs(zeros).argmin()])
    nearest = int(np.abs(values).argmin())
    if nearest in (0, len(points) - 1):
        return float(points[nearest])
    three = slice(nearest - 1, nearest + 2)
    curvature, slope, _ = np.polyfit(points[three], values[three], 2)
    return float(-slope / (2 * curvature))


def _best(logs: pd.DataFrame) -> np.ndarray:
    """Returns the best product of each seed."""
    return np.array([best(logs[seed].tolist()) for seed in logs])


def _claims(cells: Sequence[Cell], kept: Passed) -> list[Claim]:
    """Judges each data set of which all widths have all seeds."""
    claims = list[Claim]()
    for dataset in dict.fromkeys(cell.dataset for cell in cells):
        widths = [cell for cell in cells if cell.dataset == dataset]
        if all(c in kept and len(kept[c].columns) == c.seeds for c in widths):
            claims += _claims_of(dataset, {cell: kept[cell] for cell in widths})
    return claims


def _claims_of(dataset: str, kept: Passed) -> list[Claim]:
    widths = [cell.width for cell in kept]
    products = np.array([_best(logs) for logs in kept.values()])
    shown = ", ".join(
        f"{width}: {of.mean():.1f} ({verdicts.interval(of)})"
        for width, of in zip(widths, products, strict=True)
    )
    claims: list[Claim] = [
        (
            f"The best mean is negative, {dataset} (mean x inputs, by units)",
            shown,
            verdicts.above_zero([-of for of in products]),
        )
    ]
    if len(widths) > 2 and (products < 0).all():
        means = -products / np.array(widths)[:, None]
        slopes, _ = np.polyfit(np.log(widths), np.log(means), 1)
        low, high = verdicts.ends(slopes)
        claims.append(
            (
                f"It is proportional to 1 / inputs, {dataset}: its logarithm falls by "
                f"1 with that of the width, within {_SLOPE:g}",
                f"slope {slopes.mean():.2f} ({low:.2f} to {high:.2f})",
                verdicts.within(slopes, -1 - _SLOPE, -1 + _SLOPE),
            )
        )
    overall = products.mean(axis=0)
    gains = [(logs.loc[PAPER] - logs.loc[0]).to_numpy() for logs in kept.values()]
    ratios = [math.exp(of.mean()) for of in gains]
    return [
        *claims,
        (
            f"It is about -8 / inputs, {dataset} (mean x inputs from {PAPER - NEAR} to "
            f"{PAPER + NEAR}, the mean over widths)",
            f"{overall.mean():.1f} ({verdicts.interval(overall)})",
            verdicts.within(overall, PAPER - NEAR, PAPER + NEAR),
        ),
        (
            "With -8 / inputs a layer passes more of the gradient than with a mean of "
            f"0, {dataset}, at every width",
            f"{min(ratios):.2f} to {max(ratios):.2f} times as much",
            verdicts.above_zero(gains),
        ),
    ]


def _picture(kept: Passed, path: Path) -> Path:
    """Draws what a layer passes over the mean, by width."""
    names = list(dict.fromkeys(cell.dataset for cell in kept)) or [""]
    figure = Figure(figsize=(3.6 * len(names) + 1.6, 3.4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        for cell, logs in kept.items():
            if cell.dataset == name:
                values = np.exp(logs.mean(axis=1))
                label = f"{cell.width} units"
                axes.plot(PRODUCTS, values, marker="o", ms=3, label=label)
        axes.axvline(PAPER, color="0.6", ls=":")
        axes.axhline(1, color="0.6", lw=0.8)
        axes.set_yscale("log")
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xlabel("mean of a weight x inputs")
    panels[0].set_ylabel("part of the gradient\nthat a layer passes")
    return save(figure, path)
