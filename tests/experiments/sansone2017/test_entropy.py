"""Tests of the entropy of a logistic unit, against quadrature over its density."""

import math

import numpy as np
import pytest
import scipy.integrate

from experiments.sansone2017 import entropy

POINTS = [(0.0, 0.3), (0.0, 1.2533), (0.7, 1.1), (-2.0, 2.5), (3.0, 0.8)]


def over_density(function, mu, sigma):
    def integrand(y):
        return function(y, entropy.density(np.array(y), mu, sigma))

    points = 1 / (1 + np.exp(-mu - sigma * np.array([-6, -3, 0, 3, 6])))
    return scipy.integrate.quad(
        integrand, 1e-12, 1 - 1e-12, points=points, limit=400, epsabs=1e-10
    )[0]


@pytest.mark.parametrize(("mu", "sigma"), POINTS)
def test_density_moments_and_entropy_agree(mu, sigma):
    assert over_density(lambda y, p: p, mu, sigma) == pytest.approx(1, abs=1e-6)
    mean, variance = entropy.moments(mu, sigma)
    assert over_density(lambda y, p: y * p, mu, sigma) == pytest.approx(mean, abs=1e-6)
    assert over_density(lambda y, p: (y - mean) ** 2 * p, mu, sigma) == pytest.approx(
        variance, abs=1e-6
    )
    by_density = over_density(lambda y, p: -p * np.log(p) if p > 0 else 0, mu, sigma)
    assert by_density == pytest.approx(entropy.entropy(mu, sigma), abs=1e-5)


@pytest.mark.parametrize(("mu", "sigma"), [*POINTS, (0.0, 0.01), (0.0, 50.0)])
def test_the_bound_is_at_most_2_ln_2_above(mu, sigma):
    gap = entropy.bound(mu, sigma) - entropy.entropy(mu, sigma)
    assert 0 < gap <= 2 * math.log(2)


@pytest.mark.parametrize("mu", [0.0, 0.5, -1.5, 6.0])
def test_the_ridge_is_where_the_bound_does_not_rise(mu):
    sigma, step = entropy.ridge(mu), 1e-4
    left, here, right = (entropy.bound(mu, sigma + s) for s in (-step, 0, step))
    assert here >= left and here >= right


def test_the_entropy_is_largest_elsewhere():
    best = entropy.best_std()
    assert best == pytest.approx(1.7488, abs=1e-4)
    most = entropy.entropy(0.0, best)
    for other in (best - 1e-3, best + 1e-3, entropy.BOUND_STD):
        assert entropy.entropy(0.0, other) < most < 0
    assert most - entropy.entropy(0.0, entropy.BOUND_STD) == pytest.approx(
        0.0712, abs=1e-4
    )


def test_the_variance_of_footnote_9():
    _, variance = entropy.moments(0.0, entropy.BOUND_STD)
    assert variance == pytest.approx(0.0589598, abs=1e-7)


@pytest.mark.parametrize("sigma", [0.3, 1.2533, 2.0])
def test_gradients_pass_a_random_layer_as_computed(sigma):
    random = np.random.default_rng(0)
    _, k = entropy.moments(0.0, sigma)
    units = 400
    kernel = random.normal(size=(units, units))
    kernel *= sigma / np.sqrt(k) / np.linalg.norm(kernel, axis=0)
    y = 1 / (1 + np.exp(-random.normal(0, sigma, (300, units))))
    gradient = random.normal(size=(300, units))
    before = (gradient * y * (1 - y)) @ kernel.T
    factor = np.sqrt(np.mean(before**2) / np.mean(gradient**2))
    assert factor == pytest.approx(entropy.gradient_factor(sigma), rel=0.01)
