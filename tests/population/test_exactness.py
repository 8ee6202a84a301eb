"""A member is what plain `fit` makes of it: drawn cases, and one at least of each row.

`python -m experiments bench exactness` checks hundreds of the same cases.
"""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.bench.exactness import cases, training
from experiments.bench.exactness.check import check
from keras_inits import Population

BACKEND = keras.backend.backend()
COVERING = cases.covering(BACKEND)


def assert_exact(case):
    outcome = check(case)
    expected = "refused" if case.refusal else "equal"
    assert outcome.outcome == expected, f"{outcome.message}\n{case}"


@pytest.mark.parametrize("name", cases.NAMED)
def test_named(name):
    case = cases.named(name, BACKEND)
    if name.startswith("saturated"):
        with training.environment(case):
            members = training.members(case)
            population = Population(training.build(case), members)
            x = training.data(case).x
            outputs = keras.ops.convert_to_numpy(population(x))
        assert np.mean(np.abs(outputs - 0.5) > 0.4999) > 0.3
    assert_exact(case)


@pytest.mark.parametrize("case", COVERING, ids=[case.name for case in COVERING])
def test_every_row(case):
    assert_exact(case)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31 - 1))
def test_drawn(seed):
    assert_exact(cases.draw(np.random.default_rng(seed), BACKEND))


def test_a_seed_draws_the_same_cases():
    first = cases.cases(60, 1, BACKEND)
    assert first == cases.cases(60, 1, BACKEND)
    assert first[:50] == cases.cases(50, 1, BACKEND)
    assert first[-1] != cases.cases(60, 2, BACKEND)[-1]
