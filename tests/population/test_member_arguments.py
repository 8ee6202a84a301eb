"""What is made of the arguments of members: initializers, and arrays."""

import keras
import numpy as np
from keras import layers

from keras_inits import Population


def weights(population, index):
    return population.member(index).get_weights()


def from_initializers(initializer, more=()):
    each = [initializer, *more, "he_normal"]
    return keras.Sequential(
        [keras.Input((5,))] + [layers.Dense(5, kernel_initializer=i) for i in each]
    )


def test_an_unseeded_initializer_draws_anew_for_each_seed():
    given = keras.initializers.HeNormal()
    seeds = range(4)
    members = [{"initializer": given, "more": [given], "seed": s} for s in seeds]
    population = Population(from_initializers, members)
    kernels = [weights(population, seed)[0] for seed in seeds]
    assert len({kernel.tobytes() for kernel in kernels}) == 4
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        fresh = keras.initializers.HeNormal()
        own = from_initializers(fresh, [fresh]).get_weights()
        assert all(map(np.array_equal, weights(population, seed), own))
    assert population.members[0]["initializer"] is given


def test_unseeded_initializers_of_one_law_are_one_recipe():
    calls = []

    def counted(initializer, more):
        calls.append(initializer)
        return from_initializers(initializer, more)

    def member(seed, shared):
        first = keras.initializers.HeNormal()
        other = first if shared else keras.initializers.HeNormal()
        return {"initializer": first, "more": [other], "seed": seed}

    members = [member(seed, shared) for seed in range(4) for shared in (True, False)]
    population = Population(counted, members)
    assert len(calls) == 4  # Two recipes: whether it is one object counts.
    for index, seed in enumerate(np.repeat(range(4), 2).tolist()):
        keras.utils.set_random_seed(seed)
        fresh = [keras.initializers.HeNormal()]
        fresh += fresh if index % 2 == 0 else [keras.initializers.HeNormal()]
        own = from_initializers(fresh[0], fresh[1:]).get_weights()
        assert all(map(np.array_equal, weights(population, index), own))


def test_a_seeded_initializer_keeps_its_draw():
    given = keras.initializers.HeNormal(seed=7)
    members = [{"initializer": given, "seed": seed} for seed in (0, 1)]
    population = Population(from_initializers, members)
    first, other = (weights(population, index) for index in (0, 1))
    assert np.array_equal(first[0], given((5, 5)))
    assert np.array_equal(first[0], other[0]) and np.any(first[2] != other[2])


def test_arrays_among_the_arguments():
    def build(kernel):
        return from_initializers(keras.initializers.Constant(kernel.mean()))

    members = [{"kernel": np.full(2, i), "seed": s} for i in (1, 2) for s in (0, 1)]
    population = Population(build, members)
    assert [weights(population, i)[0][0, 0] for i in range(4)] == [1, 1, 2, 2]
