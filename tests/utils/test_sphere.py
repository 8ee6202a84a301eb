import numpy as np
import pytest

from keras_inits.utils.sphere import minimize_on_sphere


def cost(curvatures, slopes, u):
    return np.sum(curvatures * u**2 / 2 - slopes * u, axis=0)


def descend(curvatures, slopes, squared_radius, starts=300, steps=6000):
    """The least cost that projected gradient descent finds from many starts."""
    rng = np.random.default_rng(0)
    u = rng.normal(size=(len(curvatures), starts))
    a, g = curvatures[:, None], slopes[:, None]
    rate = 0.5 / (np.abs(curvatures).max() + np.linalg.norm(slopes))
    for _ in range(steps):
        u *= np.sqrt(squared_radius) / np.linalg.norm(u, axis=0)
        u -= rate * (a * u - g)
    u *= np.sqrt(squared_radius) / np.linalg.norm(u, axis=0)
    return cost(a, g, u).min()


CASES = {
    "easy": ([1.0, 2.0, 5.0], [1.0, -2.0, 3.0], 1.0),
    "outward": ([1.0, 2.0, 5.0], [1.0, -2.0, 3.0], 40.0),
    "indefinite": ([-3.0, 0.0, 2.0], [0.5, 1.0, -1.0], 2.0),
    "hard": ([1.0, 2.0, 5.0], [0.0, -0.2, 0.3], 4.0),
    "zero slope, not hard": ([1.0, 2.0, 5.0], [0.0, -20.0, 3.0], 1.0),
    "nearly hard": ([1.0, 2.0, 5.0], [1e-9, -0.2, 0.3], 4.0),
    "nearly hard, root far away": ([1.0, 2.0, 5.0], [1e-9, -20.0, 3.0], 1.0),
    "equal": ([2.0, 2.0, 2.0], [1.0, 2.0, 2.0], 9.0),
    "no slope": ([1.0, 2.0, 5.0], [0.0, 0.0, 0.0], 3.0),
    "semidefinite": ([0.0, 0.0, 5.0], [0.0, 0.0, 1.0], 3.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_global_minimum(case):
    curvatures, slopes, squared_radius = CASES[case]
    a, g = np.array(curvatures), np.array(slopes)
    u = minimize_on_sphere(a[:, None], g[:, None], squared_radius)
    np.testing.assert_allclose(np.sum(u**2), squared_radius, rtol=1e-12)
    # What descent finds is never less, and where it converged as much.
    least = descend(a, g, squared_radius)
    found = cost(a[:, None], g[:, None], u)[0]
    assert found == pytest.approx(least, abs=1e-6)


def test_columns_of_all_scales_together():
    rng = np.random.default_rng(1)
    a = 10 ** rng.uniform(-8, 8, (30, 50))
    g = rng.normal(size=(30, 50)) * 10 ** rng.uniform(-4, 4, 50)
    u = minimize_on_sphere(a, g, 2.5)
    np.testing.assert_allclose(np.sum(u**2, axis=0), 2.5, rtol=1e-9)
    # (a + l) u = g with one l in each column, at least -min(a).
    multipliers = g / u - a
    largest = np.abs(u).argmax(axis=0), np.arange(50)
    least = multipliers[largest]
    assert np.all(least >= -a.min(axis=0) * (1 + 1e-6) - 1e-9)
    np.testing.assert_allclose((a + least) * u, g, rtol=1e-5, atol=1e-8)
