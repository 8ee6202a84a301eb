"""Statistics of rows from the ledger, in which numbers may be missing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Rows = Sequence[Mapping[str, Any]]

NEAR = 2.0
"""A norm or ratio is about 1 if it is between 1 / 2 and 2."""

EXACT = 1e-3
"""Relative error below which two norms in float32 are taken to be the same."""


def where(rows: Rows, **values: Any) -> list[Mapping[str, Any]]:
    """Returns the rows that have these values.

    Examples:
        >>> where([{"depth": 2, "layer": 0}, {"depth": 5, "layer": 0}], depth=5)
        [{'depth': 5, 'layer': 0}]
    """
    return [row for row in rows if values.items() <= dict(row).items()]


def norms(rows: Rows, **values: Any) -> np.ndarray:
    """Returns the norms of Hessians that are finite and not 0, of some rows."""
    found = np.array([row["hessian"] for row in where(rows, **values)])
    return found[np.isfinite(found) & (found > 0)]


def errors(rows: Rows) -> np.ndarray:
    """Returns the relative errors of theorem 1 in the norm."""
    known = [row for row in rows if 0 < row["hessian"] < np.inf]
    return np.array([abs(row["gauss_newton"] / row["hessian"] - 1) for row in known])


def ratios(rows: Rows, bound: str) -> np.ndarray:
    """Returns how many times the norm a bound of it is."""
    known = [row for row in rows if 0 < row["hessian"] < np.inf]
    return np.array([row[bound] / row["hessian"] for row in known])


def near(values: Any) -> float:
    """Returns the share of values that are about 1.

    Examples:
        >>> near([0.1, 0.9, 1.9, 3.0])
        0.5
    """
    values = np.asarray(values)
    within = (values >= 1 / NEAR) & (values <= NEAR)
    return float(within.mean()) if values.size else np.nan


def median(values: Any) -> float:
    """Returns the median, NaN of nothing."""
    return quantile(values, 50)


def quantile(values: Any, percent: float) -> float:
    """Returns a percentile, NaN of nothing."""
    return float(np.percentile(values, percent)) if len(values) else np.nan
