"""Pictures of Sansone & De Natale (2017)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from experiments.reporting.panels import save
from experiments.sansone2017 import entropy
from experiments.sansone2017.methods import METHODS

COLORS = {method: f"C{index}" for index, method in enumerate(METHODS)}
"""Of each method, in all pictures."""


def densities(path: Path) -> Path:
    """Draws Figure 2: the density of the output by mean and by spread of the logit."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    y = np.linspace(0.002, 0.998, 500)
    for mu in (-4.0, -2.0, 0.0, 2.0, 4.0):
        left.plot(y, entropy.density(y, mu, 0.5), label=f"μ = {mu:g}")
    for sigma in (0.25, 0.5, entropy.BOUND_STD, entropy.best_std(), 4.0):
        right.plot(y, entropy.density(y, 0.0, sigma), label=f"σ = {sigma:.3g}")
    for axes, title in ((left, "σ = 0.5"), (right, "μ = 0")):
        axes.set(xlabel="output y", ylabel="density", ylim=(0, 8))
        axes.set_title(title, loc="left", fontsize=10)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path)
    return path


def bounds(means: np.ndarray, stds: np.ndarray, path: Path) -> Path:
    """Draws Figure 3: the bound over mean and spread, its ridge, and the entropy."""
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    values = np.array([[entropy.bound(mu, sigma) for mu in means] for sigma in stds])
    shown = left.contourf(means, stds, values, levels=np.arange(-4, 0.8, 0.2))
    ridge = [entropy.ridge(mu) for mu in means]
    left.plot(means, ridge, "k:", label="largest bound (theorem 1)")
    some = means[::10]
    left.plot(
        some, [entropy.best_std(mu) for mu in some], "w--", label="largest entropy"
    )
    left.set(xlabel="mean of the logit, μ", ylabel="standard deviation σ")
    left.set_ylim(stds[0], stds[-1])
    left.set_title("Bound H_B (nats)", loc="left", fontsize=10)
    left.legend(fontsize=8, loc="lower right", framealpha=0.6, facecolor="0.6")
    figure.colorbar(shown, ax=left, ticks=[-4, -3, -2, -1, 0])
    at_zero = stds[stds <= 4]
    for function, label in ((entropy.bound, "bound H_B"), (entropy.entropy, "entropy")):
        line = [function(0.0, float(sigma)) for sigma in at_zero]
        (drawn,) = right.plot(at_zero, line, label=label)
        right.axvline(
            float(at_zero[int(np.argmax(line))]), color=drawn.get_color(), ls=":"
        )
    lower = [entropy.bound(0.0, float(s)) - 2 * np.log(2) for s in at_zero]
    right.plot(at_zero, lower, color="0.6", label="H_B - 2 ln 2")
    right.set(xlabel="standard deviation σ", ylabel="nats", ylim=(-3, 1))
    right.set_title("μ = 0", loc="left", fontsize=10)
    right.legend(frameon=False, fontsize=8)
    figure.savefig(path)
    return path


Lines = dict[str, dict[int, list[float]]]
"""By method and iteration, the values of all seeds."""


def lines(frame: pd.DataFrame, quantity: str) -> Lines:
    """Returns a column of a frame by `method` and `iteration`."""
    by_method: Lines = {}
    for method, iteration, value in zip(
        frame["method"], frame["iteration"], frame[quantity], strict=True
    ):
        by_method.setdefault(method, {}).setdefault(iteration, []).append(value)
    return by_method


_CLOSE = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
"""Where ticks are within a decade that is nearly all that an axis has."""


def learning_curves(
    panels: Mapping[str, Lines],
    across: str,
    path: Path,
    level: tuple[str, float] | None = None,
) -> Path:
    """Draws quantities over iterations: mean of each method, and its standard error.

    Args:
        panels: By what it is of, the values; what ends in `log)` is drawn on a
            logarithmic scale, and other things from 0.
        across: What the horizontal axis is.
        path: The PNG file to write.
        level: What is drawn beside them at one height, and at which. Defaults to
            nothing.
    """
    figure = Figure(figsize=(3.9 * len(panels) + 2.2, 3.4), layout="constrained")
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(drawn, panels.items(), strict=True):
        for method in lines:
            color = COLORS.get(method, "k")
            points = sorted(lines[method])
            values = [np.array(lines[method][point]) for point in points]
            mean = np.array([of.mean() for of in values])
            error = np.array(
                [of.std(ddof=len(of) > 1) / len(of) ** 0.5 for of in values]
            )
            axes.plot(points, mean, color=color, label=method)
            axes.fill_between(
                points, mean - error, mean + error, color=color, alpha=0.15, lw=0
            )
        if level is not None:
            axes.axhline(level[1], color="0.5", ls=":", label=level[0])
        axes.set_title(title, loc="left", fontsize=10)
        if title.endswith("log)"):
            axes.set_yscale("log")
            # Numbers as they are in the tables, and few of them.
            low, high = axes.get_ylim()
            within = (1.0, 2.0, 5.0) if high > 10 * low else _CLOSE
            axes.yaxis.set_major_locator(LogLocator(10, within))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        axes.set_xlabel(across)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    drawn[0].set_ylabel("mean over seeds ± standard error")
    return save(figure, path)


def layers(
    statistics: Mapping[str, Mapping[int, tuple[Sequence[int], Any, Any]]], path: Path
) -> Path:
    """Draws Figure 6: mean and standard deviation of each layer's outputs.

    Args:
        statistics: By method and layer: iterations, means and standard deviations.
        path: The PNG file to write.
    """
    columns = 4
    rows = -(-len(statistics) // columns)
    figure = Figure(figsize=(13, 2.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (method, of_layers) in zip(
        grid.ravel(), statistics.items(), strict=False
    ):
        for layer, (iterations, mean, sd) in of_layers.items():
            name = f"layer {layer}" if layer < len(of_layers) else "output"
            (line,) = axes.plot(iterations, mean, label=name)
            axes.fill_between(
                iterations,
                mean - sd,
                mean + sd,
                color=line.get_color(),
                alpha=0.12,
                lw=0,
            )
        axes.set_title(method, loc="left", fontsize=10)
        axes.set_ylim(0, 1)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    for axes in grid[-1]:
        axes.set_xlabel("iteration")
    for axes in grid[:, 0]:
        axes.set_ylabel("mean ± sd of outputs")
    return save(figure, path)


def gradients(by_layer: Any, path: Path) -> Path:
    """Draws the gradients of layers, relative to the last, by method and network.

    Args:
        by_layer: A frame of `gradient`, by hidden layers, method and layer.
        path: The PNG file to write.
    """
    networks = list(dict.fromkeys(index[0] for index in by_layer.index))
    figure = Figure(figsize=(3.4 * len(networks) + 2.2, 3.4), layout="constrained")
    panels = figure.subplots(1, len(networks), squeeze=False, sharey=True)[0]
    for axes, hidden in zip(panels, networks, strict=True):
        for method, color in COLORS.items():
            if (hidden, method) not in by_layer.index:
                continue
            values = by_layer.loc[hidden, method]["gradient"]
            axes.plot(values.index, values / values.iloc[-1], color=color, label=method)
        axes.set_yscale("log")
        axes.set_ylim(1e-12, 1e2)
        axes.set_xlabel("layer")
        axes.set_title(hidden, loc="left", fontsize=10)
    panels[0].set_ylabel("norm of the gradient,\nrelative to the last layer")
    return save(figure, path)
