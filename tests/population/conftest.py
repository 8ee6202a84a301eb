"""Fits the members of a population one by one, to compare them with the population."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_inits import SeedBatches


def states(model):
    """Returns all variables, and with them the seeds that `get_weights` leaves out."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@pytest.fixture
def apart():
    """Returns a function that fits every member alone, as Keras fits a model."""

    def fit_apart(population, compiled, data_of, **fit):
        build, one, fits = population._state.build, None, []
        for member in population.members:
            seed = member.pop("seed")
            keras.utils.set_random_seed(seed)
            fresh = build(**member)
            start = fresh.get_weights()
            if one is None:
                # One model, traced once, serves all members, who start it afresh.
                one = fresh
                one.compile(**compiled())
                one.optimizer.build(one.trainable_variables)
                optimizer = one.optimizer.variables
                unused = [np.copy(keras.ops.convert_to_numpy(v)) for v in optimizer]
            else:
                assign(states(one), [variable.value for variable in states(fresh)])
                assign(optimizer, unused)
            history = one.fit(*data_of(seed), shuffle=False, verbose=0, **fit)
            end = one.get_weights()
            fits.append(SimpleNamespace(start=start, end=end, logs=history.history))
        return fits

    return fit_apart


@pytest.fixture
def assert_trained_as():
    """Returns a function that compares a fitted population with fits of its members.

    Each variable must have moved by more than `least`.
    """

    def check(population, fits, least=1e-3):
        for index, alone in enumerate(fits):
            weights = population.member(index).get_weights()
            for start, end, own in zip(alone.start, alone.end, weights, strict=True):
                np.testing.assert_allclose(own, end, rtol=0, atol=1e-5)
                assert np.abs(end - start).max() > least

    return check


@pytest.fixture
def assert_as_apart(apart, assert_trained_as):
    """Returns a function that fits a population and each member, and compares."""

    def check(population, compiled, x, y=None, least=1e-3, **fit):
        population.compile(**compiled())
        # As fit() would, but this way TensorFlow traces the step once, not twice.
        population.optimizer.build(population.trainable_variables)
        history = population.fit(x, y, shuffle=False, verbose=0, **fit)
        fits = apart(population, compiled, lambda seed: (x, y), **fit)
        assert_trained_as(population, fits, least)
        logs = population.member_logs
        for index, alone in enumerate(fits):
            assert logs.keys() == alone.logs.keys()
            for name, values in logs.items():
                np.testing.assert_allclose(
                    values[:, index], alone.logs[name], rtol=1e-5, err_msg=name
                )
        assert logs.keys() == history.history.keys()
        for name, values in logs.items():
            np.testing.assert_allclose(
                history.history[name], values.mean(axis=1), rtol=1e-5, err_msg=name
            )

    return check


@pytest.fixture
def order():
    """Returns a function: 40 samples in the order in which a seed sees an epoch."""

    def order_of(seed, epoch):
        batches = SeedBatches(np.arange(40), np.arange(40), [seed], batch_size=7)
        batches.start_epoch(epoch)
        assert len(batches) == 6
        return np.concatenate([batches[step][1][:, 0] for step in range(6)])

    return order_of
