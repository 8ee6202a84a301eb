"""Seeds of every random initializer do what they do in Keras."""

import json

import keras
import numpy as np
import pytest

import keras_inits
from keras_inits.initializers.base import RandomKernelInitializer

CLASSES = [type(keras_inits.get(name)) for name in keras_inits.available()]
RANDOM = [cls for cls in CLASSES if issubclass(cls, RandomKernelInitializer)]

each = pytest.mark.parametrize("initializer", RANDOM)


def numpy(kernel):
    """Returns a tensor in float64, which holds every other dtype exactly."""
    return keras.ops.convert_to_numpy(keras.ops.cast(kernel, "float64"))


@each
def test_float64_has_more_digits_than_float32(initializer):
    kernel = numpy(initializer()((6, 4), dtype="float64"))
    assert np.mean(kernel == kernel.astype("float32")) < 0.1


@each
def test_seeds(initializer):
    def draw(seed=None):
        return initializer(seed=seed)

    def differ(kernel, other):
        return not np.array_equal(numpy(kernel), numpy(other))

    shape = (6, 4)
    assert not differ(draw(3)(shape), draw(3)(shape))
    assert differ(draw(3)(shape), draw(4)(shape))
    assert differ(draw(3)(shape), draw(-3)(shape))
    assert differ(draw()(shape), draw()(shape))
    unseeded = draw()
    assert not differ(unseeded(shape), unseeded(shape))
    assert unseeded.get_config()["seed"] is None


@each
def test_a_seed_generator_moves_on(initializer):
    def draw():
        return initializer(seed=keras.random.SeedGenerator(3))

    drawn, twin = draw(), draw()
    config = keras.initializers.serialize(drawn)
    saved = keras.initializers.deserialize(json.loads(json.dumps(config)))
    first, second = numpy(drawn((6, 4))), numpy(drawn((6, 4)))
    assert not np.array_equal(first, second)
    for other in (twin, saved):
        np.testing.assert_array_equal(first, numpy(other((6, 4))))
        np.testing.assert_array_equal(second, numpy(other((6, 4))))


@each
@pytest.mark.parametrize("seed", ["1", 1.5, [1]])
def test_what_is_no_seed_is_refused(initializer, seed):
    with pytest.raises(ValueError, match="Received: seed="):
        initializer(seed=seed)


@each
def test_two_layers_given_the_name_differ(initializer):
    name = initializer.__name__
    one, two = (keras.layers.Dense(4, kernel_initializer=name) for _ in range(2))
    for layer in (one, two):
        layer.build((None, 6))
    assert not np.array_equal(numpy(one.kernel), numpy(two.kernel))
