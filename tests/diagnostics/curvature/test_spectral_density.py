import numpy as np
import pytest

from keras_inits.diagnostics import HessianOperator, Objective, spectral_density, trace

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture(scope="module")
def objective(float64, network, data):
    return Objective(network(), *data)


@pytest.fixture(scope="module")
def matrix(float64, network, data, explicit_hessian):
    return explicit_hessian(network(), *data)


@pytest.mark.parametrize("layer", [None, "second"])
def test_the_trace_is_within_its_error(layer, objective, matrix):
    places = objective.weight_mask(layer)
    block = matrix[np.ix_(places, places)]
    found = trace(HessianOperator(objective, layer), num_vectors=1000, seed=0)
    # What the off-diagonal entries make, over 1000 vectors.
    error = np.sqrt(2 * (np.sum(block**2) - np.sum(np.diag(block) ** 2)) / 1000)
    assert abs(found.value - np.trace(block)) < 6 * error
    # A sample's deviation: were one eigenvalue all, chi-squared, good to 6 %.
    assert found.standard_error == pytest.approx(error, rel=0.36)
    assert found.num_matvecs == 1000
    assert trace(HessianOperator(objective, layer), seed=0).num_matvecs == 30


@pytest.mark.parametrize("estimate", [trace, spectral_density])
def test_seeds(estimate, objective):
    def draw(seed):
        hessian = HessianOperator(objective, "last")
        found = estimate(hessian, num_vectors=2, seed=seed)
        return getattr(found, "value", None) or found.nodes.tolist()

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(None) != draw(None)


def test_moments_are_those_of_the_vectors(objective, matrix):
    found = spectral_density(HessianOperator(objective), num_vectors=5, steps=6, seed=3)
    assert found.num_matvecs == 30
    assert found.moment(0) == pytest.approx(1)
    # The same signs as those of the trace: its estimate is the first moment.
    hutchinson = trace(HessianOperator(objective), num_vectors=5, seed=3)
    assert found.moment(1) == pytest.approx(hutchinson.value / found.size, rel=1e-9)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (5, found.size))
    product = signs
    for power in range(1, 12):  # Exact below twice the steps.
        product = product @ matrix
        forms = (signs * product).sum(axis=1) / found.size
        assert found.moment(power) == pytest.approx(forms.mean(), rel=1e-8)


def test_the_ends_are_those_of_the_spectrum(objective, matrix):
    found = spectral_density(HessianOperator(objective), num_vectors=40, seed=0)
    values = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(
        [found.nodes.min(), found.nodes.max()], values[[0, -1]], rtol=1e-8
    )
    at = np.linspace(values[0] - 1, values[-1] + 1, 4001)
    assert np.trapezoid(found.density(at), at) == pytest.approx(1, abs=1e-3)
    # The part below zero, where half a bump and a percent of noise are allowed.
    below = found.weights[found.nodes < -1e-3].sum()
    assert below == pytest.approx((values < -1e-3).mean(), abs=0.1)


def test_the_plot(objective):
    figure = spectral_density(
        HessianOperator(objective), num_vectors=1, steps=9, seed=0
    ).plot()
    (axes,) = figure.axes
    assert axes.get_xlabel() == "eigenvalue"
    assert axes.get_yscale() == "log"
    assert len(axes.lines[0].get_xdata()) == 1001


def test_numbers_that_will_not_do(objective):
    with pytest.raises(ValueError, match="`num_vectors`.*Received: num_vectors=1"):
        trace(HessianOperator(objective), num_vectors=1)
    with pytest.raises(ValueError, match="`steps`.*Received: steps=0"):
        spectral_density(HessianOperator(objective), steps=0)
