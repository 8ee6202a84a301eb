"""Sansone & De Natale (2017): what a logistic unit passes on, and the bound on it.

A logit `z` of mean `mu` and standard deviation `sigma`, taken for normal, gives the
output `y = 1 / (1 + exp(-z))`. Entropies are in nats.
"""

import math
from collections.abc import Callable

import numpy as np
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats

BOUND_STD = math.sqrt(math.pi / 2)
"""Theorem 1: the standard deviation of the logit at which the bound is largest."""

_TAILS = 40.0  # Standard deviations, past which nothing is left.


def density(y: np.ndarray, mu: float, sigma: float) -> np.ndarray:
    """Returns the density of the output (equation 1).

    Examples:
        >>> round(float(density(np.array(0.5), 0.0, 1.0)), 4)
        1.5958

    Args:
        y: Outputs, between 0 and 1.
        mu: Mean of the logit.
        sigma: Standard deviation of the logit, positive.
    """
    logit = scipy.special.logit(y)
    return scipy.stats.norm.pdf(logit, mu, sigma) / (y * (1 - y))


def entropy(mu: float, sigma: float) -> float:
    """Returns the differential entropy of the output, by quadrature (equation 2).

    Examples:
        >>> -2 * math.log(2) <= entropy(0.0, 1.2) - bound(0.0, 1.2) < 0
        True

    Args:
        mu: Mean of the logit.
        sigma: Standard deviation of the logit, positive.
    """
    # The log of the derivative of the logistic function, without overflow.
    slope = _mean(lambda z: -np.logaddexp(0.0, z) - np.logaddexp(0.0, -z), mu, sigma)
    return _normal_entropy(sigma) + slope


def bound(mu: float, sigma: float) -> float:
    """Returns the upper bound `H_B` on the entropy (equation 4).

    The entropy lies below it by `2 ln 2` at most (equation 3).

    Args:
        mu: Mean of the logit.
        sigma: Standard deviation of the logit, positive.
    """
    return (
        _normal_entropy(sigma)
        - mu * math.erf(mu / (sigma * math.sqrt(2)))
        - 2 * sigma / math.sqrt(2 * math.pi) * math.exp(-(mu**2) / (2 * sigma**2))
    )


def ridge(mu: float) -> float:
    """Returns the standard deviation at which the bound is largest (theorem 1).

    Examples:
        >>> ridge(0.0) == BOUND_STD
        True

    Args:
        mu: Mean of the logit.
    """
    w = scipy.special.lambertw(2 * mu**2 / math.pi).real
    return BOUND_STD * math.exp(float(w) / 2)


def best_std(mu: float = 0.0) -> float:
    """Returns the standard deviation at which the entropy itself is largest.

    Examples:
        >>> round(best_std(), 3)
        1.749

    Args:
        mu: Mean of the logit.
    """
    found = scipy.optimize.minimize_scalar(
        lambda sigma: -entropy(mu, sigma),
        bounds=(0.2, 20.0 + 4 * abs(mu)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x)


def moments(mu: float, sigma: float) -> tuple[float, float]:
    """Returns mean and variance of the output.

    Examples:
        >>> [round(moment, 5) for moment in moments(0.0, BOUND_STD)]
        [0.5, 0.05896]

    Args:
        mu: Mean of the logit.
        sigma: Standard deviation of the logit, positive.
    """
    mean = _mean(scipy.special.expit, mu, sigma)
    return mean, _mean(lambda z: (scipy.special.expit(z) - mean) ** 2, mu, sigma)


def gradient_factor(sigma: float) -> float:
    """Returns by what a layer of as many units as inputs passes gradients back.

    With logits of mean 0, units whose weights have the squared length `sigma**2 / k`,
    `k` the variance of the outputs, and gradients that are independent of them, it is
    `sigma sqrt(E[g'(z)**2] / k)`: of the root mean square of the gradients.

    Examples:
        >>> round(gradient_factor(BOUND_STD), 3)
        1.03

    Args:
        sigma: Standard deviation of the logit, positive.
    """

    def squared_slope(z: float) -> float:
        y = float(scipy.special.expit(z))
        return (y * (1 - y)) ** 2

    _, variance = moments(0.0, sigma)
    return sigma * math.sqrt(_mean(squared_slope, 0.0, sigma) / variance)


def _mean(function: Callable[[float], float], mu: float, sigma: float) -> float:
    """Returns the mean of a function of the logit."""

    def integrand(z: float) -> float:
        return function(mu + sigma * z) * math.exp(-(z**2) / 2)

    # Both logistic and its slope bend at logit 0.
    bend = min(max(-mu / sigma, -_TAILS / 2), _TAILS / 2)
    points = [bend, *(bend + side * width for side in (-1, 1) for width in (1, 8))]
    integral, _ = scipy.integrate.quad(
        integrand,
        -_TAILS,
        _TAILS,
        points=[point for point in points if abs(point) < _TAILS],
        epsabs=1e-13,
        epsrel=1e-12,
        limit=200,
    )
    return float(integral / math.sqrt(2 * math.pi))


def _normal_entropy(sigma: float) -> float:
    return 0.5 + 0.5 * math.log(2 * math.pi * sigma**2)
