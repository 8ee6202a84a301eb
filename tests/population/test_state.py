"""State beside weights: kept as plain Keras keeps it, or refused by name."""

import keras
import numpy as np
import pytest
from keras import layers, ops, optimizers

from keras_inits import Population

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(22, 4)).astype("float32")
Y = RANDOM.normal(size=(22, 3)).astype("float32")
MEMBERS = [{"seed": 0}, {"seed": 1}]
FIT = {"batch_size": 8, "shuffle": False, "verbose": 0}


def sequential(*stack):
    def build():
        return keras.Sequential([keras.Input((4,)), *(make() for make in stack)])

    return build


def dense(units=3, **kwargs):
    return lambda: layers.Dense(units, **kwargs)


class Noise(keras.Layer):
    """Draws, whether the model trains or not."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(7)

    def call(self, inputs):
        noise = keras.random.normal(ops.shape(inputs), seed=self.generator)
        return inputs + 0.3 * noise


class Counter(keras.Layer):
    """Counts its calls, whether the model trains or not."""

    def build(self, shape):
        self.count = self.add_weight((), "zeros", trainable=False, name="count")

    def call(self, inputs):
        self.count.assign_add(1.0)
        return inputs * (1 + 0.1 * self.count)


class Normalization(layers.BatchNormalization):
    """Learns from what it is evaluated on, too."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=True)


def pair(build, optimizer=lambda: "sgd", **compiled):
    """Returns a population, and one of its members as a plain model."""
    population = Population(build, MEMBERS)
    plain = population.member(1)
    for model in (population, plain):
        model.compile(optimizer(), "mse", **compiled)
    return population, plain


def assert_alike(population, plain):
    member = population.member(1)
    for own, alone in zip(member.variables, plain.variables, strict=True):
        if "seed" not in alone.path:  # A member begins its generators anew.
            np.testing.assert_allclose(
                ops.convert_to_numpy(own),
                ops.convert_to_numpy(alone),
                rtol=1e-5,
                atol=1e-7,
            )


@pytest.mark.parametrize("layer", [Noise, Counter, Normalization])
def test_state_that_changes_outside_training(layer):
    population, plain = pair(sequential(dense(), layer))
    for model in (population, plain):
        model.fit(X, Y, epochs=2, validation_data=(X, Y), **FIT)
        model.evaluate(X, Y, batch_size=8, verbose=0)
        model.predict(X, batch_size=8, verbose=0)
    logs = plain.fit(X, Y, **FIT).history
    population.fit(X, Y, **FIT)
    np.testing.assert_allclose(
        population.member_logs["loss"][:, 1], logs["loss"], rtol=1e-5
    )
    for _ in range(2):
        np.testing.assert_allclose(
            population.predict(X, verbose=0)[:, 1],
            plain.predict(X, verbose=0),
            rtol=1e-5,
            atol=1e-6,
        )
    assert_alike(population, plain)


def test_the_states_of_generators_are_no_weights():
    dropout = sequential(dense(8), lambda: layers.Dropout(0.5, seed=3), dense())
    population, plain = pair(dropout)
    logs = []
    for model in (population, plain):
        weights = model.get_weights()
        model.fit(X, Y, epochs=2, **FIT)
        model.set_weights(weights)
        logs.append(model.fit(X, Y, epochs=2, **FIT).history["loss"])
    np.testing.assert_allclose(population.member_logs["loss"][:, 1], logs[1], rtol=1e-5)


@pytest.mark.parametrize("frozen", [False, True])
def test_what_is_trained_is_settled_in_build(frozen):
    population = Population(
        sequential(dense(5, trainable=not frozen), dense()), MEMBERS
    )
    population.compile("sgd", "mse")
    population.network.layers[0].trainable = frozen
    with pytest.raises(ValueError, match="must be set in `build`.*kernel"):
        population.compile("sgd", "mse")


