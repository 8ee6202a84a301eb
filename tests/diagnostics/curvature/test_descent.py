import warnings

import keras
import numpy as np
import pytest

from keras_inits.diagnostics import Objective, stable_learning_rate

pytestmark = pytest.mark.usefixtures("float64")


def test_a_quadratic_converges_just_below_the_limit_and_diverges_just_above():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 25)), rng.normal(size=(40, 1))
    model = keras.Sequential(
        [keras.Input((25,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile(loss="mse")
    before = model.get_weights()
    rate = stable_learning_rate(Objective(model, x, y), steps=600, margin=0.02)
    largest = np.linalg.eigvalsh(2 * x.T @ x / 40)[-1]
    assert rate.largest == pytest.approx(largest, rel=1e-6)
    assert rate.norm == rate.largest
    assert rate.inverse_norm == pytest.approx(1 / largest, rel=1e-6)
    assert rate.limit == pytest.approx(2 / largest, rel=1e-6)
    below, above = rate.runs
    assert (below, above) == pytest.approx((0.98 * rate.limit, 1.02 * rate.limit))
    # To the rounding of what is left in the end.
    assert np.all(np.diff(rate.runs[below]) < 1e-12)
    # 1 - 1.02 * 2 is -1.04: what is along the eigenvector grows by 1.04 a step.
    growth = rate.runs[above][-1] / rate.runs[above][-2]
    assert growth == pytest.approx(1.04**2, rel=1e-3)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_it_runs_on_each_side_unless_told_not_to(data, network):
    model = network()
    below, above = stable_learning_rate(Objective(model, *data)).runs.items()
    assert below[0] < above[0] and below[1].shape == above[1].shape == (21,)
    assert stable_learning_rate(Objective(model, *data), steps=0).runs == {}


def test_a_run_that_is_not_finite_ends_at_infinity(data):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile(loss="mse")
    # It grows by 1 - 1.9 * 2 = -2.8 a step.
    rate = stable_learning_rate(Objective(model, *data), steps=400, margin=0.9)
    above = rate.runs[max(rate.runs)]
    assert np.isfinite(above[0]) and np.isinf(above[-1])


def test_negative_curvature(data):
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)])
    model.compile(loss=lambda y, outputs: -keras.ops.mean((y - outputs) ** 2))
    objective = Objective(model, *data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        rate = stable_learning_rate(objective, steps=5)
    assert [str(warning.message)[:24] for warning in caught] == [
        "No curvature is positive"
    ]
    assert np.isinf(rate.limit)
    assert rate.inverse_norm == pytest.approx(1 / rate.norm)
    assert rate.runs == {}


@pytest.mark.parametrize("arguments", [{"margin": 0}, {"margin": 1}, {"steps": -1}])
def test_numbers_that_will_not_do(arguments, data, network):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        stable_learning_rate(Objective(network(), *data), **arguments)
