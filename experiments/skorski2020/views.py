"""Tables and pictures of `skorski-hessian`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.reporting.report import Table
from experiments.reporting.statistics import Rows, median, quantile, where
from experiments.skorski2020 import norms
from experiments.skorski2020.cells import DESCENT_STEPS, INITIALIZERS
from experiments.skorski2020.norms import EXACT, NEAR

_MARKS = dict(zip(INITIALIZERS, "osv^D*", strict=True))


def over_depth(start: Rows, path: Path) -> Path:
    """Draws the Hessian norms of layers over the layers."""
    activations, depths = _panels(start)
    figure = Figure(
        figsize=(3 * len(depths) + 2, 2.8 * len(activations)), layout="constrained"
    )
    grid = figure.subplots(len(activations), len(depths), squeeze=False, sharey="row")
    for axes_row, activation in zip(grid, activations, strict=True):
        for axes, depth in zip(axes_row, depths, strict=True):
            rows = where(start, activation=activation, depth=depth)
            indices = sorted({row["layer"] for row in rows})
            for name in INITIALIZERS:
                curve = [
                    norms.norms(rows, initializer=name, layer=index)
                    for index in indices
                ]
                _line(axes, indices, curve, name)
            axes.set_title(f"{activation}, {depth} hidden", loc="left", fontsize=10)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes_row[0].set_ylabel("norm of the Hessian")
    for axes in grid[-1]:
        axes.set_xlabel("layer")
    return _save(figure, grid, path)


def over_steps(layers: Rows, path: Path) -> Path:
    """Draws the median Hessian norm of layers over steps of gradient descent."""
    activations, depths = _panels(layers)
    steps = layers[0]["steps"]
    figure = Figure(
        figsize=(3 * len(depths) + 2, 2.8 * len(activations)), layout="constrained"
    )
    grid = figure.subplots(len(activations), len(depths), squeeze=False, sharey="row")
    for axes_row, activation in zip(grid, activations, strict=True):
        for axes, depth in zip(axes_row, depths, strict=True):
            rows = where(layers, activation=activation, depth=depth)
            for name in INITIALIZERS:
                curve = [
                    norms.norms(rows, initializer=name, epoch=epoch)
                    for epoch in range(len(steps))
                ]
                _line(axes, steps, curve, name)
            axes.set_title(f"{activation}, {depth} hidden", loc="left", fontsize=10)
        axes_row[0].set_ylabel("norm, median of layers")
    for axes in grid[-1]:
        axes.set_xlabel("step")
    return _save(figure, grid, path)


def scatter(
    panels: Mapping[str, tuple[str, str]], rows: Rows, path: Path, by: str
) -> Path:
    """Draws two quantities against each other, on logarithmic axes, with y = x.

    Args:
        panels: By heading, the quantity across and the one upwards.
        rows: Each is a dot.
        path: The PNG file to write.
        by: What the colour stands for.
    """
    figure = Figure(figsize=(4 * len(panels) + 1.8, 4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)
    for axes, (heading, (across, up)) in zip(grid[0], panels.items(), strict=True):
        known = [row for row in rows if 0 < row[across] < np.inf and 0 < row[up]]
        known = [row for row in known if row[up] < np.inf]
        for value in dict.fromkeys(row[by] for row in rows):
            selected = where(known, **{by: value})
            dots = np.array([(row[across], row[up]) for row in selected]).reshape(-1, 2)
            axes.plot(*dots.T, ".", label=value, alpha=0.7)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.axline((1, 1), (10, 10), color="black", lw=0.8)
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_xlabel(_LABELS[across])
        axes.set_ylabel(_LABELS[up])
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside right upper")
    figure.savefig(path)
    return path


_LABELS = {
    "hessian": "norm of the Hessian",
    "gauss_newton": "norm of vᵀH_z v",
    "bound": "bound",
    "printed": "product of Jacobian norms",
    "limit": "2/λ_max at the start",
    "one_step": "largest stable rate found",
    "found": "largest stable rate found",
}


def _panels(rows: Rows) -> tuple[list[str], list[int]]:
    activations = list(dict.fromkeys(row["activation"] for row in rows))
    return activations, sorted({row["depth"] for row in rows})


def _line(
    axes: Axes, across: Sequence[int], values: Sequence[np.ndarray], name: str
) -> None:
    known = [(x, median(y)) for x, y in zip(across, values, strict=True) if y.size]
    color = f"C{INITIALIZERS.index(name)}"
    dots = np.array(known).reshape(-1, 2)
    axes.plot(*dots.T, color=color, marker=_MARKS[name], ms=4, lw=1, label=name)
    axes.set_yscale("log")


def _save(figure: Figure, grid: np.ndarray, path: Path) -> Path:
    for axes in grid.ravel():
        axes.axhline(1, color="black", lw=0.8, ls="--")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, loc="outside right upper")
    figure.savefig(path)
    return path


def norm_table(layers: Rows) -> Table:
    """Shows how near the Hessian norms are to 1, over steps of gradient descent."""
    lines = []
    ends = sorted({row["epoch"] for row in layers})
    steps = layers[0]["steps"]
    for initializer in INITIALIZERS:
        for activation in dict.fromkeys(row["activation"] for row in layers):
            line = [f"{initializer}, {activation}"]
            for epoch in ends:
                curve = norms.norms(
                    layers,
                    initializer=initializer,
                    activation=activation,
                    epoch=epoch,
                )
                line += [
                    f"{median(curve):.2g} [{quantile(curve, 10):.1g}, "
                    f"{quantile(curve, 90):.1g}]",
                    f"{norms.near(curve):.0%}",
                ]
            lines.append(line)
    return Table(
        "Hessian norms of layers: median [10 %, 90 %], and share within "
        f"1/{NEAR:g} to {NEAR:g}",
        [
            "",
            *(text for e in ends for text in (f"step {steps[e]}", "≈ 1")),
        ],
        lines,
    )


def theorem_table(start: Rows) -> Table:
    """Shows how far the theorems are from the Hessian norms."""
    lines = []
    for activation in dict.fromkeys(row["activation"] for row in start):
        for depth in sorted({row["depth"] for row in start}):
            rows = where(start, activation=activation, depth=depth)
            errors = norms.errors(rows)
            line = [
                f"{activation}, {depth} layers",
                f"{median(errors):.2g}",
                f"{quantile(errors, 100):.2g}",
            ]
            for name in ("bound", "linear", "printed"):
                ratios = norms.ratios(rows, name)
                line.append(f"{median(ratios):.2g}, {np.mean(ratios < 1 - EXACT):.0%}")
            lines.append(line)
    return Table(
        "Theorem 1: relative error of the norm. Theorem 2: median of bound / norm, and "
        "share of layers where it is no bound",
        [
            "",
            "theorem 1, median",
            "largest",
            "2, input of the layer",
            "2, equation 5",
            "2, as printed",
        ],
        lines,
    )


def rate_table(networks: Rows) -> Table:
    """Sets predicted learning rates beside those of real runs."""
    lines = []
    for initializer in INITIALIZERS:
        rows = [
            row
            for row in networks
            if row["initializer"] == initializer and np.isfinite(row["found"])
        ]
        line = [initializer, str(len(rows))]
        for name in ("inverse_norm", "limit", "one_step", "found"):
            line.append(f"{median([row[name] for row in rows]):.2g}")
        ratio = [row["found"] / row["limit"] for row in rows]
        line.append(
            f"{median(ratio):.2g} [{quantile(ratio, 0):.1g}, "
            f"{quantile(ratio, 100):.1g}]"
        )
        lines.append(line)
    return Table(
        "Largest stable learning rate, medians over networks: predicted from the "
        "curvature at the start, and found by bisection over real runs",
        [
            "",
            "networks",
            "1/‖H‖",
            "2/λ_max",
            "found, 1 step",
            f"found, {DESCENT_STEPS} steps",
            "found / (2/λ_max) [range]",
        ],
        lines,
    )
