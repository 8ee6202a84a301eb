"""Yilmaz & Poli (2022): which mean of weights lets gradients pass logistic layers."""

import itertools
import math
import statistics
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
from experiments.reporting.report import Claim, Part, Table, claims_table

PRODUCTS = tuple(range(-16, 5))
"""Mean of a weight, times the number of inputs of its layer; the paper's is -8."""

STDDEV = 0.1
"""Of the weights, the paper's."""

PAPER = -8

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
    """Which mean passes most of the gradient, by width, and how much it passes.

    Args:
        results: Of `Cell`s.
        folder: Where the picture goes.
    """
    kept = passed(results.frame)
    rows = []
    for (dataset, width), by_product in kept.items():
        best = _best(by_product)
        rows.append(
            [
                f"{dataset}, {width} units",
                f"{best}",
                f"{best / width:.4f}",
                *(f"{by_product[product]:.3f}" for product in (best, PAPER, 0)),
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
    return [
        claims_table("What Yilmaz & Poli say", _claims(kept)),
        Table("Gradients of the first layer over those of the last", columns, rows),
        _picture(kept, folder / "gradients.png"),
        f"What a layer passes is the ratio of the gradients (root mean square, of the "
        "cross-entropy with respect to outputs) of neighbouring hidden layers, the "
        "geometric mean over layers and seeds; best is what is nearest to 1, where "
        "they neither vanish nor explode. Logistic layers with weights from "
        f"N(mean, {STDDEV:g}²), no biases, pixels in [0, 1], {SAMPLES} samples.",
    ]


Passed = dict[tuple[str, int], dict[int, float]]
"""By data set and width, and then by product, what a layer passes."""


def passed(frame: pd.DataFrame) -> Passed:
    """Returns what a layer passes of the gradient, the geometric mean over seeds."""
    by_run: dict[tuple[str, int, int, int], dict[int, float]] = {}
    for row in frame.to_dict("records"):
        run = (row["dataset"], row["width"], row["product"], row["seed"])
        by_run.setdefault(run, {})[row["epoch"]] = row["gradient"]
    logs: dict[tuple[str, int], dict[int, list[float]]] = {}
    for (dataset, width, product, _), by_layer in by_run.items():
        last = max(by_layer)
        log = math.log(by_layer[0] / by_layer[last]) / last
        logs.setdefault((dataset, int(width)), {}).setdefault(product, []).append(log)
    return {
        of: {
            product: math.exp(statistics.fmean(values))
            for product, values in by.items()
        }
        for of, by in logs.items()
    }


def _best(by_product: Mapping[int, float]) -> int:
    """Returns the product with which gradients neither vanish nor explode."""
    return min(by_product, key=lambda product: abs(math.log(by_product[product])))


def _claims(kept: Passed) -> list[Claim]:
    best = {of: _best(by) for of, by in kept.items()}
    shown = ", ".join(
        f"{dataset} {width}: {best[dataset, width]}" for dataset, width in best
    )
    negative = all(product < 0 for product in best.values())
    claims: list[Claim] = [
        (
            "The best mean is negative (mean times inputs, by data set and units)",
            shown,
            negative,
        )
    ]
    if negative and len({width for _, width in best}) > 2:
        widths = np.array([width for _, width in best], dtype=float)
        means = -np.array(list(best.values())) / widths
        slope, _ = np.polyfit(np.log(widths), np.log(means), 1)
        claims.append(
            (
                "It is proportional to 1 / inputs: its logarithm falls by 1 with that "
                "of the width",
                f"slope {slope:.2f}",
                bool(abs(slope + 1) <= _SLOPE),
            )
        )
    gains = [by[PAPER] / by[0] for by in kept.values()]
    claims += [
        (
            "The constant is -8: the best product is within 1 of it",
            f"median {statistics.median(best.values()):g}; {shown}",
            all(abs(product - PAPER) <= 1 for product in best.values()),
        ),
        (
            "With -8 a layer passes more of the gradient than with a mean of 0",
            f"{min(gains):.2f} to {max(gains):.2f} times as much",
            min(gains) > 1,
        ),
    ]
    return claims


def _picture(kept: Passed, path: Path) -> Path:
    """Draws what a layer passes over the mean, by width."""
    names = list(dict.fromkeys(dataset for dataset, _ in kept))
    figure = Figure(figsize=(3.6 * len(names) + 1.6, 3.4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        for (dataset, width), by_product in kept.items():
            if dataset == name:
                points = sorted(by_product)
                values = [by_product[point] for point in points]
                axes.plot(points, values, marker="o", ms=3, label=f"{width} units")
        axes.axvline(PAPER, color="0.6", ls=":")
        axes.axhline(1, color="0.6", lw=0.8)
        axes.set_yscale("log")
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xlabel("mean of a weight x inputs")
    panels[0].set_ylabel("part of the gradient\nthat a layer passes")
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        frameon=False,
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path)
    return path
