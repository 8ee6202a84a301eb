"""A step is plain Keras' own, whatever Keras or a class of the user's adds to it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_inits import Population

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = X[:, :1] * 2
LABELS = RANDOM.integers(0, 3, 40)
MEMBERS = [
    {"initializer": "he_normal", "seed": 0},
    {"initializer": "he_normal", "seed": 1},
    {"initializer": "glorot_uniform", "seed": 0},
]
RANDOM_STEPS = RANDOM.normal(size=(40, 4, 2)).astype("float32")
RANDOM_STEPS[RANDOM.random((40, 4)) < 0.4] = 0
BATCHES = {"batch_size": 8, "epochs": 3}


def sgd(loss="mse", rate=0.05, **more):
    return lambda: {"optimizer": keras.optimizers.SGD(rate), "loss": loss, **more}


def dense(initializer, cls=keras.Sequential, end=()):
    hidden = layers.Dense(5, "tanh", kernel_initializer=initializer)
    return cls([keras.Input((6,)), hidden, layers.Dense(1), *end])


# What Keras hangs on outputs


@pytest.mark.parametrize("scale", [1, 300])
@pytest.mark.parametrize("hidden", [[], ["relu"], ["norm"]])
@pytest.mark.parametrize(
    ("units", "output", "loss"),
    [
        (3, "softmax", "sparse_categorical_crossentropy"),
        (1, "sigmoid", "binary_crossentropy"),
    ],
)
def test_saturated_outputs(scale, hidden, units, output, loss, apart, assert_as_apart):
    def build(initializer):
        kinds = {
            "relu": lambda: layers.Dense(4, "relu", kernel_initializer=initializer),
            "norm": layers.LayerNormalization,
        }
        last = layers.Dense(units, output, kernel_initializer=initializer)
        return keras.Sequential(
            [keras.Input((6,)), *(kinds[kind]() for kind in hidden), last]
        )

    def compiled():
        rate = 1e-4 if scale > 1 else 0.05
        return {
            "optimizer": keras.optimizers.SGD(rate),
            "loss": loss,
            "metrics": ["accuracy"],
        }

    y = LABELS if units > 1 else LABELS > 0
    population = Population(build, MEMBERS)
    saturated = float(np.mean(np.abs(population(scale * X) - 0.5) > 0.4999))
    if scale > 1 and "norm" not in hidden:
        assert saturated > 0.3
    assert_as_apart(population, compiled, scale * X, y, least=0, batch_size=8, epochs=1)


def test_masks_of_outputs(assert_as_apart):
    def build(initializer):
        inputs = keras.Input((4, 2))
        masked = layers.Masking()(inputs)
        steps = layers.Dense(3, "softmax", kernel_initializer=initializer, name="steps")
        last = layers.LSTM(2, kernel_initializer=initializer)(masked)
        return keras.Model(inputs, [steps(masked), layers.Dense(1, name="last")(last)])

    steps = np.random.default_rng(1).integers(0, 3, (40, 4))
    assert_as_apart(
        Population(build, MEMBERS),
        sgd(
            ["sparse_categorical_crossentropy", "mse"],
            metrics=[["accuracy"], ["mae"]],
        ),
        RANDOM_STEPS,
        [steps, Y],
        **BATCHES,
    )


def test_masks_in_training_are_those_of_plain_fit(assert_as_apart):
    """JAX' own `fit` loses the mask of training metrics, and of nothing else."""

    def build(initializer):
        steps = layers.Dense(3, "softmax", kernel_initializer=initializer)
        return keras.Sequential([keras.Input((4, 2)), layers.Masking(), steps])

    loss = "sparse_categorical_crossentropy"
    compiled = sgd(loss, metrics=["accuracy"])
    y = np.random.default_rng(1).integers(0, 3, (40, 4))
    population = Population(build, MEMBERS)
    assert_as_apart(
        population, compiled, RANDOM_STEPS, y, validation_split=0.2, **BATCHES
    )


def test_mask_in_evaluation():
    def build():
        layer = layers.Dense(1, kernel_initializer="ones")
        return keras.Sequential([keras.Input((3, 1)), layers.Masking(), layer])

    x = np.ones((4, 3, 1), "float32")
    x[:2, 1:] = 0
    population = Population(build, [{"seed": 0}, {"seed": 1}])
    population.compile("sgd", "mse", metrics=["mae"])
    assert population.evaluate(x, np.full((4, 3, 1), 5.0), verbose=0) == [16, 4]


# What a class of the user's overrides


