"""Whether what the paper says of a few seeds is decided by ours."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats

SIGNIFICANT = 0.05


def finished(frame: pd.DataFrame, rows_per_run: int) -> pd.DataFrame:
    """Returns the rows of runs that have been trained to their end.

    Args:
        frame: Rows of results, under the key of their run.
        rows_per_run: Epochs that a run has in the end.
    """
    last = frame.groupby(level=0)["epoch"].transform("max")
    return frame[last == rows_per_run - 1]


def have_all(frame: pd.DataFrame, methods: Sequence[str], seeds: int) -> bool:
    """Tells whether every seed of some methods is there, to be judged by.

    Args:
        frame: Rows of results that are finished.
        methods: The methods that are compared.
        seeds: Number of seeds.
    """
    known = set(zip(frame["method"], frame["seed"], strict=True))
    return {(m, s) for m in methods for s in range(seeds)} <= known


def p_value(differences: np.ndarray) -> float:
    """Returns the two-sided p of paired differences, by Student's t.

    Four seeds, as the paper has, can decide by it, and by their signs alone cannot.

    Examples:
        >>> round(p_value(np.array([1.0, 1.2, 0.9, 1.1])), 4)
        0.0005
    """
    if len(differences) < 2 or not differences.any():
        return 1.0
    if np.ptp(differences) < 1e-9 * abs(differences.mean()):  # Nothing to test.
        return 0.0
    return float(scipy.stats.ttest_1samp(differences, 0.0).pvalue)


def above_zero(gaps: Sequence[np.ndarray]) -> bool | None:
    """Returns whether all differences are above 0; `None` if seeds do not decide it.

    Args:
        gaps: Of each rival the differences of all seeds.

    Examples:
        >>> up = np.array([1.0, 1.2, 0.9, 1.1])
        >>> above_zero([up, 2 * up]), above_zero([up, -up]), above_zero([up, up - 1])
        (True, False, None)
    """
    return held([of.mean() > 0 for of in gaps], [p_value(of) for of in gaps])


def held(ahead: Sequence[bool], p: Sequence[float]) -> bool | None:
    """Returns whether one is ahead of all rivals; `None` if seeds do not decide it.

    Args:
        ahead: Of each rival, whether it is behind.
        p: And how likely that is by chance.

    Examples:
        >>> held([True, True], [0.01, 0.02]), held([True, False], [0.3, 0.01])
        (True, False)
        >>> held([True, False], [0.01, 0.3])
    """
    sure = [value < SIGNIFICANT for value in p]
    if any(one and not of for one, of in zip(sure, ahead, strict=True)):
        return False
    return True if all(sure) else None


def least_spread(values: Mapping[str, np.ndarray], method: str) -> bool | None:
    """Returns whether a method's seeds differ least; `None` if they do not decide it.

    By the ratio of variances (Fisher's F) to each other method.

    Args:
        values: Of each method the values of all seeds.
        method: The one that is said to vary least.

    Examples:
        >>> seeds = np.array([1.0, 2.0, 3.0, 4.0])
        >>> least_spread({"a": seeds, "b": 9 * seeds}, "a")
        True
        >>> least_spread({"a": seeds, "b": 2 * seeds}, "a")
    """
    own = values[method]
    ratios = [
        of.var(ddof=1) / own.var(ddof=1)
        for name, of in values.items()
        if name != method
    ]
    degrees = len(own) - 1
    if all(scipy.stats.f.sf(r, degrees, degrees) < SIGNIFICANT for r in ratios):
        return True
    if any(scipy.stats.f.cdf(r, degrees, degrees) < SIGNIFICANT for r in ratios):
        return False
    return None
