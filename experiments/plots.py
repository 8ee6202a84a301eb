"""Pictures of results."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

Lines = dict[str, dict[int, list[float]]]
"""By method and place (epoch, depth), the values of all seeds."""

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
    panels = by_network(results)
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    height = 0.8 + 0.3 * max(len(own) for own in panels.values())
    figure = Figure(figsize=(8 if columns == 1 else 12, height * rows + 0.3))
    figure.set_layout_engine("constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (network, own) in zip(all_axes, panels.items(), strict=False):
        for place, result in enumerate(reversed(own)):
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
        names = [label(result["values"]) for result in reversed(own)]
        axes.set_yticks(range(len(own)), names, fontsize=9)
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
    for axes, (network, own) in zip(all_axes, panels.items(), strict=False):
        kinds = sorted({kind(result["values"]) for result in own})
        for place, name in enumerate(kinds):
            points = sorted(
                (r["values"]["epsilon"], 100 * r["mean"], 100 * r["sd"])
                for r in own
                if kind(r["values"]) == name
            )
            at, mean, sd = np.array(points).T
            # Side by side, so that no line hides another.
            at = at * 1.08 ** (place - (len(kinds) - 1) / 2)
            axes.errorbar(at, mean, sd, marker="os^D"[place % 4], capsize=3, label=name)
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


def curves(
    panels: Mapping[str, Lines], across: str, path: Path, log: bool = False
) -> Path:
    """Draws validation accuracy: the mean of each method over seeds, and its range.

    Args:
        panels: By heading, what each method reached, with all seeds at every place.
        across: What the horizontal axis is.
        path: The PNG file to write.
        log: Whether it is logarithmic. Defaults to `False`.
    """
    columns = min(len(panels), 5 if len(panels) > 4 else 2)
    rows = -(-len(panels) // columns)
    width = 3.6 if columns > 2 else 4.6
    figure = Figure(figsize=(width * columns + 1.4, 3.2 * rows), layout="constrained")
    all_axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    methods = dict.fromkeys(method for lines in panels.values() for method in lines)
    looks = {method: (f"C{i}", "osv^D*Px"[i % 8]) for i, method in enumerate(methods)}
    for axes, (heading, lines) in zip(all_axes, panels.items(), strict=False):
        for method, scores in lines.items():
            places = sorted(scores)
            color, marker = looks[method]
            mean = [np.mean(scores[place]) for place in places]
            every = max(1, len(places) // 20)
            axes.plot(places, mean, color=color, marker=marker, ms=4, markevery=every)
            axes.fill_between(
                places,
                [min(scores[place]) for place in places],
                [max(scores[place]) for place in places],
                color=color,
                alpha=0.13,
                lw=0,
            )
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_ylim(0, 100)
        axes.set_xlabel(across)
        if log:
            axes.set_xscale("log")
            ticks = sorted({place for scores in lines.values() for place in scores})
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.minorticks_off()
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in all_axes[len(panels) :]:
        axes.remove()
    for axes in all_axes[::columns]:
        axes.set_ylabel("validation accuracy (%)\nmean and range over seeds")
    handles = [
        Line2D([], [], color=color, marker=marker, ms=4, label=method)
        for method, (color, marker) in looks.items()
    ]
    figure.legend(handles=handles, frameon=False, loc="outside right upper")
    figure.savefig(path)
    return path


def heat_maps(
    maps: Mapping[str, Mapping[tuple[int, ...], float]], title: str, path: Path
) -> Path:
    """Draws a quantity in percent over two widths, a heat map for each method.

    Args:
        maps: By method, the value at each pair of widths (first layer, second).
        title: Heading of the picture.
        path: The PNG file to write.
    """
    first, second = (
        sorted({widths[i] for values in maps.values() for widths in values})
        for i in range(2)
    )
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    grid = figure.subplots(2, 4, sharex=True, sharey=True)
    for axes, (method, values) in zip(grid.ravel(), maps.items(), strict=False):
        image = np.array([[values.get((a, b), np.nan) for b in second] for a in first])
        drawn = axes.imshow(image, origin="lower", vmin=0, vmax=100, cmap="viridis")
        for (a, b), value in np.ndenumerate(image):
            if np.isfinite(value):
                color = "white" if value < 60 else "black"
                axes.text(
                    b, a, f"{value:.0f}", ha="center", va="center", color=color, size=8
                )
        axes.set_xticks(range(len(second)), [str(n) for n in second])
        axes.set_yticks(range(len(first)), [str(n) for n in first])
        axes.set_title(method, loc="left", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("units, second layer")
    for axes in grid[:, 0]:
        axes.set_ylabel("units, first layer")
    figure.colorbar(drawn, ax=grid, shrink=0.6, label="%")
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
