"""Whether what is said of methods is decided by a few seeds."""

from collections.abc import Iterable, Mapping, Sequence

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


def chosen(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns of every run the row with the lowest validation objective.

    So the paper chooses what is tested (section 6.2). A run that has none, because it
    was never finite, is left out.

    Args:
        frame: Rows of results, under the key of their run.
    """
    known = frame[frame["val_loss"].notna()].reset_index()
    return known.loc[known.groupby("run", sort=False)["val_loss"].idxmin()]


def of_seeds(by_seed: pd.DataFrame, method: str) -> list[float]:
    """Returns the numbers of a method, of the seeds that are there.

    Args:
        by_seed: Numbers by method and seed, NaN where one has not been run.
        method: The method.

    Examples:
        >>> of_seeds(pd.DataFrame({0: [1.0], 1: [float("nan")]}, index=["he"]), "he")
        [1.0]
    """
    return [float(v) for v in by_seed.loc[[method]].to_numpy()[0] if not np.isnan(v)]


def seeds(numbers: Iterable[int]) -> str:
    """Names the seeds that a report has.

    Args:
        numbers: They, in any order, as often as they come.

    Examples:
        >>> seeds([0, 1, 2, 3, 1]), seeds([0]), seeds([0, 2])
        ('seeds 0 to 3', 'seed 0', 'seeds 0, 2')
    """
    known = sorted({int(number) for number in numbers})
    if len(known) < 2:
        return f"seed {known[0]}" if known else "no seed that is finished"
    if known == list(range(known[0], known[-1] + 1)):
        return f"seeds {known[0]} to {known[-1]}"
    return f"seeds {', '.join(map(str, known))}"


def p_value(differences: np.ndarray) -> float:
    """Returns the two-sided p of paired differences, by Student's t.

    Four seeds, as the paper has, can decide by it, and by their signs alone cannot.
    Signs are what is left where a difference is infinite.

    Examples:
        >>> round(p_value(np.array([1.0, 1.2, 0.9, 1.1])), 4)
        0.0005
        >>> p_value(np.array([np.inf, 1.2, 0.9, 1.1]))
        0.125
    """
    if len(differences) < 2 or not differences.any():
        return 1.0
    if not np.isfinite(differences).all():
        above, below = int((differences > 0).sum()), int((differences < 0).sum())
        return sign_test(above, below)
    if np.ptp(differences) < 1e-9 * abs(differences.mean()):  # Nothing to test.
        return 0.0
    return float(scipy.stats.ttest_1samp(differences, 0.0).pvalue)


def p_text(p: float) -> str:
    """Formats a p.

    Examples:
        >>> p_text(0.0204), p_text(3e-6)
        ('p = 0.020', 'p < 0.001')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def sign_test(above: int, below: int) -> float:
    """Returns the two-sided p of so many pairs one way and the other, ties aside."""
    pairs = above + below
    return float(scipy.stats.binomtest(above, pairs).pvalue) if pairs else 1.0


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

    It is where it is ahead of each of them, each time by a p below 0.05: a chance of
    at most that to be wrong, however many they are. It is not where one of them is
    ahead of it, by a p below 0.05 when multiplied by their number (Bonferroni): one
    of many may be ahead by chance.

    Args:
        ahead: Of each rival, whether it is behind.
        p: And how likely that is by chance.

    Examples:
        >>> held([True, True], [0.01, 0.02]), held([True, False], [0.3, 0.01])
        (True, False)
        >>> held([True, False], [0.01, 0.03])
    """
    if any(
        value * len(p) < SIGNIFICANT
        for value, of in zip(p, ahead, strict=True)
        if not of
    ):
        return False
    return True if all(ahead) and max(p) < SIGNIFICANT else None


def interval(values: np.ndarray) -> str:
    """Formats Student's interval of 90 % for the mean of seeds.

    Examples:
        >>> interval(np.array([1.0, 1.2, 0.9, 1.1]))
        '0.9 to 1.2'
        >>> interval(np.array([1.0]))
        'unknown'
    """
    low, high = ends(values)
    if not np.isfinite([low, high]).all():
        return "unknown"
    return f"{low:.1f} to {high:.1f}"


def within(values: np.ndarray, low: float, high: float) -> bool | None:
    """Returns whether the mean of seeds lies in a range; `None` if it may or may not.

    By its interval of 90 %: both ends in the range are two one-sided tests at 0.05.

    Examples:
        >>> seeds = np.array([1.0, 1.2, 0.9, 1.1])
        >>> within(seeds, 0.5, 1.5), within(seeds, 2, 3), within(seeds, 1.0, 1.1)
        (True, False, None)
    """
    least, most = ends(values)
    if low <= least and most <= high:
        return True
    return False if most < low or least > high else None


def ends(values: np.ndarray) -> tuple[float, float]:
    """Returns the ends of Student's interval of 90 % for the mean of seeds."""
    if len(values) < 2:
        return -np.inf, np.inf
    half = scipy.stats.sem(values) * scipy.stats.t.ppf(0.95, len(values) - 1)
    return float(values.mean() - half), float(values.mean() + half)


def least_spread(values: Mapping[str, np.ndarray], method: str) -> bool | None:
    """Returns whether a method's seeds differ least; `None` if they do not decide it.

    By the ratio of variances (Fisher's F) to each other method; with four seeds one of
    them must be some fifteen times as large to decide.

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
    degrees = len(own) - 1
    if not degrees:
        return None
    least = np.finfo(float).tiny  # Of seeds that are all alike.
    ratios = [
        max(of.var(ddof=1), least) / max(own.var(ddof=1), least)
        for name, of in values.items()
        if name != method
    ]
    tails = [scipy.stats.f.sf(max(r, 1 / r), degrees, degrees) for r in ratios]
    return held([r > 1 for r in ratios], [2 * tail for tail in tails])
