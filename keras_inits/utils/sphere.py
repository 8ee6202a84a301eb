"""Quadratics on a sphere: the equation in one unknown that their minimum solves."""

import numpy as np


def minimize_on_sphere(
    curvatures: np.ndarray, slopes: np.ndarray, squared_radius: float
) -> np.ndarray:
    """Finds the `u` on a sphere that minimize diagonal quadratics, column by column.

    The minimum of `sum(a u^2 / 2 - g u)` over `|u|^2 = c` is `u = g / (a + l)` with the
    one `l >= -min(a)` at which `|u|^2 = c`, the secular equation. Where no such `l` is
    left, as `g` is 0 wherever `a` is least (the hard case), `l = -min(a)`, and what is
    missing to `c` goes to the first such entry.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.utils.sphere import minimize_on_sphere
    >>> a, g = np.array([[2.0], [2.0]]), np.array([[3.0], [4.0]])
    >>> print(minimize_on_sphere(a, g, 1.0).T)
    [[0.6 0.8]]

    Args:
        curvatures: `a`, `(n, columns)` or `(n, 1)`.
        slopes: `g`, `(n, columns)`.
        squared_radius: `c`, positive.

    Returns:
        `u`, `(n, columns)`.

    Reference:
        [Moré and Sorensen, 1983](https://doi.org/10.1137/0904038), section 3.
    """
    curvatures = np.broadcast_to(curvatures, slopes.shape)
    radius = np.sqrt(squared_radius)
    # With t = l + min(a) the denominators are exact where they are small.
    offsets = curvatures - curvatures.min(axis=0)
    softest = offsets == 0
    t = np.sqrt(np.sum(np.where(softest, slopes, 0) ** 2, axis=0)) / radius

    def at(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        denominators = offsets + t
        # 0 / 0 is an entry that takes no part: the hard case, seen to below.
        safe = np.where(denominators > 0, denominators, 1)
        return np.where(denominators > 0, slopes / safe, 0), safe

    # 1 / |u| is increasing and concave in t, so Newton's method from below, where
    # |u| >= c, comes nearer with every step and never goes past the root.
    for _ in range(_STEPS):
        u, denominators = at(t)
        norm = np.sqrt(np.sum(u**2, axis=0))
        outside = norm > radius
        slope = np.sum(u**2 / denominators, axis=0)
        step = np.zeros_like(t)
        np.divide((norm / radius - 1) * norm**2, slope, out=step, where=outside)
        t = t + step
        if np.all(step <= _PRECISION * t):
            break

    u, _ = at(t)
    missing = np.maximum(squared_radius - np.sum(u**2, axis=0), 0)
    first = softest.argmax(axis=0), np.arange(slopes.shape[1])
    hard = t == 0
    u[first] = np.where(hard, np.sqrt(missing), u[first])
    return u


# Newton's method takes some ten steps; from a nearly hard case some more.
_STEPS = 100
_PRECISION = 1e-15
