"""What the report of `skorski-hessian` shows: its claims, held or not, by number."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments.engine.frame import Results
from experiments.reporting.report import Claim, Part, Table, claims_table
from experiments.reporting.statistics import Rows, median, quantile, where
from experiments.skorski2020 import norms, views
from experiments.skorski2020.cells import DESCENT_STEPS, INITIALIZERS, RATE
from experiments.skorski2020.norms import EXACT, NEAR

_SHAPES = [(10, 10), (16, 16), (64, 64), (256, 256), (784, 10), (784, 64), (784, 256)]
_DRAWS = 20


def report(results: Results, folder: Path) -> list[Part]:
    """Claims, then norms, theorems and rates in tables and pictures."""
    rows = results.rows
    layers = [row for row in rows if row["layer"] is not None]
    start = [row for row in layers if row["epoch"] == 0]
    networks = [row for row in rows if row["layer"] is None and row["epoch"] == 0]
    widths, depths, activations = (
        sorted({row[name] for row in rows}) for name in ("width", "depth", "activation")
    )
    matrices, of_matrices = _matrices()
    assumptions, of_assumptions = _assumptions()
    claims = [*of_assumptions, *_norm_claims(start), *_theorem_claims(start)]
    claims += [*_rate_claims(networks), *of_matrices]
    return [
        f"Networks of {min(depths)} to {max(depths)} hidden layers of "
        f"{min(widths)} to {max(widths)} units, {', '.join(activations)}, on "
        f"{', '.join(sorted({row['dataset'] for row in rows}))}, cross-entropy; "
        f"{rows[0]['samples']} samples. All weights of "
        f"{len(networks)} networks, and the kernels of {len(start)} layers. "
        f"They descend at a rate of {RATE}, the same for all. "
        f"{sum(not row['hessian'] < np.inf for row in start)} of the layers have no "
        f"finite curvature, and {sum(row['hessian'] == 0 for row in start)} have a "
        "norm of 0, where signals or gradients vanish: both are left out of ratios and "
        "medians.",
        claims_table("Claims of the paper", claims),
        assumptions,
        views.norm_table(layers),
        views.over_depth(start, folder / "depth.png"),
        views.over_steps(layers, folder / "steps.png"),
        views.theorem_table(start),
        views.scatter(
            {
                "theorem 1": ("gauss_newton", "hessian"),
                "theorem 2, input of the layer": ("bound", "hessian"),
                "theorem 2, as printed": ("printed", "hessian"),
            },
            start,
            folder / "theorems.png",
            "activation",
        ),
        views.rate_table(networks),
        views.scatter(
            {
                "1 step": ("limit", "one_step"),
                f"{DESCENT_STEPS} steps": ("limit", "found"),
            },
            networks,
            folder / "rates.png",
            "initializer",
        ),
        matrices,
    ]


def _assumptions() -> tuple[Table, list[Claim]]:
    """Takes the value and the curvature at 0 of activations, by differences."""
    steps = (0.1, 0.01, 0.001)
    lines, fails = [], []
    for name in ("linear", "sigmoid", "tanh", "relu"):
        activation = keras.activations.get(name)

        def f(value: float, activation: Any = activation) -> float:
            point = keras.ops.convert_to_tensor([value], "float64")
            return float(keras.ops.convert_to_numpy(activation(point))[0])

        second = [(f(h) - 2 * f(0.0) + f(-h)) / h**2 for h in steps]
        lines.append([name, *(f"{value:.4g}" for value in [f(0.0), *second])])
        if abs(f(0.0)) > EXACT:
            fails.append(f"{name}: f(0) = {f(0.0):g}")
        if abs(second[-1]) > EXACT:
            fails.append(
                f"{name}: (f(h) - 2 f(0) + f(-h)) / h² goes from {second[0]:.3g} to "
                f"{second[-1]:.3g} as h falls, so that f''(0) does not exist"
            )
    table = Table(
        "The assumption f(0) = 0, f''(0) = 0: second differences at step h",
        ["activation", "f(0)", *(f"h = {h:g}" for h in steps)],
        lines,
    )
    claim = "f(0) = 0 and f''(0) = 0 for linear, sigmoid, tanh, relu (section 1.2)"
    return table, [(claim, "; ".join(fails) or "all four", not fails)]


def _norm_claims(start: Rows) -> list[Claim]:
    claims: list[Claim] = []
    distance = {
        name: median(abs(np.log2(norms.norms(start, initializer=name))))
        for name in INITIALIZERS
    }
    schemes = ("skorski_normal", "jacobian_norm")
    for scheme in schemes:
        of_scheme = norms.norms(start, initializer=scheme)
        claims.append(
            (
                f"{scheme}: the Hessian norm of a layer starts at about 1 (median "
                f"between 1/{NEAR:g} and {NEAR:g})",
                f"median {median(of_scheme):.3g}, "
                f"{norms.near(of_scheme):.0%} of layers within",
                bool(1 / NEAR <= median(of_scheme) <= NEAR),
            )
        )
    others = [name for name in INITIALIZERS if name not in schemes]
    best = min(distance[scheme] for scheme in schemes)
    claims.append(
        (
            "the paper's schemes start nearer to 1 than all others",
            "median distance in factors of 2: "
            + ", ".join(f"{name} {value:.1f}" for name, value in distance.items()),
            bool(best <= min(distance[name] for name in others)),
        )
    )
    ours = [row for row in start if row["initializer"] == "jacobian_norm"]
    largest = max((row["hessian"] for row in ours), default=np.nan)
    claims.append(
        (
            "Corollary 1: Jacobians of norm 1 bound the Hessian (jacobian_norm; each "
            f"norm at most {NEAR:g})",
            f"largest norm {largest:.3g}",
            bool(largest <= NEAR),
        )
    )
    return claims


def _theorem_claims(start: Rows) -> list[Claim]:
    claims: list[Claim] = []
    for activation in dict.fromkeys(row["activation"] for row in start):
        errors = norms.errors(where(start, activation=activation))
        limit, what = (EXACT, "exact") if activation == "relu" else (0.1, "good")
        text = "Remark 1" if activation == "relu" else "Remark 2"
        claims.append(
            (
                f"{text}: theorem 1 is {what} at the start for {activation} (relative "
                f"error of the norm at most {limit:g} in 9 of 10 layers)",
                f"median {median(errors):.2g}, 90 % below {quantile(errors, 90):.2g}",
                bool(quantile(errors, 90) <= limit),
            )
        )
    for name, what in (
        ("printed", "as printed"),
        ("linear", "with ‖H_z‖, squares and ‖z0‖²"),
        ("bound", "with ‖H_z‖, squares and the input of the layer"),
    ):
        ratios = norms.ratios(start, name)
        claims.append(
            (
                f"Theorem 2, {what}, bounds the norm of the Hessian",
                f"at {np.mean(ratios >= 1 - EXACT):.1%} of layers; "
                f"median {median(ratios):.3g} times the norm",
                bool((ratios >= 1 - EXACT).all()),
            )
        )
    return claims


def _rate_claims(networks: Rows) -> list[Claim]:
    known = [row for row in networks if np.isfinite(row["found"])]
    one, many = (
        np.array([row[name] / row["inverse_norm"] for row in known])
        for name in ("one_step", "found")
    )
    limit = np.array([row["found"] / row["limit"] for row in known])
    return [
        (
            "a step of 1/‖H‖ decreases the loss (section 1.2)",
            f"in {np.mean(one >= 1):.1%} of {len(known)} networks",
            bool((one >= 1).all()),
        ),
        (
            "1/‖H‖ is the largest such step",
            f"it is {median(one):.3g} times 1/‖H‖ in the median",
            bool(np.mean((one >= 1 / NEAR) & (one <= NEAR)) > 0.5),
        ),
        (
            f"1/‖H‖ at the start is stable for {DESCENT_STEPS} steps",
            f"in {np.mean(many >= 1):.1%} of networks",
            bool((many >= 1).all()),
        ),
        (
            f"2/λ_max at the start tells the largest stable rate of {DESCENT_STEPS} "
            f"steps to a factor of {NEAR:g}",
            f"in {norms.near(limit):.1%} of networks; median ratio {median(limit):.3g}",
            bool(norms.near(limit) > 0.5),
        ),
    ]


def _matrices() -> tuple[Table, list[Claim]]:
    """Draws matrices: Corollary 2's norm, and Remark 3's factor to Glorot's."""
    rng = np.random.default_rng(0)
    lines, ratios, factors = [], [], []
    for m, n in _SHAPES:
        drawn = [np.linalg.norm(rng.standard_normal((m, n)), 2) for _ in range(_DRAWS)]
        ratio = np.array(drawn) / (np.sqrt(m) + np.sqrt(n))
        keras.utils.set_random_seed(0)
        sd = [_sd(name, (m, n)) for name in ("skorski_normal", "glorot_normal")]
        ratios.append(ratio.mean())
        factors.append(sd[0] / sd[1])
        lines.append(
            [
                f"{m} x {n}",
                f"{ratio.mean():.3f} ± {ratio.std(ddof=1):.3f}",
                f"{factors[-1]:.3f}",
            ]
        )
    table = Table(
        f"Normal matrices, mean ± sd of {_DRAWS}",
        ["m x n", "‖W‖ / ((√m + √n) σ)", "sd of skorski_normal / glorot_normal"],
        lines,
    )
    low, high = min(factors), max(factors)
    claims: list[Claim] = [
        (
            "Corollary 2: ‖W‖ is (√m + √n) σ on average (within 10 %)",
            f"{min(ratios):.3f} to {max(ratios):.3f} times that",
            all(abs(ratio - 1) <= 0.1 for ratio in ratios),
        ),
        (
            "Remark 3: the scheme is a factor between 1/√2 and 1 from Glorot's",
            f"{low:.3f} to {high:.3f}; equation 3 has a √2 that the remark leaves out, "
            f"and without it the factor is {low * 2**0.5:.3f} to {high * 2**0.5:.3f}",
            # The sd of drawn entries is known to about 1 %.
            low >= 0.99 / 2**0.5 and high <= 1.01,
        ),
    ]
    return table, claims


def _sd(initializer: str, shape: tuple[int, int]) -> float:
    """Returns the standard deviation of the entries of some kernels."""
    # A new object for each: one keeps its seed.
    kernels = [keras.initializers.get(initializer)(shape) for _ in range(_DRAWS)]
    return float(np.std([keras.ops.convert_to_numpy(kernel) for kernel in kernels]))
