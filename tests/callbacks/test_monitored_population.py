"""A monitor tells of each member of a population."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import DeadUnitMonitor, Population, diagnostics

X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")


def member(dead=0):
    bias = np.where(np.arange(6) < dead, -50.0, 0.0)
    first = layers.Dense(
        6,
        "relu",
        bias_initializer=keras.initializers.Constant(bias),
        name="first",
    )
    model = keras.Sequential([keras.Input((5,)), first, layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    return model


def test_members_of_a_population(fit):
    population = Population(member, [{"dead": dead, "seed": 0} for dead in (0, 3, 6)])
    population.optimizer.learning_rate = 0.0
    monitor = DeadUnitMonitor()
    logs = fit(population, monitor, epochs=2, x=X)
    expected = np.array([0, 0.5, 1])
    own = population.member_logs["dead_fraction"]
    np.testing.assert_allclose(own, [expected, expected])
    assert logs["dead_fraction"] == pytest.approx([0.5, 0.5])
    rows = [row for row in monitor.history if row["layer"] == "first"]
    places = [(row["epoch"], row["member"]) for row in rows]
    assert places == [(epoch, index) for epoch in (0, 1) for index in (0, 1, 2)]
    np.testing.assert_allclose([row["dead_fraction"] for row in rows[:3]], expected)
    for index in range(3):
        for many, one in zip(
            monitor.activity,
            diagnostics.activity(population.member(index), X),
            strict=True,
        ):
            np.testing.assert_array_equal(many.dead[index], one.dead)
            np.testing.assert_allclose(many.sd[index], one.sd, rtol=1e-4, atol=1e-3)


def test_members_train_as_without_the_monitor(fit):
    members = [{"seed": seed} for seed in range(3)]
    populations = [Population(member, members) for _ in range(2)]
    fit(populations[0], epochs=2, data_order="seed")
    fit(populations[1], DeadUnitMonitor(), epochs=2, data_order="seed")
    weights = [population.get_weights() for population in populations]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
