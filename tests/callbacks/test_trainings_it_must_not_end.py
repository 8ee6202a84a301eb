"""Models that are hard to see, and trainings that go wrong for another reason."""

import re
import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits import DeadUnitMonitor, Population, calibration, diagnostics

X = np.random.default_rng(0).normal(size=(80, 6)).astype("float32")
LABELS = np.random.default_rng(1).integers(0, 3, 80)
LOSS = "sparse_categorical_crossentropy"


def fit(model, x=X, y=LABELS, epochs=1, **arguments):
    """Returns the history of a fit with a monitor, and what was warned of."""
    monitor = DeadUnitMonitor(**arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        history = model.fit(x, y, epochs=epochs, verbose=0, callbacks=[monitor])
    messages = [str(w.message) for w in caught if w.category is UserWarning]
    return history.history, messages, monitor


# Graphs of their own


class Hidden(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(8, "relu", name="hidden")
        self.out = layers.Dense(3, "softmax", name="out")


class InAFunction(Hidden):
    def __init__(self):
        super().__init__()
        tf = pytest.importorskip("tensorflow")
        self.compiled_call = tf.function(lambda x: self.out(self.hidden(x)))

    def call(self, x):
        return self.compiled_call(x)


class InABranch(Hidden):
    def call(self, x):
        tf = pytest.importorskip("tensorflow")
        positive = tf.reduce_sum(x) > 0
        return self.out(
            tf.cond(positive, lambda: self.hidden(x), lambda: self.hidden(-x))
        )


def built(model):
    model(X[:1])
    model.compile("sgd", LOSS)
    model.hidden.bias.assign(np.array([-99.0, -99, 0, 0, 0, 0, 0, 0]))
    return model


tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="It is about graphs of TensorFlow."
)


@tensorflow_only
def test_layers_that_are_called_in_a_function_are_seen():
    history, messages, _ = fit(built(InAFunction()))
    assert history["dead_fraction"] == [0.25] and messages == []
    (hidden, _) = diagnostics.activity(built(InAFunction()), X)
    assert hidden.dead.nonzero()[0].tolist() == [0, 1]
    found = keras_inits.diagnose(built(InAFunction()), X, LABELS)
    assert found.progress.last.loss < found.progress.first.loss
    report = calibration.lsuv(built(InAFunction()), X)
    assert [row.name for row in report.rows] == ["hidden", "out"]


@tensorflow_only
def test_what_a_branch_hides_is_named_and_the_training_goes_on():
    model = built(InABranch())
    history, (message,), _ = fit(model, epochs=3)
    assert re.search("goes on without a monitor.*tf.cond.*so calls 'hidden'", message)
    assert "dead_fraction" not in history
    assert len(history["loss"]) == 3


@tensorflow_only
def test_a_fault_of_the_model_is_its_own():
    class Faulty(keras.Sequential):
        def compute_loss(self, *args, **kwargs):
            raise ArithmeticError("no loss today")

    model = Faulty([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile("sgd", LOSS)
    with pytest.raises(ArithmeticError, match="no loss today"):
        fit(model)


# Activations that no layer has


def all_dead(activation):
    """A network whose only ReLU, wherever it stands, is applied to -99 and less."""
    inputs = keras.Input((6,))
    below = layers.Dense(8, bias_initializer=keras.initializers.Constant(-99.0))
    outputs = layers.Dense(3, "softmax")(activation(below(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(1e-9), LOSS)
    return model


ACTIVATIONS = {
    "layer": layers.Activation("relu"),
    "ops": keras.ops.relu,
    "activations": keras.activations.relu,
    "lambda": layers.Lambda(keras.ops.relu),
    "own lambda": layers.Lambda(lambda x: keras.ops.maximum(x, 0.0)),
    "model": keras.Sequential([keras.Input((8,)), layers.Lambda(keras.ops.relu6)]),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_relu_is_relu_wherever_it_stands(name):
    data = {} if keras.backend.backend() == "tensorflow" else {"data": X}
    model = all_dead(ACTIVATIONS[name])
    history, messages, _ = fit(model, on_collapse=None, **data)
    assert history["dead_fraction"] == [1.0] and messages == []


class InItsCall(keras.Model):
    def __init__(self):
        super().__init__()
        self.below, self.out = layers.Dense(8), layers.Dense(3, "softmax")

    def call(self, x):
        return self.out(keras.ops.relu(self.below(x)))


class Cell(keras.Layer):
    state_size = 4

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def call(self, x, states):
        outputs = keras.ops.relu(keras.ops.matmul(x, self.kernel)) + states[0]
        return outputs, [outputs]


def repeated(layer, shape):
    last = layers.Dense(3, "softmax")
    return keras.Sequential([keras.Input(shape), layer, layers.Flatten(), last])


OUT_OF_SIGHT = {
    "relu in the call of": (InItsCall, X),
    "within TimeDistributed": (
        lambda: repeated(
            layers.TimeDistributed(
                keras.Sequential([layers.Dense(4, "relu"), layers.Dense(2)])
            ),
            (2, 3),
        ),
        X.reshape(-1, 2, 3),
    ),
    "within RNN": (lambda: repeated(layers.RNN(Cell()), (2, 3)), X.reshape(-1, 2, 3)),
}


@pytest.mark.parametrize("place", OUT_OF_SIGHT)
def test_what_is_out_of_sight_is_named_and_not_counted(place):
    build, x = OUT_OF_SIGHT[place]
    model = build()
    model.compile("sgd", LOSS)
    data = {} if keras.backend.backend() == "tensorflow" else {"data": x}
    history, (message,), _ = fit(model, x, epochs=2, on_collapse=None, **data)
    assert message.startswith(
        f"Units whose activation cannot be seen are not counted: {place}"
    )
    assert np.isnan(history["dead_fraction"]).all()


# What is not finite


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "sigmoid"])
def test_what_is_not_a_number_is_in_no_state(activation):
    hidden = [layers.Dense(16, activation, name=f"hidden_{i}") for i in (1, 2)]
    model = keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e4), "mse")
    data = {} if keras.backend.backend() == "tensorflow" else {"data": X}
    x, y = 1e3 * X, 1e30 * X[:, :1]
    history, messages, monitor = fit(model, x, y, epochs=3, **data)
    assert np.isnan(history["loss"][-1])
    # Which layer is the first depends on where numbers overflow.
    first = next(m for m in messages if "NaN or infinite" in m)
    assert re.match(r"In epoch \d layer '\w+' has stopped being finite", first)
    assert "learning rate" in first
    assert not any("Initializers" in m for m in messages)
    for layer in monitor.activity:
        assert layer.nonfinite.all()
        for state in ("dead", "saturated", "constant", "duplicate", "inactive"):
            assert not getattr(layer, state).any()
    assert np.isnan(history["constant_fraction"][-1])


def test_the_members_that_are_finite_keep_their_states():
    def build(seed):
        layer = layers.Dense(4, "relu", name="hidden")
        return keras.Sequential([keras.Input((6,)), layer, layers.Dense(1)])

    population = Population(build, [{"seed": seed} for seed in range(2)])
    matrices = [matrix.copy() for matrix in population.get_weights()]
    for matrix in matrices:
        matrix[1] = np.nan
    population.set_weights(matrices)
    hidden, _ = diagnostics.activity(population, X)
    assert hidden.nonfinite.tolist() == [[False] * 4, [True] * 4]
    assert not hidden.dead[1].any()
    assert np.isnan(hidden.quantities()["dead_fraction"]).tolist() == [False, True]


# What is advised


def told(model, x, y, epochs):
    return [m for m in fit(model, x, y, epochs)[1] if "collapsed" in m]


@tensorflow_only
def test_one_softmax_unit():
    hidden = layers.Dense(8, "relu", bias_initializer="ones")
    model = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(1, "softmax")])
    model.compile("adam", "binary_crossentropy")
    (message,) = told(model, X, LABELS > 1, 1)
    assert "its only softmax unit returns the same for every sample." in message
    assert message.endswith("give it a unit for each class, or make it sigmoid.")


