"""Sansone & De Natale (2017): its theory beside what is measured (sections 3 to 5)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special

from experiments.engine.frame import Results
from experiments.reporting.report import Claim, Part, Table, claims_table
from experiments.sansone2017 import entropy, views
from experiments.sansone2017.methods import METHODS
from experiments.sansone2017.start import SAMPLES, units_of

_MU = np.linspace(-6, 6, 121)
_SIGMA = np.linspace(0.1, 8, 159)
_CLOSE = 0.1
"""Part by which a law may be off."""


def report(results: Results, folder: Path) -> list[Part]:
    """What theorem 1 and section 5 say, and what entropy and gradients do.

    Args:
        results: Of `Start` cells.
        folder: Where pictures go.
    """
    frame = results.frame
    best, optimum = entropy.BOUND_STD, entropy.best_std()
    lost = entropy.entropy(0, optimum) - entropy.entropy(0, best)
    # A seed whose gradients explode must not be all that a mean shows.
    by_layer = frame.groupby(["hidden", "method", "layer"], sort=False).median(
        numeric_only=True
    )
    # Norms: the mean square of a layer of more units is of more numbers.
    units = [units_of(hidden)[int(n) - 1] for hidden, _, n in by_layer.index]
    by_layer["gradient"] *= np.sqrt(units)
    return [
        claims_table("What the paper says", [*_of_entropy(), *_of_layers(by_layer)]),
        Table(
            "Where entropy and bound are largest, for a logit of mean mu (nats)",
            [
                "mu",
                "sigma, bound (theorem 1)",
                "sigma, entropy",
                "entropy there",
                "entropy at the bound's",
                "lost",
            ],
            _optima((0.0, 0.5, 1.0, 2.0, 4.0)),
        ),
        f"The entropy itself is largest at mu = 0 and sigma = {optimum:.3f}; the bound "
        f"at sqrt(pi / 2) = {best:.3f}, where {lost:.3f} nats of it are lost. No more "
        "than 0 can be had, that of a uniform output.",
        views.densities(folder / "density.png"),
        views.bounds(_MU, _SIGMA, folder / "entropy.png"),
        *_signal_tables(by_layer),
        views.gradients(by_layer, folder / "gradients.png"),
        f"Medians over {frame['seed'].nunique()} seeds, of {SAMPLES} samples, at the "
        "start. A factor is the norm of the gradients with respect to the outputs of a "
        "layer, by that of the next.",
    ]


def _of_entropy() -> list[Claim]:
    grid = [(float(mu), float(sigma)) for mu in _MU[::10] for sigma in _SIGMA[::8]]
    gaps = [entropy.bound(*point) - entropy.entropy(*point) for point in grid]
    values = np.array([[entropy.bound(mu, sigma) for sigma in _SIGMA] for mu in _MU])
    peak = np.unravel_index(values.argmax(), values.shape)
    ridges = _SIGMA[values.argmax(axis=1)]
    far = max(
        abs(entropy.ridge(mu) - sigma)
        for mu, sigma in zip(_MU, ridges, strict=True)
        if entropy.ridge(mu) < _SIGMA[-1]
    )
    optimum = entropy.best_std()
    _, k = entropy.moments(0, entropy.BOUND_STD)
    _, largest = entropy.moments(0, 1e4)  # Outputs are 0 and 1, as often.
    mu = 1.0
    of_ridge = entropy.ridge(mu)
    slope, t = math.sqrt(2 / math.pi), mu / (of_ridge * math.sqrt(2))
    w = float(scipy.special.lambertw(2 * mu**2 / math.pi).real)
    printed = [math.exp(-(t**2)) / of_ridge, mu / math.sqrt(math.pi) * math.exp(-w)]
    halved = mu / math.sqrt(math.pi) * math.exp(-w / 2)
    return [
        (
            "equation 3: H_B - 2 ln 2 <= H(y) < H_B",
            f"H_B - H(y) is {min(gaps):.3f} to {max(gaps):.3f} on {len(grid)} points; "
            f"2 ln 2 = {2 * math.log(2):.3f}",
            0 < min(gaps) and max(gaps) <= 2 * math.log(2),
        ),
        (
            "theorem 1: H_B is largest at mu = 0, sigma = sqrt(pi / 2) = 1.2533",
            f"on the grid at {_MU[peak[0]]:.2f} and {_SIGMA[peak[1]]:.2f}",
            bool(
                abs(_MU[peak[0]]) < 0.05
                and abs(_SIGMA[peak[1]] - entropy.BOUND_STD) < 0.05
            ),
        ),
        (
            "theorem 1: along mu it is largest at sqrt(pi / 2) exp(W(2 mu^2 / pi) / 2)",
            f"the grid's ridge is within {far:.3f} of it (steps of "
            f"{_SIGMA[1] - _SIGMA[0]:.3f})",
            bool(far <= _SIGMA[1] - _SIGMA[0]),
        ),
        (
            "appendix B: equations 17 and 19, as printed, have that solution (mu = 1)",
            f"17: {printed[0]:.3f} = {slope:.3f}? with the exponent's sign turned "
            f"{math.exp(t**2) / of_ridge:.3f}; 19: t = {t:.3f} = {printed[1]:.3f}? "
            f"with half of W {halved:.3f}; the theorem is right",
            bool(np.allclose(printed, (slope, t), rtol=1e-6)),
        ),
        (
            "section 4: there the most information passes the unit",
            f"the entropy itself is largest at sigma = {optimum:.4f}: it holds of the "
            "bound only",
            abs(optimum / entropy.BOUND_STD - 1) <= _CLOSE,
        ),
        (
            "footnote 9: the output then has variance 0.0589",
            f"{k:.6f}, which is 0.0590 rounded",
            round(math.floor(k * 1e4) / 1e4, 4) == 0.0589,
        ),
        (
            "section 5: where the sufficient condition for vanishing, ||W||_F < 4, "
            "holds, a layer has fewer than 3 units: h_critical = 32 k / pi <= 2.55",
            f"{32 * largest / math.pi:.4f} for the largest k, {largest:.4f}; with that "
            f"of footnote 9 h_critical is {32 * k / math.pi:.2f}: it holds for no "
            "number of units, and where it does not, nothing follows",
            round(32 * largest / math.pi, 2) == 2.55,
        ),
    ]


def _of_layers(by_layer: Any) -> list[Claim]:
    """Judges what is said of hidden layers, on the networks that were measured."""
    claims: list[Claim] = []
    _, k = entropy.moments(0, entropy.BOUND_STD)
    whole = [
        hidden for hidden, known in _known(by_layer).items() if known == [*METHODS]
    ]
    for hidden in whole:
        rows = by_layer.loc[hidden, "random+EP"]
        last = rows.iloc[-1]
        off = last["output_variance"] / k - 1
        first, depth = rows.iloc[0], len(rows)
        claims.append(
            (
                "footnote 9: that is the variance of the outputs of hidden layers, "
                f"{hidden} (random+EP, within {_CLOSE:.0%})",
                f"{first['output_variance']:.4f} in layer 1, "
                f"{last['output_variance']:.4f} in layer {depth}: {off:+.0%}; there "
                f"the logits have variance {last['logit_variance']:.2f}, where "
                f"pi / 2 = {math.pi / 2:.2f}",
                bool(abs(off) <= _CLOSE),
            )
        )
    expected = entropy.gradient_factor(entropy.BOUND_STD)
    for hidden in whole:
        if len(by_layer.loc[hidden, "random+EP"]) < 2:
            continue
        factors = {m: _factor(by_layer.loc[hidden, m]["gradient"]) for m in METHODS}
        text = ", ".join(f"{method} {value:.3f}" for method, value in factors.items())
        claims.append(
            (
                "section 5: gradients do not vanish at the start with EP; measured, "
                f"{hidden} (vanishing: less than {1 - _CLOSE:g} of them a layer)",
                f"factor a layer: {text}; {expected:.3f} is expected of EP with "
                "independent gradients",
                factors["random+EP"] >= 1 - _CLOSE
                and factors["ortho+EP"] >= 1 - _CLOSE,
            )
        )
    return claims


def _known(by_layer: Any) -> dict[str, list[str]]:
    """Returns the methods that were measured of each network."""
    known: dict[str, list[str]] = {}
    for hidden, method in dict.fromkeys(index[:2] for index in by_layer.index):
        known.setdefault(hidden, []).append(method)
    return known


def _factor(gradients: Any) -> float:
    """Returns by what gradients shrink from a layer to the one before, on average."""
    first, last = gradients.iloc[0], gradients.iloc[-1]
    return float((first / last) ** (1 / (len(gradients) - 1)))


def _optima(means: Sequence[float]) -> list[list[str]]:
    rows = []
    for mu in means:
        of_bound, of_entropy = entropy.ridge(mu), entropy.best_std(mu)
        there, at_bound = entropy.entropy(mu, of_entropy), entropy.entropy(mu, of_bound)
        values = (mu, of_bound, of_entropy, there, at_bound, there - at_bound)
        rows.append([f"{value:.3f}" for value in values])
    return rows


def _signal_tables(by_layer: Any) -> list[Table]:
    """Returns a table of the variances of each network, a row a method."""
    tables = []
    for hidden, methods in _known(by_layer).items():
        depth = len(by_layer.loc[hidden, methods[0]])
        shown = sorted({1, 2, max(1, depth // 2), depth})
        rows = []
        for method in methods:
            of_method = by_layer.loc[hidden, method]
            rows.append(
                [
                    method,
                    *(f"{of_method.loc[n, 'output_variance']:.4f}" for n in shown),
                    *(f"{of_method.loc[n, 'logit_variance']:.3g}" for n in shown),
                    f"{_factor(of_method['gradient']):.3f}" if depth > 1 else "",
                ]
            )
        columns = [
            "",
            *(f"output, layer {n}" for n in shown),
            *(f"logit, layer {n}" for n in shown),
            "gradient, factor a layer",
        ]
        tables.append(Table(f"Variances at the start, {hidden}", columns, rows))
    return tables
