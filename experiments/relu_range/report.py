"""What the report of `relu-range` shows: who trains, and what predicts it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.stats

from experiments.engine.frame import Results
from experiments.relu_range import toy, views
from experiments.relu_range.cells import DESCENT_STEPS, INITIALIZERS, RATES, key, kinds
from experiments.relu_range.views import Growth
from experiments.reporting.report import Claim, Part, Table, claims_table
from experiments.reporting.statistics import Rows, median, where

TRAINED = 0.3
"""Accuracy on the training samples, three times chance, from which it trains."""

STAYS = 0.01
"""Part by which a loss may move and is still the same."""

NEAR_ONE = 0.1
"""How far from 1 the exponent of an approximate law of 2^d may be."""

_QUANTITIES = {
    "gradient": "norm of the gradient",
    "limit": "λ_max / 2",
    "found": f"1 / largest stable rate of {DESCENT_STEPS} steps",
}


def report(results: Results, folder: Path) -> list[Part]:
    """Claims, maps of who trains, the law of 2^d, and the toy."""
    trained = [row for row in results.rows if row["rate"] is not None]
    measured = [row for row in results.rows if row["rate"] is None]
    limits = {key(row): row["limit"] for row in measured}
    law, of_law, picture = _law(measured, folder / "doubling.png")
    of_toy, map_of_toy = toy.compare(folder / "toy.png")
    claims = [*_question(trained), *of_law, *of_toy]
    depths = sorted({row["depth"] for row in trained})
    seeds = len({row["seed"] for row in trained})
    return [
        f"Networks of {depths[0]} to {depths[-1]} hidden layers of "
        f"{trained[0]['width']} units, from {seeds} seeds, trained by gradient descent "
        f"in batches of {trained[0]['batch_size']}: {len(trained)} in all. One trains "
        f"if it gets {TRAINED:.0%} of its training samples right, three times chance. "
        "The squared error is summed over classes.",
        claims_table("Claims of the question and the answer", claims),
        *(
            views.rates(
                where(trained, dataset=name), limits, folder / f"map-{name}.png"
            )
            for name in dict.fromkeys(row["dataset"] for row in trained)
        ),
        "Colour: mean accuracy on the training samples. Red line: the predicted "
        "boundary 2/λ_max at the start, median over seeds; at an edge it lies beyond. "
        "A row without a line has no positive curvature at the start.",
        _shares(trained),
        _failures(trained, measured),
        _boundary(trained, limits),
        law,
        picture,
        map_of_toy,
    ]


def _share(rows: Rows, **values: Any) -> float:
    trains = [row["accuracy"] >= TRAINED for row in where(rows, **values)]
    return float(np.mean(trains)) if trains else np.nan


def _question(rows: Rows) -> list[Claim]:
    asked = where(rows, loss="squared error")
    relu, sigmoid = (where(asked, activation=name) for name in ("relu", "sigmoid"))
    entropy = where(rows, loss="cross-entropy", activation="relu")
    if not (relu and sigmoid and entropy):
        return []  # It compares them.
    wide, half = (
        {rate: _share(relu, initializer=name, rate=rate) for rate in RATES}
        for name in ("U[-1, 1]", "U[-0.5, 0.5]")
    )

    def shares(by_rate: Mapping[float, float]) -> str:
        return ", ".join(f"{share:.0%} at {rate:g}" for rate, share in by_rate.items())

    normal = _share(relu, initializer="N(0, 1)", rate=0.01)
    ranges = {
        name: max(_share(sigmoid, initializer=name, rate=rate) for rate in RATES)
        for name in ("U[0, 1]", "U[-1, 1]", "U[-0.5, 0.5]")
    }
    stuck = [
        row
        for rate in (0.01, 0.001)
        for row in where(relu, initializer="U[-1, 1]", rate=rate)
        if row["accuracy"] < TRAINED
    ]
    stays, _, climbs = _moved(stuck)
    best = {
        name: max(_share(of_loss, initializer="U[-1, 1]", rate=rate) for rate in RATES)
        for name, of_loss in (("squared error", relu), ("cross-entropy", entropy))
    }
    return [
        (
            "ReLU from U[-1, 1] does not train at 0.01 and 0.001 (under half)",
            f"trains: {shares(wide)}",
            max(wide[0.01], wide[0.001]) < 0.5,
        ),
        (
            "... because the error stays the same, epoch after epoch (of those that do "
            "not train, over half)",
            f"stays: {stays:.0%}, climbs: {climbs:.0%} of {len(stuck)}",
            stays > 0.5,
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
        for activation, loss in kinds(rows)
        for cell in [where(rows, activation=activation, loss=loss)]
        for initializer in INITIALIZERS
    ]
    return Table(
        "Share of networks that train, over depths, seeds and data sets, by rate",
        ["", *(f"{rate:g}" for rate in RATES)],
        lines,
    )


def _failures(trained: Rows, measured: Rows) -> Table:
    """Shows how the loss of those that do not train has moved."""
    lines = []
    for activation, loss in kinds(trained):
        for initializer in INITIALIZERS:
            about = {"activation": activation, "loss": loss, "initializer": initializer}
            selected = [r for r in where(trained, **about) if r["accuracy"] < TRAINED]
            moved = _moved(selected)
            slopes = [row["gradient"] for row in where(measured, **about)]
            lines.append(
                [
                    f"{activation}, {loss}, {initializer}",
                    str(len(selected)),
                    *(f"{share:.0%}" if selected else "" for share in moved),
                    f"{median([v for v in slopes if np.isfinite(v)]):.2g}",
                ]
            )
    return Table(
        "Networks that do not train: what the loss did (it stays if it moves by at "
        f"most {STAYS:.0%}), and the norm of the gradient at the start, a median over "
        "all",
        ["", "networks", "stays", "falls", "climbs", "gradient"],
        lines,
    )


def _moved(rows: Rows) -> tuple[float, float, float]:
    """Returns the shares of losses that stay, fall, and climb or are not a number."""
    change = np.array([row["last_loss"] / row["first_loss"] - 1 for row in rows])
    stays, falls = abs(change) <= STAYS, change < -STAYS
    if not len(change):
        return np.nan, np.nan, np.nan
    shares = float(stays.mean()), float(falls.mean())
    return *shares, 1 - sum(shares)


def _boundary(rows: Rows, limits: Mapping[Any, float]) -> Table:
    """Shows what becomes of networks below and above the predicted boundary."""
    lines = []
    for activation, loss in kinds(rows):
        for side in ("below", "above"):
            selected = [
                row
                for row in where(rows, activation=activation, loss=loss)
                if np.isfinite(limits.get(key(row), np.nan))
                and (row["rate"] > limits[key(row)]) == (side == "above")
            ]
            trains = [row["accuracy"] >= TRAINED for row in selected]
            # Not below the start: higher, or not a number.
            climbs = [not row["last_loss"] <= row["first_loss"] for row in selected]
            line = [f"{activation}, {loss}, {side} 2/λ_max", str(len(selected))]
            line += [f"{np.mean(v):.0%}" if selected else "" for v in (trains, climbs)]
            lines.append(line)
    return Table(
        "Below and above the predicted boundary",
        ["", "networks", "train", "end with a higher loss than at the start"],
        lines,
    )


def _law(rows: Rows, path: Path) -> tuple[Table, list[Claim], Path]:
    """Fits how the curvature grows with depth when all weights double."""
    lines = []
    claims: list[Claim] = []
    panels: dict[str, dict[str, Growth]] = {}
    for activation, loss in kinds(rows):
        cell = where(rows, activation=activation, loss=loss)
        panel = panels.setdefault(f"{activation}, {loss}", {})
        line = [f"{activation}, {loss}"]
        for name, what in _QUANTITIES.items():
            points = _doublings(cell, name)
            panel[what] = points, None
            if len(set(points[:, 0])) < 2 or len(points) < 3:
                line.append("")  # No line, or no error of it.
                continue
            # Not least squares: where softmax saturates, a few fall by 2^100.
            fit = scipy.stats.theilslopes(points[:, 1], points[:, 0])
            panel[what] = points, (fit.slope, fit.intercept)
            slope = f"{fit.slope:.2f} [{fit.low_slope:.2f}, {fit.high_slope:.2f}]"
            line.append(slope)
            if activation == "relu":
                claims.append(
                    (
                        f"2^d: when all weights double, the {what} grows about twofold "
                        f"a layer, {loss} (2^s, s within {NEAR_ONE:g} of 1)",
                        f"s = {slope}",
                        bool(abs(fit.slope - 1) <= NEAR_ONE),
                    )
                )
        lines.append(line)
    table = Table(
        "From U[-0.5, 0.5] to the same weights doubled: slope of log2 of the growth "
        "over the number of layers, Theil-Sen [95 %] (the answer expects 1)",
        ["", *_QUANTITIES.values()],
        lines,
    )
    return table, claims, views.growth(panels, path)


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
