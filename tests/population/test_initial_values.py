"""Draws that are made together are those that are made one by one."""

import keras
import numpy as np
import pytest

from keras_inits.initializers import registration
from keras_inits.population import initial_values
from keras_inits.population.seed_trace import Draw, SeedTrace

KERAS = ["glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "orthogonal"]
KERAS += ["random_normal", "random_uniform", "truncated_normal"]
OWN = ["gsm", "lecun98_uniform", "ortho_ep", "rai", "random_ep"]
OWN += ["skorski_normal", "yilmaz_poli"]


@pytest.mark.parametrize("name", KERAS + OWN)
def test_every_row_is_the_draw_by_itself(name):
    trace, initializer = SeedTrace(), registration.get(name)
    initializer.seed = trace.seed
    seeds = list(range(40))
    (rows,) = initial_values.draw(trace, [Draw(initializer, (6, 10), "float32")], seeds)
    for seed, row in zip(seeds, rows, strict=True):
        own = type(initializer).from_config({**initializer.get_config(), "seed": seed})
        assert row.tobytes() == np.asarray(own((6, 10), dtype="float32")).tobytes()


def test_options_of_tensorflow_stay_as_they_were():
    tf = pytest.importorskip("tensorflow")
    before = tf.config.optimizer.get_experimental_options()
    test_every_row_is_the_draw_by_itself("he_normal")
    after = tf.config.optimizer.get_experimental_options()
    assert not after.pop("disable_meta_optimizer", False)
    assert after == {k: v for k, v in before.items() if k != "disable_meta_optimizer"}


def test_laws():
    normal = keras.initializers.RandomNormal
    law = initial_values.law
    assert law(normal(seed=1)) == law(normal(seed=2)) != law(normal(stddev=2.0))
    one, same, other = (keras.initializers.Constant(np.full(2, i)) for i in (1, 1, 2))
    assert law(one) == law(same) != law(other)
    zeros = [keras.initializers.Constant(zero) for zero in (0.0, -0.0)]
    assert law(zeros[0]) != law(zeros[1])