@tensorflow_only
def test_inputs_that_do_not_differ():
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1), layers.LeakyReLU()])
    model.compile("adam", "mse")
    (message,) = told(model, -np.ones((99, 1)), np.ones((99, 1)), 1)
    assert re.search(
        r"So has a layer after it \('leaky_re_lu\w*'\)\. It was so", message
    )
    assert "inputs are the same for all samples" in message
    assert "Initializers" not in message


def reaching_too_low():
    """A network whose last unit dies on its way to targets below 0."""
    out = layers.Dense(1, "relu", name="out", bias_initializer="ones")
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, "relu"), out])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


LATER = (
    r"'out' has collapsed: its only relu unit is dead.* It was not so at the start.* a "
    "smaller learning rate, or targets within reach of relu, may be"
)


@tensorflow_only
def test_a_collapse_that_comes_later():
    (message,) = told(reaching_too_low(), X, -np.ones((80, 1)), 20)
    assert not message.startswith("In epoch 1 ")
    assert re.search(LATER, message) and "Initializers" not in message


def test_with_data_of_its_own_it_knows_the_start():
    """What it sees at the end of the first epoch may have come in it."""
    x, y = np.tile(X, (20, 1)), -np.ones((1600, 1))
    _, (message,), _ = fit(reaching_too_low(), x, y, data=X)
    assert message.startswith("In epoch 1 ") and re.search(LATER, message)


# Layers that are not called, and loops of one's own


class Unused(Hidden):
    def __init__(self):
        super().__init__()
        self.old = layers.Dense(4, name="old")

    def call(self, x):
        return self.out(self.hidden(x))


@pytest.mark.filterwarnings("ignore:.build\\(\\). was called on layer")
def test_a_layer_that_is_never_called_is_left_out():
    model = Unused()
    model.compile("sgd", LOSS)
    model.fit(X, LABELS, verbose=0)
    found = keras_inits.diagnose(model, X, LABELS)
    assert found.progress.last.loss < found.progress.first.loss
    report = keras_inits.initialize(model, "lee_qr")
    assert [row.name for row in report.rows] == ["hidden", "out"]
    assert not model.old.built


@tensorflow_only
def test_callbacks_that_are_called_by_hand():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax")])
    model.compile("sgd", LOSS)
    monitor = DeadUnitMonitor()
    loop = keras.callbacks.CallbackList([monitor], model=model)
    loop.on_train_begin()
    loop.on_epoch_begin(0)
    before = model.get_weights()[0]
    model.train_on_batch(X, LABELS)
    assert np.any(model.get_weights()[0] != before)
    with pytest.warns(UserWarning, match="has seen nothing in epoch 1"):
        loop.on_epoch_end(0, {})
    loop.on_train_end()
