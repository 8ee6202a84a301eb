"""Seeded builds leave the random numbers of the caller as they were."""

import random

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits import Population
from keras_inits.population.seeding import drawn_anew, seeded

TENSORFLOW = keras.backend.backend() == "tensorflow"


def build(initializer="he_normal"):
    hidden = layers.Dense(3, "softmax", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((6,)), hidden])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def numbers():
    """Returns the next number of each generator."""
    drawn = [random.random(), np.random.rand(), float(keras.random.uniform(()))]
    drawn.append(keras.initializers.RandomNormal().seed)
    if TENSORFLOW:
        import tensorflow as tf

        drawn.append(float(tf.random.uniform(())))
    return drawn


X = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 60)
USES = {
    "population": lambda population: Population(build, [{"seed": 3}, {"seed": 4}]),
    "member": lambda population: population.member(1),
    "compare": lambda population: keras_inits.compare(
        build, X, Y, ["he_normal", "lee_qr"], seeds=1, steps=2, stable_rate=False
    ),
    "diagnose": lambda population: keras_inits.diagnose(population.member(0), X, Y),
}


@pytest.fixture(scope="module")
def population():
    return Population(build, [{"seed": 0}, {"seed": 1}])


@pytest.mark.parametrize("use", USES)
def test_generators_go_on_where_they_were(use, population):
    keras.utils.set_random_seed(5)
    numbers()
    after = numbers()
    keras.utils.set_random_seed(5)
    numbers()
    USES[use](population)
    assert numbers() == after


def test_seed_of_keras_is_given_back():
    keras.utils.set_random_seed(7)
    wanted = float(keras.random.uniform(()))
    keras.utils.set_random_seed(7)
    with seeded(8):
        assert float(keras.random.uniform(())) != wanted
    assert float(keras.random.uniform(())) == wanted


@pytest.mark.skipif(not TENSORFLOW, reason="It is TensorFlow's.")
def test_seed_of_tensorflow_that_was_never_set():
    from tensorflow.python.eager import context

    eager = vars(context.context())
    before = {name: eager.get(name) for name in ("_seed", "_rng")}
    try:
        eager["_seed"] = None
        eager.pop("_rng", None)
        with seeded(1):
            # Were these names not those of TensorFlow's, nothing would be restored.
            assert eager["_seed"] == 1 and eager["_rng"] is not None
        assert eager["_seed"] is None and "_rng" not in eager
    finally:
        eager.update(before)


def test_initializers_without_a_seed_are_made_anew():
    one, seven = keras.initializers.HeNormal(), keras.initializers.HeNormal(seed=7)
    given = {"layers": [one, one], "seven": seven, "name": "he_normal", "number": 3}
    with seeded(0):
        anew = drawn_anew(given)
    with seeded(0):
        fresh = keras.initializers.HeNormal()
    assert anew["layers"][0] is anew["layers"][1] is not one
    assert anew["layers"][0].seed == fresh.seed
    assert anew["seven"] is seven
    assert (anew["name"], anew["number"]) == ("he_normal", 3)