class MyLamb(optimizers.Lamb):
    """Is no less of a Lamb."""


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.MultiOptimizer(optimizers.SGD()),
        lambda: optimizers.ScheduleFreeAdamW(),
        MyLamb,
    ],
    ids=["MultiOptimizer", "ScheduleFreeAdamW", "MyLamb"],
)
def test_optimizers_that_are_refused(optimizer):
    try:
        made = optimizer()
    except (AttributeError, TypeError) as error:
        pytest.skip(f"This Keras has none: {error}")
    population = Population(sequential(dense()), MEMBERS)
    with pytest.raises(ValueError, match="treats entries one by one"):
        population.compile(made, "mse")


def test_exclusions_from_weight_decay():
    population = Population(sequential(dense(5), dense()), MEMBERS)
    optimizer = optimizers.AdamW(0.01, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[population.network.layers[0].kernel])
    population.compile(optimizer, "mse")
    with pytest.raises(ValueError, match="must be by names.*dense.*kernel"):
        population.fit(X, Y, **FIT)


def test_variables_that_are_overwritten_with_their_gradient():
    def build():
        model = sequential(dense())()
        model.layers[0].kernel.overwrite_with_gradient = True
        return model

    with pytest.raises(ValueError, match="kernel, with overwrite_with_gradient=True"):
        Population(build, MEMBERS)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Others have gradients of 0."
)
def test_constraints_of_what_the_loss_does_not_reach():
    def build():
        inputs = keras.Input((4,))
        constrained = layers.Dense(3, kernel_constraint=keras.constraints.UnitNorm())
        return keras.Model(inputs, [layers.Dense(3)(inputs), constrained(inputs)])

    population = Population(build, MEMBERS)
    population.compile("sgd", ["mse", None])
    with pytest.raises(ValueError, match="constraints would change"):
        population.fit(X, Y, **FIT)


def test_gradients_that_overflow_a_global_norm():
    population, plain = pair(
        sequential(dense(5), dense()), lambda: optimizers.SGD(0.01, global_clipnorm=1.0)
    )
    for model in (population, plain):
        model.fit(1e20 * X, Y, **FIT)
    kernel = ops.convert_to_numpy(plain.layers[0].kernel)
    assert np.isnan(kernel).all()
    assert_alike(population, plain)


class Cumulative(keras.metrics.Mean):
    """Never begins anew."""

    def __init__(self):
        super().__init__(name="cumulative")

    def update_state(self, y, outputs, sample_weight=None):
        return super().update_state(ops.mean(outputs))

    def reset_state(self):
        pass


def test_metrics_that_do_not_begin_anew():
    population = Population(sequential(dense()), MEMBERS)
    population.compile("sgd", "mse", metrics=[Cumulative()])
    with pytest.raises(ValueError, match="`reset_state` of a metric.*Received"):
        population.fit(X, Y, **FIT)


def test_inputs_of_another_width():
    population = Population(sequential(dense(), dense()), MEMBERS)
    with pytest.raises(ValueError, match=r"shape \(samples, 4\).*Received"):
        population.predict(np.ones((6, 8)), verbose=0)


class Scaled(keras.Model):
    """Has an attribute that no config tells."""

    def __init__(self, factor):
        super().__init__()
        self.dense, self.factor = layers.Dense(3), factor

    def call(self, inputs):
        return self.factor * self.dense(inputs)


class Function(keras.Layer):
    """Holds a function that no config tells."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def subclassed(factor):
    model = Scaled(factor)
    model(X)
    return model


def functional(factor):
    inputs = keras.Input((4,))
    outputs = Function(lambda x: factor * x)(layers.Dense(3)(inputs))
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("build", [subclassed, functional])
def test_members_that_are_other_functions(build):
    with pytest.raises(ValueError, match="member 1.*returns something else"):
        Population(build, [{"factor": 1.0}, {"factor": 2.0}])
    Population(build, [{"factor": 2.0}, {"factor": 2.0}])
