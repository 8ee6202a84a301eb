"""What tests of populations share: fits of every member on its own."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest


@pytest.fixture
def apart():
    """Returns a function that fits every member of a population by itself."""

    def fit_apart(population, compiled, x=None, y=None, data_of=None, **fit):
        build, one, fits = population._hidden.build, None, []
        for member in population.members:
            seed = member.pop("seed")
            keras.utils.set_random_seed(seed)
            fresh = build(**member)
            if one is None:
                # One traced model serves all; each member starts it afresh.
                one = fresh
                one.compile(**compiled())
                one.optimizer.build(one.trainable_variables)
                unused = [keras.ops.copy(v.value) for v in one.optimizer.variables]
            start = fresh.get_weights()
            one.set_weights(start)
            for variable, value in zip(one.optimizer.variables, unused, strict=True):
                variable.assign(value)
            own = (x, y) if data_of is None else data_of(seed)
            history = one.fit(*own, verbose=0, **{"shuffle": False} | fit)
            end = one.get_weights()
            fits.append(
                SimpleNamespace(start=start, end=end, logs=history.history, x=own[0])
            )
        return fits

    return fit_apart


@pytest.fixture
def assert_as_apart(apart):
    """Returns a function that fits a population and its members, and compares."""

    def check(
        population, compiled, x=None, y=None, data_of=None, together=(), **fit
    ):
        population.compile(**compiled())
        # What fit() would do as well, but tracing it all once more.
        population.optimizer.build(population.trainable_variables)
        history = population.fit(
            x, y, verbose=0, **{"shuffle": False} | fit | dict(together)
        )
        fits = apart(population, compiled, x, y, data_of, **fit)
        for index, alone in enumerate(fits):
            weights = population.member(index).get_weights()
            for start, end, own in zip(alone.start, alone.end, weights, strict=True):
                np.testing.assert_allclose(own, end, atol=1e-5, rtol=0)
                if end.size > 1 and np.issubdtype(end.dtype, np.floating):
                    assert np.abs(end - start).max() > 1e-3
            # Keras adds the losses of several outputs, which a population does not.
            parts = {f"{name}_loss" for name in population.output_names or ()}
            assert population.member_logs.keys() == alone.logs.keys() - parts
            for name in population.member_logs:
                values = alone.logs[name]
                own = population.member_logs[name][:, index]
                np.testing.assert_allclose(own, values, atol=1e-5, err_msg=name)
        for name, values in population.member_logs.items():
            means = values.mean(axis=1)
            np.testing.assert_allclose(history.history[name], means, rtol=1e-5)
        return fits

    return check
