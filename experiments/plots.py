"""Pictures of results."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

matplotlib.rcParams.update({"font.size": 11, "axes.spines.top": False})
matplotlib.rcParams.update({"axes.spines.right": False, "figure.dpi": 120})


def scores(
    results: Sequence[Mapping[str, Any]], chance: float, title: str, path: Path
) -> Path:
    """Draws the accuracy of each point of a search, a dot for every seed.

    Args:
        results: From `PopulationTuner.results`.
        chance: Accuracy of always guessing the largest class, a fraction.
        title: Heading of the picture.
        path: The PNG file to write.
    """
    figure = Figure(figsize=(8, 0.8 + 0.36 * len(results)), layout="constrained")
    axes = figure.subplots()
    for place, result in enumerate(reversed(results)):
        values = 100 * np.array(list(result["scores"].values()))
        axes.barh(place, values.mean(), color="#9ecae1", height=0.7)
        axes.plot(values, np.full(len(values), place), "o", color="#08519c", ms=4)
    axes.axvline(100 * chance, color="#b2182b", ls="--", lw=1)
    axes.annotate(
        "chance",
        (100 * chance, 1),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        color="#b2182b",
        fontsize=9,
    )
    axes.set_yticks(
        range(len(results)), [label(r["values"]) for r in reversed(results)]
    )
    axes.set_xlim(0, 100)
    axes.set_xlabel("validation accuracy (%), a dot for each seed")
    axes.set_title(title, loc="left", fontsize=11, pad=16)
    figure.savefig(path)
    return path


def epsilon(
    results: Sequence[Mapping[str, Any]], title: str, path: Path
) -> Path | None:
    """Draws accuracy over epsilon, a line for each initializer that has one.

    Returns:
        The path, or `None` if the search had fewer than two values of epsilon.
    """
    tried = [r for r in results if "epsilon" in r["values"]]
    if len({r["values"]["epsilon"] for r in tried}) < 2:
        return None
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    kinds = dict.fromkeys(_kind(r["values"]) for r in tried)
    for kind in sorted(kinds):
        points = sorted(
            (r["values"]["epsilon"], 100 * r["mean"], 100 * r["sd"])
            for r in tried
            if _kind(r["values"]) == kind
        )
        at, mean, sd = np.array(points).T
        axes.errorbar(at, mean, sd, marker="o", capsize=3, label=kind)
    axes.set_xscale("log")
    axes.set_xlabel("ε")
    axes.set_ylabel("validation accuracy (%)\nmean ± sd over seeds")
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False)
    figure.savefig(path)
    return path


def curves(rows: Sequence[Mapping[str, Any]], title: str, path: Path) -> Path:
    """Draws validation accuracy over epochs: the mean of each method, and its range.

    Args:
        rows: Of the ledger, with `method`, `epoch`, `seed` and `val_accuracy`.
        title: Heading of the picture.
        path: The PNG file to write.
    """
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    methods = dict.fromkeys(row["method"] for row in rows)
    markers = dict(zip(methods, "osv^D*Px", strict=False))
    for method in methods:
        by_epoch: dict[int, list[float]] = {}
        for row in rows:
            if row["method"] == method:
                values = by_epoch.setdefault(row["epoch"] + 1, [])
                values.append(100 * row["val_accuracy"])
        epochs = sorted(by_epoch)
        mean = [np.mean(by_epoch[epoch]) for epoch in epochs]
        axes.plot(epochs, mean, marker=markers.get(method, "."), ms=5, label=method)
        axes.fill_between(
            epochs,
            [min(by_epoch[epoch]) for epoch in epochs],
            [max(by_epoch[epoch]) for epoch in epochs],
            alpha=0.15,
        )
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("validation accuracy (%)\nmean and range over seeds")
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path)
    return path


def label(values: Mapping[str, Any]) -> str:
    """Names a point of a search.

    Examples:
        >>> label({"initializer": "lee_qr", "epsilon": 0.1})
        'lee_qr, ε = 0.1'
    """
    text = _kind(values)
    return f"{text}, ε = {values['epsilon']:.4g}" if "epsilon" in values else text


def _kind(values: Mapping[str, Any]) -> str:
    others = [f"{v}" for k, v in values.items() if k not in ("initializer", "epsilon")]
    return ", ".join([str(values["initializer"]), *others])
