"""Pictures of a search, and the names of its points."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure


def scores(
    results: Sequence[Mapping[str, Any]], chance: float, title: str, path: Path
) -> Path:
    """Draws the accuracy of each point of a search, a dot for every seed.

    Args:
        results: In the form of `PopulationTuner.results`.
        chance: Accuracy of always guessing the largest class, a fraction.
        title: Heading of the picture.
        path: The PNG file to write.
    """
    panels = by_network(results)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    height = 0.8 + 0.3 * max(len(of_network) for of_network in panels.values())
    figure = Figure(figsize=(8 if columns == 1 else 12, height * rows + 0.3))
    figure.set_layout_engine("constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (network, of_network) in zip(all_axes, panels.items(), strict=False):
        for index, result in enumerate(reversed(of_network)):
            values = 100 * np.array(list(result["scores"].values()))
            axes.barh(index, values.mean(), color="#9ecae1", height=0.7)
            axes.plot(values, np.full(len(values), index), "o", color="#08519c", ms=4)
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
        names = [label(result["values"]) for result in reversed(of_network)]
        axes.set_yticks(range(len(of_network)), names, fontsize=9)
        axes.set_xlim(0, 100)
        axes.set_xlabel("validation accuracy (%), a dot for each seed")
        axes.set_title(network, loc="left", fontsize=10, pad=16)
    for axes in all_axes[len(panels) :]:
        axes.remove()
    figure.suptitle(title, fontsize=11)
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
    panels = by_network(tried)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = Figure(
        figsize=(8 if columns == 1 else 10, 3.4 * rows + 0.6), layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    all_axes = grid.ravel()
    for axes, (network, of_network) in zip(all_axes, panels.items(), strict=False):
        kinds = sorted({kind(result["values"]) for result in of_network})
        for index, name in enumerate(kinds):
            points = sorted(
                (r["values"]["epsilon"], 100 * r["mean"], 100 * r["sd"])
                for r in of_network
                if kind(r["values"]) == name
            )
            at, mean, sd = np.array(points).T
            # Side by side, so that no line hides another.
            at = at * 1.08 ** (index - (len(kinds) - 1) / 2)
            axes.errorbar(at, mean, sd, marker="os^D"[index % 4], capsize=3, label=name)
        axes.set_xscale("log")
        axes.set_title(network, loc="left", fontsize=10)
    for axes in all_axes[len(panels) :]:
        axes.remove()
    for axes in grid[-1]:
        axes.set_xlabel("ε")
    for axes in grid[:, 0]:
        axes.set_ylabel("validation accuracy (%)\nmean ± sd over seeds")
    figure.legend(
        *all_axes[0].get_legend_handles_labels(),
        frameon=False,
        loc="outside lower center",
        ncols=4,
    )
    figure.suptitle(title, fontsize=11)
    figure.savefig(path)
    return path


_OF_NETWORK = ("depth", "widths")


def by_network(
    results: Iterable[Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Returns the results of a search by network, the deepest last."""
    order = sorted(
        results, key=lambda result: [result["values"].get(k, 0) for k in _OF_NETWORK]
    )
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for result in order:
        groups.setdefault(network(result["values"]), []).append(result)
    return groups


def network(values: Mapping[str, Any]) -> str:
    """Names the network of a point of a search, where networks were searched.

    Examples:
        >>> network({"initializer": "lee_qr", "depth": 20, "widths": "10-6"})
        '20 layers of 10-6'
        >>> network({"initializer": "lee_qr"})
        ''
    """
    parts = []
    if "depth" in values:
        parts.append(f"{values['depth']} layer{'s' * (values['depth'] != 1)}")
    if "widths" in values:
        parts.append(f"of {values['widths']}")
    return " ".join(parts)


def label(values: Mapping[str, Any]) -> str:
    """Names a point of a search, but for its network.

    Examples:
        >>> label({"initializer": "lee_qr", "epsilon": 0.1})
        'lee_qr, ε = 0.1'
    """
    text = kind(values)
    return f"{text}, ε = {values['epsilon']:.4g}" if "epsilon" in values else text


def kind(values: Mapping[str, Any]) -> str:
    """Names a point of a search without its epsilon and its network.

    Examples:
        >>> kind({"initializer": "lee_qr", "epsilon": 0.1, "signs": "gram_schmidt"})
        'lee_qr, gram_schmidt'
    """
    named = ("initializer", "epsilon", *_OF_NETWORK)
    others = [f"{value}" for name, value in values.items() if name not in named]
    return ", ".join([str(values["initializer"]), *others])