class Tenfold(keras.Sequential):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        return 10 * super().compute_loss(x, y, y_pred, sample_weight)


class OfInputs(keras.Sequential):
    """Has a loss of the inputs, and reports it by a metric of its own."""

    def __init__(self, *args):
        super().__init__(*args)
        self.own = keras.metrics.Mean(name="own")

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        loss = ops.mean(ops.square(y_pred - ops.sum(x, axis=1, keepdims=True)))
        self.own.update_state(loss)
        return loss + ops.sum(self.losses)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        return results | {"own": self.own.result()}


@pytest.mark.parametrize("cls", [Tenfold, OfInputs])
def test_own_loss(cls, assert_as_apart):
    def build(initializer):
        return dense(initializer, cls)

    compiled = sgd(rate=0.005)
    assert_as_apart(Population(build, MEMBERS), compiled, X, Y, **BATCHES)


class OwnTraining(keras.Sequential):
    def train_step(self, data):
        return {"loss": ops.convert_to_tensor(0.0)}


class OwnTest(keras.Sequential):
    def test_step(self, data):
        return {"loss": ops.convert_to_tensor(0.0)}


@pytest.mark.parametrize("cls", [OwnTraining, OwnTest])
def test_own_steps_are_refused(cls):
    with pytest.raises(ValueError, match=rf"t\w+_step.*Received: {cls.__name__}, whi"):
        Population(lambda initializer: dense(initializer, cls), MEMBERS)


class More(keras.Sequential):
    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        results = super().compute_metrics(x, y, y_pred, sample_weight)
        return results | {"more": ops.mean(y_pred)}


def test_logs_that_no_metric_has_are_refused():
    population = Population(lambda initializer: dense(initializer, More), MEMBERS)
    population.compile("sgd", "mse")
    with pytest.raises(ValueError, match="Received: More, which returns more too"):
        population.fit(X, Y, verbose=0)


# Metrics


class Counted(keras.metrics.Metric):
    """Counts outputs, from any start, and returns its variable."""

    def __init__(self, name="counted", start=0.0):
        super().__init__(name=name)
        self.start = start
        initializer = keras.initializers.Constant(start)
        self.count = self.add_weight(shape=(), initializer=initializer, name="count")

    def update_state(self, y, outputs, sample_weight=None):
        self.count.assign_add(ops.sum(ops.ones_like(outputs)))

    def result(self):
        return self.count

    def reset_state(self):
        self.count.assign(self.start)


class Two(Counted):
    def result(self):
        return {"one": self.count + 0.0, "two": self.count * 2}


@pytest.mark.parametrize("metric", [Counted, lambda: Counted(start=100.0), Two])
def test_metrics_with_state(metric, assert_as_apart):
    population = Population(dense, MEMBERS)

    def compiled():
        return sgd(metrics=[metric(), "mae"])()

    # Not with validation data, which change the variable that plain logs then hold.
    assert_as_apart(population, compiled, X, Y, **BATCHES)


class Tracked(keras.Layer):
    """Keeps a metric of what passes through it."""

    def __init__(self):
        super().__init__()
        self.level = keras.metrics.Mean(name="level")

    def call(self, inputs):
        self.level.update_state(ops.mean(inputs))
        return inputs


def test_losses_of_outputs_and_metrics_of_layers(assert_as_apart):
    def build(initializer):
        inputs = keras.Input((6,))
        hidden = layers.Dense(5, "relu", kernel_initializer=initializer)(inputs)
        hidden = Tracked()(hidden)
        classes = layers.Dense(3, "softmax", name="a")(hidden)
        return keras.Model(
            inputs, {"a": classes, "b": layers.Dense(1, name="b")(hidden)}
        )

    compiled = sgd(
        {"a": "sparse_categorical_crossentropy", "b": "mse"}, metrics={"b": ["mae"]}
    )
    population, y = Population(build, MEMBERS), {"a": LABELS, "b": Y}
    assert_as_apart(population, compiled, X, y, validation_split=0.2, **BATCHES)
    names = {"loss", "a_loss", "b_loss", "b_mae", "level"}
    assert population.member_logs.keys() == names | {f"val_{name}" for name in names}
    stop = keras.callbacks.EarlyStopping("val_b_loss", mode="min", min_delta=99)
    history = population.fit(
        X, y, epochs=9, validation_split=0.2, verbose=0, callbacks=[stop]
    )
    assert len(history.epoch) == 2
    values = population.evaluate(X, y, verbose=0)
    alone = population.member(0)
    alone.compile(**compiled())
    assert len(values) == len(alone.evaluate(X, y, verbose=0))
    logs = population.evaluate(X, y, verbose=0, return_dict=True)
    assert float(values[0]) == pytest.approx(float(logs["loss"]))


