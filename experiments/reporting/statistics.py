"""Statistics of rows of results, in which numbers may be missing."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

Rows = Sequence[Mapping[str, Any]]

_SIGNS = 2**16  # All of them up to 16 seeds; for more, so many at random.


def where(rows: Rows, **values: Any) -> list[Mapping[str, Any]]:
    """Returns the rows that have these values.

    Examples:
        >>> where([{"depth": 2, "layer": 0}, {"depth": 5, "layer": 0}], depth=5)
        [{'depth': 5, 'layer': 0}]
    """
    return [
        row
        for row in rows
        if all(row.get(name) == value for name, value in values.items())
    ]


def median(values: Any) -> float:
    """Returns the median, NaN of nothing."""
    return quantile(values, 50)


def quantile(values: Any, percent: float) -> float:
    """Returns a percentile, NaN of nothing."""
    return float(np.percentile(values, percent)) if len(values) else np.nan


def sign_flip_p(differences: np.ndarray) -> float:
    """Returns the two-sided p of a mean of paired differences, over all their signs.

    Examples:
        >>> sign_flip_p(np.array([1.0, 2.0, 3.0]))
        0.25
    """
    if len(differences) < 2 or not differences.any():
        return 1.0
    test = scipy.stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=_SIGNS,
        vectorized=True,
        rng=0,
    )
    return float(test.pvalue)
