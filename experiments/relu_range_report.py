"""What the report of `relu-range` shows: who trains, and what foretells it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import scipy.stats
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments import toy
from experiments.numbers import Rows, median, where
from experiments.relu_range import DESCENT_STEPS, INITIALIZERS, RATES
from experiments.report import Table

TRAINED = 0.3
"""Accuracy on the training samples, three times chance, from which it trains."""

_QUANTITIES = {
    "gradient": "norm of the gradient",
    "limit": "λ_max / 2",
    "found": f"1 / largest stable rate of {DESCENT_STEPS} steps",
}


def show(rows: Rows, folder: Path) -> list[str | Table | Path]:
    """Claims, maps of who trains, the law of 2^d, and the toy."""
    trained = [row for row in rows if "rate" in row]
    measured = [row for row in rows if "rate" not in row]
    limits = {_key(row): row["limit"] for row in measured}
    law, of_law, picture = _law(measured, folder / "doubling.png")
    of_toy, map_of_toy = toy.show(folder / "toy.png")
    claims = [*_question(trained), *of_law, *of_toy]
    depths = sorted({row["depth"] for row in trained})
    seeds = len({row["seed"] for row in trained})
    return [
        f"Networks of {depths[0]} to {depths[-1]} hidden layers of "
        f"{trained[0]['width']} units, from {seeds} seeds, trained by gradient descent "
        f"in batches of {trained[0]['batch_size']}: {len(trained)} in all. One trains "
        f"if it gets {TRAINED:.0%} of its training samples right, three times chance. "
        "The squared error is summed over classes.",
        Table(
            "Claims of the question and the answer",
            ["claim", "measured", "held"],
            [[claim, found, "yes" if held else "no"] for claim, found, held in claims],
            [["", "", "inside" if held else "outside"] for *_, held in claims],
        ),
        *(
            _map(where(trained, dataset=name), limits, folder / f"map-{name}.png")
            for name in dict.fromkeys(row["dataset"] for row in trained)
        ),
        "Colour: mean accuracy on the training samples. Red line: the predicted "
        "boundary 2/λ_max at the start, median over seeds; at an edge it lies beyond. "
        "A row without a line has no positive curvature at the start.",
        _shares(trained),
        _boundary(trained, limits),
        law,
        picture,
        map_of_toy,
    ]


def _share(rows: Rows, **values: Any) -> float:
    found = [row["accuracy"] >= TRAINED for row in where(rows, **values)]
    return float(np.mean(found)) if found else np.nan


def _question(rows: Rows) -> list[tuple[str, str, bool]]:
    asked = where(rows, loss="squared error")
    relu, sigmoid = (where(asked, activation=name) for name in ("relu", "sigmoid"))
    entropy = where(rows, loss="cross-entropy", activation="relu")
    if not (relu and sigmoid and entropy):
        return []  # It compares them.
    wide, half = (
        {rate: _share(relu, initializer=name, rate=rate) for rate in RATES}
        for name in ("U[-1, 1]", "U[-0.5, 0.5]")
    )

    def shares(found: Mapping[float, float]) -> str:
        return ", ".join(f"{share:.0%} at {rate:g}" for rate, share in found.items())

    normal = _share(relu, initializer="N(0, 1)", rate=0.01)
    ranges = {
        name: max(_share(sigmoid, initializer=name, rate=rate) for rate in RATES)
        for name in ("U[0, 1]", "U[-1, 1]", "U[-0.5, 0.5]")
    }
    best = {
        name: max(_share(each, initializer="U[-1, 1]", rate=rate) for rate in RATES)
        for name, each in (("squared error", relu), ("cross-entropy", entropy))
    }
    return [
        (
            "ReLU from U[-1, 1] does not train at 0.01 and 0.001 (under half)",
            f"trains: {shares(wide)}",
            max(wide[0.01], wide[0.001]) < 0.5,
        ),
        (
            "ReLU from U[-1, 1] trains at 0.0001, a lower rate (more than at 0.01)",
            f"{wide[1e-4]:.0%} against {wide[0.01]:.0%}",
            wide[1e-4] > wide[0.01],
        ),
        (
            "ReLU from U[-0.5, 0.5] trains where U[-1, 1] does not, at 0.01",
            f"trains: {shares(half)}",
            half[0.01] >= 0.5 > wide[0.01],
        ),
        (
            "ReLU from N(0, 1) trains at 0.01, better than from U[-1, 1]",
            f"{normal:.0%} against {wide[0.01]:.0%}",
            normal >= 0.5 and normal > wide[0.01],
        ),
        (
            "sigmoid: the range hardly matters (shares that train at the best rate "
            "within 20 points)",
            ", ".join(f"{name} {share:.0%}" for name, share in ranges.items()),
            max(ranges.values()) - min(ranges.values()) <= 0.2,
        ),
        (
            "with cross-entropy ReLU from U[-1, 1] trains more often, at the best rate",
            ", ".join(f"{name} {share:.0%}" for name, share in best.items()),
            best["cross-entropy"] > best["squared error"],
        ),
    ]


def _shares(rows: Rows) -> Table:
    lines = [
        [
            f"{activation}, {loss}, {initializer}",
            *(
                f"{_share(cell, initializer=initializer, rate=rate):.0%}"
                for rate in RATES
            ),
        ]
        for activation, loss in _kinds(rows)
        for cell in [where(rows, activation=activation, loss=loss)]
        for initializer in INITIALIZERS
    ]
    return Table(
        "Share of networks that train, over depths, seeds and data sets, by rate",
        ["", *(f"{rate:g}" for rate in RATES)],
        lines,
    )


def _boundary(rows: Rows, limits: Mapping[Any, float]) -> Table:
    """Tells what becomes of networks below and above the predicted boundary."""
    lines = []
    for activation, loss in _kinds(rows):
        for side in ("below", "above"):
            each = [
                row
                for row in where(rows, activation=activation, loss=loss)
                if np.isfinite(limits.get(_key(row), np.nan))
                and (row["rate"] > limits[_key(row)]) == (side == "above")
            ]
            trains = [row["accuracy"] >= TRAINED for row in each]
            # Not below the start: higher, or not a number.
            climbs = [not row["last_loss"] <= row["first_loss"] for row in each]
            line = [f"{activation}, {loss}, {side} 2/λ_max", str(len(each))]
            line += [f"{np.mean(v):.0%}" if each else "" for v in (trains, climbs)]
            lines.append(line)
    return Table(
        "Below and above the predicted boundary",
        ["", "networks", "train", "end with a higher loss than at the start"],
        lines,
    )


def _law(rows: Rows, path: Path) -> tuple[Table, list[tuple[str, str, bool]], Path]:
    """Fits how the curvature grows with depth when all weights double."""
    lines, claims = [], []
    kinds = _kinds(rows)
    figure = Figure(figsize=(4 * len(kinds), 3.8), layout="constrained")
    grid = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for axes, (activation, loss) in zip(grid, kinds, strict=True):
        cell = where(rows, activation=activation, loss=loss)
        line = [f"{activation}, {loss}"]
        for color, (name, what) in enumerate(_QUANTITIES.items()):
            points = _doublings(cell, name)
            axes.plot(*points.T, "o", ms=4, color=f"C{color}", label=what, alpha=0.7)
            if len(set(points[:, 0])) < 2 or len(points) < 3:
                line.append("")  # No line, or no error of it.
                continue
            fit = scipy.stats.linregress(*points.T)
            error = fit.stderr * scipy.stats.t.ppf(0.975, len(points) - 2)
            line.append(f"{fit.slope:.2f} ± {error:.2f}")
            ends = np.array([points[:, 0].min(), points[:, 0].max()])
            axes.plot(ends, fit.intercept + fit.slope * ends, color=f"C{color}", lw=1)
            if activation == "relu":
                claims.append(
                    (
                        f"2^d: when all weights double, the {what} grows by a factor "
                        f"2 a layer, {loss}",
                        f"by 2^({fit.slope:.2f} ± {error:.2f}) a layer",
                        bool(abs(fit.slope - 1) <= error and error < 1),
                    )
                )
        lines.append(line)
        depths = np.array(sorted({row["depth"] + 1 for row in rows}))
        axes.plot(depths, depths, "--", color="black", lw=1, label="2^d")
        axes.set_title(f"{activation}, {loss}", loc="left", fontsize=10)
        axes.set_xlabel("layers d")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0].set_ylabel("log2 of the growth when\nall weights double")
    figure.legend(
        *grid[0].get_legend_handles_labels(),
        frameon=False,
        loc="outside lower center",
        ncols=4,
    )
    figure.savefig(path)
    table = Table(
        "From U[-0.5, 0.5] to the same weights doubled: slope of log2 of the growth "
        "over the number of layers, ± 95 % (the answer expects 1)",
        ["", *_QUANTITIES.values()],
        lines,
    )
    return table, claims, path


def _doublings(rows: Rows, name: str) -> np.ndarray:
    """Returns the number of layers, and log2 of the growth of a quantity."""
    sign = 1 if name == "gradient" else -1
    points = []
    for row in where(rows, initializer="U[-0.5, 0.5]"):
        same = ("dataset", "depth", "seed")
        (*_, twice) = [None] + where(
            rows, initializer="U[-1, 1]", **{key: row[key] for key in same}
        )
        values = (row[name], twice[name]) if twice else (0, 0)
        if all(0 < value < np.inf for value in values):
            growth = sign * np.log2(values[1] / values[0])
            points.append((row["depth"] + 1, growth))
    return np.array(points).reshape(-1, 2)


def _map(rows: Rows, limits: Mapping[Any, float], path: Path) -> Path:
    """Draws accuracy over initializer and rate, with the predicted boundary."""
    kinds, depths = _kinds(rows), sorted({row["depth"] for row in rows})
    size = (1.9 * len(depths) + 3.4, 1.9 * len(kinds) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(
        len(kinds), len(depths), squeeze=False, sharex=True, sharey=True
    )
    logs = np.log10(RATES)
    colors = matplotlib.colormaps["viridis"]
    for axes_row, (activation, loss) in zip(grid, kinds, strict=True):
        for axes, depth in zip(axes_row, depths, strict=True):
            cell = where(rows, activation=activation, loss=loss, depth=depth)
            for place, name in enumerate(INITIALIZERS):
                each = where(cell, initializer=name)
                for x, rate in zip(logs, RATES, strict=True):
                    found = [row["accuracy"] for row in where(each, rate=rate)]
                    if found:
                        color = colors(np.mean(found))
                        axes.bar(x, 1, 1, place - 0.5, color=color)
                known = {_key(row): limits.get(_key(row), np.nan) for row in each}
                limit = median([v for v in known.values() if np.isfinite(v)])
                if np.isfinite(limit):
                    edge = np.clip(np.log10(limit), logs[0] - 0.5, logs[-1] + 0.5)
                    axes.plot([edge] * 2, [place - 0.5, place + 0.5], "r", lw=3)
            axes.set_xlim(logs[0] - 0.55, logs[-1] + 0.55)
            axes.set_title(f"{depth} hidden", loc="left", fontsize=9)
        axes_row[0].set_yticks(range(len(INITIALIZERS)), list(INITIALIZERS))
        axes_row[0].set_ylabel(f"{activation}\n{loss}", fontsize=9)
    for axes in grid[-1]:
        axes.set_xticks(logs, [f"{x:.0f}" for x in logs])
        axes.set_xlabel("log10 of the rate", fontsize=9)
    drawn = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 100), colors)
    figure.colorbar(drawn, ax=grid, label="accuracy (%)", shrink=0.6)
    figure.suptitle(path.stem.removeprefix("map-"), fontsize=11)
    figure.savefig(path)
    return path


def _kinds(rows: Rows) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["activation"], row["loss"]) for row in rows))


def _key(row: Mapping[str, Any]) -> Sequence[Any]:
    names = ("dataset", "activation", "loss", "depth", "initializer", "seed")
    return tuple(row[name] for name in names)
