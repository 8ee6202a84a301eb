"""Figures 1 and 2 of Lee et al. (2024), and what it proves of its matrices."""

from pathlib import Path

import keras
import numpy as np
from matplotlib.figure import Figure

from experiments.engine.frame import Results
from experiments.reporting.report import Part, Table
from keras_inits import LeeQR

_VECTORS = 1000


def figure1(results: Results, folder: Path) -> list[Part]:
    """The heat map of W 20 x 40, and Lemma 2, Theorem 2 and Corollary 1 in numbers."""
    matrix = proposed(20, 40, 0.01)
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots()
    drawn = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    axes.set_title("W of shape 20 x 40, ε = 0.01", loc="left", fontsize=11)
    axes.set_xticks([0, 9, 19, 29, 39], ["1", "10", "20", "30", "40"])
    axes.set_yticks([0, 4, 9, 14, 19], ["1", "5", "10", "15", "20"])
    axes.set_xlabel("input")
    axes.set_ylabel("output")
    figure.colorbar(drawn, ax=axes, shrink=0.8)
    path = folder / "matrix.png"
    figure.savefig(path)
    lines = [claim(*case) for case in _CASES]
    table = Table(
        f"Claims, over {_VECTORS} vectors x with entries from U[0, 1]",
        [
            "W (outputs x inputs), ε",
            "Lemma 2: largest |sum of a column| of Q past the first (at most ε)",
            "Theorem 2: mean(x) / (√(m/n) mean(W x)) (1)",
            "Corollary 1: largest difference of the angles to 1 (0)",
            "positive entries of W x",
        ],
        [[text for text, _ in line] for line in lines],
        [[style for _, style in line] for line in lines],
    )
    return [path, table]


_CASES = [
    (outputs, inputs, epsilon)
    for outputs, inputs in [(200, 100), (100, 200), (6, 10), (10, 784)]
    for epsilon in (1e-4, 0.01, 0.1, 1.0)
]


def claim(outputs: int, inputs: int, epsilon: float) -> list[tuple[str, str]]:
    """Returns what a matrix makes of the paper's claims, and whether they hold.

    Lemma 2 is exact; Theorem 2 and Corollary 1 are of small ε, and are coloured by
    whether they hold within 5 % and within 3 degrees.
    """
    orthogonal = np.linalg.qr(np.ones((outputs, outputs)) + epsilon * np.eye(outputs))[
        0
    ]
    sums = np.abs(orthogonal.sum(axis=0)[1:]).max()
    x = np.random.default_rng(0).uniform(size=(_VECTORS, inputs))
    y = x @ proposed(outputs, inputs, epsilon).T
    means = np.median(x.mean(1) / (np.sqrt(outputs / inputs) * y.mean(1)))
    angles = np.abs(_angle(x) - _angle(y)).max()

    def style(holds: bool) -> str:
        return "inside" if holds else "outside"

    return [
        (f"{outputs} x {inputs}, {epsilon:g}", ""),
        (f"{sums:.2g}", style(sums <= epsilon * (1 + 1e-9))),
        (f"{means:.3f}", style(abs(means - 1) < 0.05)),
        (f"{angles:.1f}°", style(angles < 3)),
        (f"{100 * (y > 0).mean():.1f} %", ""),
    ]


def figure2(results: Results, folder: Path) -> list[Part]:
    """Entries of W x for positive x, and how many of them are positive."""
    outputs, inputs = 200, 100
    random = np.random.default_rng(0)
    matrices = {
        "proposed": proposed(outputs, inputs, 0.1),
        "Gaussian": random.normal(0, 0.1, (outputs, inputs)),
        "orthogonal": np.linalg.qr(random.normal(size=(outputs, inputs)))[0],
    }
    signals = {
        "N(0.5, 0.25²)": random.normal(0.5, 0.25, (_VECTORS, inputs)),
        "U[0, 1]": random.uniform(size=(_VECTORS, inputs)),
    }
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    lines = []
    for row, (signal, x) in zip(grid, signals.items(), strict=True):
        for axes, (name, matrix) in zip(row, matrices.items(), strict=True):
            y = x @ matrix.T
            axes.plot(y[:25].T, ".", ms=2, color="#3182bd", alpha=0.5)
            axes.axhline(0, color="black", lw=0.8)
            axes.set_title(f"{name}, x from {signal}", loc="left", fontsize=10)
            shares = (y > 0).mean(axis=1)
            lines.append(
                [
                    f"{name}, {signal}",
                    f"{100 * shares.mean():.1f} ± {100 * shares.std(ddof=1):.1f}",
                    f"{y.mean():.3f}",
                ]
            )
    for axes in grid[-1]:
        axes.set_xlabel("entry")
    for axes in grid[:, 0]:
        axes.set_ylabel("W x, 25 vectors x")
    path = folder / "entries.png"
    figure.savefig(path)
    table = Table(
        f"W of shape {outputs} x {inputs}, {_VECTORS} vectors",
        ["W, entries of x", "positive entries of W x (%)", "mean of W x"],
        lines,
    )
    return [path, table]


def proposed(outputs: int, inputs: int, epsilon: float) -> np.ndarray:
    """Returns the paper's matrix, which is the transpose of a kernel."""
    kernel = LeeQR(epsilon)((inputs, outputs), dtype="float64")
    matrix: np.ndarray = keras.ops.convert_to_numpy(kernel).T
    return matrix


def _angle(x: np.ndarray) -> np.ndarray:
    """Returns the angle to the vector of ones, in degrees."""
    cosine = x.sum(1) / np.linalg.norm(x, axis=1) / np.sqrt(x.shape[1])
    angle: np.ndarray = np.degrees(np.arccos(cosine))
    return angle