# Losses that layers add


class Penalty(keras.Layer):
    def call(self, inputs):
        self.add_loss(ops.mean(ops.square(inputs)))
        return inputs


@pytest.mark.parametrize("loss", [None, "mse"])
def test_losses_that_layers_add(loss, assert_as_apart):
    def build(initializer):
        return dense(initializer, end=[Penalty()])

    y = () if loss is None else (Y,)
    assert_as_apart(Population(build, MEMBERS), sgd(loss), X, *y, **BATCHES)


def fourth_power(y, outputs):
    return ops.mean(ops.square(ops.square(y - outputs)), axis=-1)


def test_compiled_by_build(assert_trained_as, apart):
    def build(initializer):
        model = dense(initializer, end=[Penalty()])
        model.compile(keras.optimizers.SGD(0.005), fourth_power)
        return model

    population = Population(build, MEMBERS)
    population.fit(X, Y, shuffle=False, verbose=0, **BATCHES)

    def compiled():
        return {"optimizer": keras.optimizers.SGD(0.005), "loss": fourth_power}

    assert_trained_as(
        population, apart(population, compiled, lambda _: (X, Y), **BATCHES)
    )


# State that a forward pass changes


def stateful(initializer):
    inputs = keras.Input(batch_shape=(8, 5, 6))
    layer = layers.LSTM(4, stateful=True, kernel_initializer=initializer)
    return keras.Sequential([inputs, layer, layers.Dense(1)])


def spectral(initializer):
    layer = layers.Dense(5, "relu", kernel_initializer=initializer)
    normalized = layers.SpectralNormalization(layer)
    return keras.Sequential([keras.Input((6,)), normalized, layers.Dense(1)])


@pytest.mark.parametrize(
    ("build", "variable"), [(stateful, "rnn_state"), (spectral, "kernel")]
)
def test_state_that_a_member_cannot_have_is_refused(build, variable):
    x = X if build is spectral else np.repeat(X[:, None], 5, axis=1)
    population = Population(build, MEMBERS)
    population.compile("sgd", "mse")
    with pytest.raises(ValueError, match=rf"that assigns to \S*{variable}, which is"):
        population.fit(x, Y, batch_size=8, verbose=0)


class Counting(keras.Layer):
    """Counts its calls in training, and adds them to what passes through."""

    def __init__(self):
        super().__init__()
        self.calls = self.add_weight((), initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training:
            self.calls.assign(self.calls + 1)
        return inputs + 0.01 * self.calls


def test_state_that_a_member_has(assert_as_apart):
    def build(initializer):
        return dense(initializer, end=[Counting()])

    assert_as_apart(Population(build, MEMBERS), sgd(), X, Y, **BATCHES)


# What is refused, or said


class Unused(keras.Layer):
    """Has a kernel that nothing depends on."""

    def __init__(self):
        super().__init__()
        self.kernel = self.add_weight((2, 2), name="kernel")

    def call(self, inputs):
        return inputs + 0.0


def unused(initializer):
    return dense(initializer, end=[Unused()])


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_variables_without_a_gradient(apart):
    population = Population(unused, MEMBERS)

    def compiled():
        return {"optimizer": keras.optimizers.AdamW(0.01), "loss": "mse"}

    # Plain Keras does not let the weights decay that have no gradient.
    alone = apart(population, compiled, lambda _: (X, Y), **BATCHES)[0]
    assert np.array_equal(alone.start[-1], alone.end[-1])
    population.compile(**compiled())
    with pytest.raises(ValueError, match=r"loss does not depend on.*unused\S*/kernel"):
        population.fit(X, Y, verbose=0)
    population.compile("adam", "mse")
    population.fit(X, Y, verbose=0)
    assert np.array_equal(alone.start[-1], population.member(0).get_weights()[-1])


def test_saving_says_what_works(tmp_path):
    population = Population(dense, MEMBERS)
    for save in (
        lambda: population.save(tmp_path / "population.keras"),
        lambda: keras.models.clone_model(population),
    ):
        with pytest.raises(NotImplementedError, match=r"`save_weights`.*`member\(ind"):
            save()
    population.member(1).save(tmp_path / "member.keras")
    loaded = keras.models.load_model(tmp_path / "member.keras")
    np.testing.assert_allclose(loaded(X), population(X)[:, 1], atol=1e-6)
