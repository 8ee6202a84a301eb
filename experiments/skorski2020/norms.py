"""Statistics of the norms of Hessians, some of which are not finite or 0."""

from typing import Any

import numpy as np

from experiments.reporting.statistics import Rows, where

NEAR = 2.0
"""A norm or ratio is about 1 if it is between 1 / 2 and 2."""

EXACT = 1e-3
"""Relative error below which two norms in float32 are taken to be the same."""


def norms(rows: Rows, **values: Any) -> np.ndarray:
    """Returns the norms of Hessians that are finite and not 0, of some rows."""
    hessian = np.array([row["hessian"] for row in where(rows, **values)])
    return hessian[np.isfinite(hessian) & (hessian > 0)]


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
