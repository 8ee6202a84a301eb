"""The toy of the answer: gradient descent on x^4."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

_STEPS = 100


def descends(start: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Returns from which starts and at which rates gradient descent on `x^4` shrinks.

    Examples:
        >>> descends(np.array([1.0, 1.0]), np.array([0.49, 0.51]))
        array([ True, False])
    """
    x = np.array(start, float)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(_STEPS):
            x = x - rate * 4 * x**3
        return np.abs(x) < np.abs(start)


def compare(path: Path) -> tuple[list[tuple[str, str, bool]], Path]:
    """Compares runs on a grid with the two rules that the answer gives."""
    starts, rates = np.geomspace(0.05, 5, 60), np.geomspace(1e-3, 100, 60)
    start, rate = np.meshgrid(starts, rates)
    shrinks = descends(start, rate)
    local = np.abs(1 - 4 * rate * start**2) < 1
    slope = rate * 4 * start**3 < 1
    figure = Figure(figsize=(6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(starts, rates, shrinks, cmap="Pastel2_r", shading="nearest")
    axes.plot(starts, 1 / (2 * starts**2), "r", label="|1 − 4λx²| = 1")
    axes.plot(starts, 1 / (4 * starts**3), "k--", label="|λ f'(x)| = 1")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(starts[0], starts[-1])
    axes.set_ylim(rates[0], rates[-1])
    axes.set_xlabel("start x")
    axes.set_ylabel("learning rate λ")
    axes.set_title("x⁴: from where gradient descent shrinks", loc="left", fontsize=11)
    axes.text(0.04, 0.05, "shrinks", transform=axes.transAxes)
    axes.text(0.96, 0.93, "grows", transform=axes.transAxes, ha="right")
    axes.legend(frameon=False, loc="center left")
    figure.savefig(path)
    claims = [
        (
            "toy: gradient descent on x⁴ shrinks if and only if −1 < 1 − 4λx² < 1",
            f"right at {np.mean(shrinks == local):.1%} of {shrinks.size} starts and "
            "rates",
            bool((shrinks == local).all()),
        ),
        (
            "toy: λ ‖f'(x)‖ < 1 at the start suffices",
            f"{np.mean(shrinks[slope]):.1%} of those shrink",
            bool(shrinks[slope].all()),
        ),
        (
            "toy: λ ‖f'(x)‖ < 1 at the start is needed",
            f"{np.mean(slope[shrinks]):.1%} of those that shrink have it",
            bool(slope[shrinks].all()),
        ),
    ]
    return claims, path
