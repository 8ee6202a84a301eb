"""What is seeded within a block goes on after it as if nothing had been."""

import random

import keras
import numpy as np
import pytest

from keras_inits import Population, compare, diagnose
from keras_inits.population import seeding
from keras_inits.population.seeding import seeded


def network(initializer="he_normal"):
    hidden = keras.layers.Dense(4, "relu", kernel_initializer=initializer)
    model = keras.Sequential(
        [keras.Input((3,)), hidden, keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    return model


def numbers():
    """Draws from every generator that a caller may have."""
    drawn = [random.random(), np.random.rand(), np.random.randn()]
    drawn += np.ravel(keras.random.normal((2,))).tolist()
    drawn += np.ravel(keras.initializers.HeNormal()((2, 2))).tolist()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        drawn += tf.random.uniform((2,)).numpy().tolist()
    if keras.backend.backend() == "torch":
        import torch

        drawn += torch.rand(2).tolist()
    return drawn


def draw_by_seed():
    with seeded(3):
        numbers()


def draw_on():
    with seeded(None):
        numbers()


def populate():
    population = Population(network, [{"seed": seed} for seed in (3, 3, 4)])
    population.member(1)


def member_without_a_seed():
    MEMBERS_WITHOUT_A_SEED.member(0)


def fail():
    with pytest.raises(ValueError, match="no such"), seeded(3):
        numbers()
        raise ValueError("no such")


DATA = np.random.default_rng(0).normal(size=(40, 3)), np.ones((40, 1))
MEMBERS_WITHOUT_A_SEED = Population(network, [{}, {}])


def compare_two():
    given = ["he_normal", keras.initializers.HeNormal(seed=1)]
    compare(network, *DATA, given, seeds=1, steps=2, stable_rate=False)


def diagnose_one():
    x = DATA[0]
    assert diagnose(ZERO, x, x[:, :1]).alternatives


ZERO = network("zeros")


@pytest.mark.parametrize(
    "use",
    [draw_by_seed, draw_on, populate, member_without_a_seed, fail]
    + [compare_two, diagnose_one],
)
@pytest.mark.parametrize("drawn_before", [0, 2])
def test_the_next_numbers_are_those_without_it(use, drawn_before):
    def after(action):
        # The seed is one that members have too.
        keras.utils.set_random_seed(3)
        for _ in range(drawn_before):
            numbers()
        action()
        return numbers() + numbers()

    assert after(use) == after(lambda: None)


def test_a_caller_who_never_seeded_stays_unseeded():
    keras.src.backend.common.global_state.set_global_attribute(
        "global_random_seed", None
    )
    tf = pytest.importorskip("tensorflow")
    tf.random.set_seed(None)
    for _ in range(2):
        with seeded(3):
            inside = numbers()
        outside = numbers()
        assert keras.src.utils.rng_utils.get_random_seed() is None
        assert tf.random.uniform((9,)).numpy().tolist() != outside
        with seeded(3):
            assert numbers() == inside
        assert numbers() != inside


def test_seeded_is_what_keras_seeds():
    keras.utils.set_random_seed(5)
    expected = numbers()
    with seeded(5):
        assert numbers() == expected


@pytest.mark.parametrize(
    "draw",
    [
        random.random,
        np.random.rand,
        np.random.randn,
        lambda: keras.random.normal((1,)),
        keras.initializers.HeNormal,
    ],
)
def test_a_snapshot_tells_what_is_drawn(draw):
    with seeded(0):
        before = seeding.snapshot()
        assert seeding.snapshot() == before
        draw()
        assert seeding.snapshot() != before


def test_a_snapshot_tells_what_tensorflow_draws():
    tf = pytest.importorskip("tensorflow")
    with seeded(0):
        before = seeding.snapshot()
        tf.random.uniform((1,))
        assert seeding.snapshot() != before


def test_a_seed_that_is_none():
    with pytest.raises(ValueError, match="seed"), seeded("zero"):
        pass
