import copy
import csv
import os
import re
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import callbacks, layers

from keras_inits import DeadUnitMonitor, Population, diagnostics
from keras_inits.callbacks import train_function

STATES = ("dead", "saturated", "constant", "duplicate")
FRACTIONS = {f"{state}_fraction" for state in STATES}
X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 50)
LOSS = "sparse_categorical_crossentropy"


def found(activity):
    return {
        layer.layer: {s: getattr(layer, s).nonzero()[-1].tolist() for s in STATES}
        for layer in activity
    }


def network(dead=2):
    """Returns a network that draws at random in training, with some dead units."""
    keras.utils.set_random_seed(0)
    first = layers.Dense(6, "relu", name="first")
    model = keras.Sequential(
        [
            keras.Input((5,), name="input"),
            first,
            layers.BatchNormalization(name="normal"),
            layers.Dropout(0.2, name="dropout"),
            layers.Dense(4, "tanh", name="second"),
            layers.Dense(3, "softmax", name="last"),
        ],
        name="network",
    )
    first.bias.assign(np.where(np.arange(6) < dead, -50.0, 0.0))
    return model


def compiled(dead=2, **arguments):
    model = network(dead)
    model.compile("adam", LOSS, **{"jit_compile": False, **arguments})
    return model


@pytest.fixture(scope="module")
def once():
    """A model and the monitor that watches it, for TensorFlow to trace once."""
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    start = [np.copy(keras.ops.convert_to_numpy(variable)) for variable in variables]
    return model, DeadUnitMonitor(on_collapse=None), variables, start


@pytest.fixture
def traced(once):
    """The same model and monitor in each test, with the weights of the start."""
    model, monitor, variables, start = once
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    return model, monitor


def fit(model, *given, epochs=1, x=X, y=Y, **arguments):
    arguments = {"batch_size": 8, "verbose": 0, **arguments}
    return model.fit(x, y, epochs=epochs, callbacks=[*given], **arguments).history


def assert_as_found(model):
    """Checks that nothing of an observation is left in a model."""
    assert not isinstance(model.train_function, train_function.ObservedTraining)
    for layer in model._flatten_layers():
        assert not {"call", "inner_loop"} & vars(layer).keys()
    assert "train_step" not in vars(model)


def test_counts_are_those_of_a_pass_over_all_samples(planted, images):
    model, states = planted
    # With XLA, as Keras has it by default, and executions of three steps or less.
    model.compile(keras.optimizers.SGD(0.0), "mse", steps_per_execution=3)
    monitor = DeadUnitMonitor(on_collapse=None)
    logs = fit(model, monitor, x=images, y=np.zeros(50), epochs=2)
    assert found(monitor.activity) == states
    exact = {layer.layer: layer for layer in diagnostics.activity(model, images, 8)}
    for row in monitor.history:
        for quantity, value in exact[row["layer"]].quantities().items():
            assert row[quantity] == pytest.approx(value, rel=1e-4, abs=1e-6)
    dead = sum(len(units["dead"]) for units in states.values())
    can_die = [name for name in states if exact[name].can_die]
    assert logs["dead_fraction"] == pytest.approx([dead / 6 / len(can_die)] * 2)
    constant = sum(len(units["constant"]) for units in states.values())
    units = 6 * (len(states) - 1) + 1  # The head has one.
    assert logs["constant_fraction"] == pytest.approx([constant / units] * 2)
    assert len(monitor.history) == 2 * len(states)


def data_set():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


class Generated(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]


@pytest.mark.parametrize("source", ["arrays", "tf.data", "PyDataset", "generator"])
def test_every_sample_counts_from_any_source(traced, source):
    model, monitor = traced
    model.optimizer.learning_rate = 0.0
    made = {"tf.data": data_set, "PyDataset": lambda: Generated(workers=1)}
    given = {"x": X, "y": Y, "batch_size": 8}
    if source == "generator":
        batches = Generated()
        given = {"x": (batches[i] for i in range(7)), "steps_per_epoch": 7}
    elif source != "arrays":
        given = {"x": made[source]()}
    model.fit(**given, shuffle=False, callbacks=[monitor], verbose=0)
    first = monitor.activity[0]
    # The first layer has no random numbers before it.
    outputs = keras.ops.convert_to_numpy(model.layers[0](X))
    np.testing.assert_allclose(first.unit_mean, outputs.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(first.dead, (outputs == 0).all(axis=0))
    assert first.dead.sum() == 2


@pytest.mark.parametrize(
    "how",
    [{}, {"steps_per_execution": 3}, {"run_eagerly": True}],
    ids=["graph", "several steps", "eager"],
)
def test_training_is_the_same_to_the_bit(how):
    runs = []
    numpy = keras.ops.convert_to_numpy
    for monitors in ([], [DeadUnitMonitor()]):
        model = compiled(**how)
        logs = fit(model, *monitors, epochs=2, validation_data=(X, Y))
        variables = [*model.variables, *model.optimizer.variables]
        runs.append(([numpy(v) for v in variables], logs, variables))
    (plain, logs, one), (watched, more, other) = runs
    assert all(map(np.array_equal, plain, watched))
    assert [v.name for v in one] == [v.name for v in other]
    assert logs == {name: more[name] for name in logs}
    assert more.keys() - logs.keys() == FRACTIONS


class Late(keras.Model):
    """Makes its layers when it is built."""

    def build(self, shape):
        self.hidden = layers.Dense(6, "relu", name="hidden")
        self.last = layers.Dense(3, "softmax")
        self.hidden.build(shape)
        self.last.build((None, 6))

    def call(self, x):
        return self.last(self.hidden(x))


def deferred():
    return keras.Sequential(
        [layers.Dense(6, "relu", name="hidden"), layers.Dense(3, "softmax")]
    )


@pytest.mark.parametrize("make", [Late, deferred])
def test_models_that_are_built_by_the_first_batch(make):
    weights = []
    for monitors in ([], [DeadUnitMonitor()]):
        keras.utils.set_random_seed(0)
        model = make()
        model.compile("adam", LOSS, jit_compile=False)
        fit(model, *monitors, epochs=2)
        weights.append(model.get_weights())
    assert monitors[0].activity[0].layer == "hidden"
    assert all(map(np.array_equal, *weights))


def test_what_is_saved_in_between_is_what_is_saved_without(tmp_path):
    between, after, plain = (tmp_path / f"{n}.keras" for n in ("one", "two", "three"))
    save = callbacks.ModelCheckpoint(str(between), save_freq=7)  # The last batch.
    model = compiled()
    fit(model, DeadUnitMonitor(), save)
    assert_as_found(model)
    model.save(after)
    other = compiled()
    fit(other)
    other.save(plain)
    configs = []
    for path in (between, after):
        with zipfile.ZipFile(path) as file:
            configs.append(file.read("config.json"))
    assert configs[0] == configs[1]
    loaded = [keras.saving.load_model(path) for path in (between, plain)]
    # A file does not hold the seed of dropout.
    variables = [model.weights + model.optimizer.variables for model in loaded]
    for one, two in zip(*variables, strict=True):
        assert np.array_equal(*map(keras.ops.convert_to_numpy, (one, two)))


class Interrupt(callbacks.Callback):
    """Raises an exception at a batch, or within a step."""

    def __init__(self, error, inside):
        super().__init__()
        self.error, self.inside = error, inside

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2 and not self.inside:
            raise self.error
        if batch == 2:
            self.function = self.model.train_function._function
            self.model.train_function._function = self.fail

    def fail(self, iterator):
        self.model.train_function._function = self.function
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ArithmeticError])
@pytest.mark.parametrize("inside", [True, False], ids=["step", "callback"])
def test_after_an_interruption(error, inside):
    model, monitor = compiled(), DeadUnitMonitor()
    with pytest.raises(error):
        fit(model, monitor, Interrupt(error, inside))
    if inside:
        assert_as_found(model)
    logs = fit(model)
    assert_as_found(model)
    assert not FRACTIONS & logs.keys() and len(monitor.history) == 0
    logs = fit(model, monitor)
    assert logs["dead_fraction"] == [2 / 6]
    assert_as_found(model)


def test_one_batch_after_an_interruption(traced):
    model, monitor = traced
    with pytest.raises(ArithmeticError):
        fit(model, monitor, Interrupt(ArithmeticError, inside=False))
    model.train_on_batch(X[:8], Y[:8])
    assert_as_found(model)


def test_a_second_fit_starts_anew_without_tracing():
    model, monitor = compiled(), DeadUnitMonitor(on_collapse=None)
    fit(model, monitor, epochs=2)
    function = monitor._training
    logs = fit(model, monitor, epochs=3, initial_epoch=2)
    assert [row["epoch"] for row in monitor.history] == [2, 2, 2]
    assert monitor._training is function and FRACTIONS < logs.keys()
    model.compile("adam", LOSS, jit_compile=False)
    fit(model, monitor)
    assert monitor._training is not function
    assert_as_found(model)


def test_two_monitors():
    model = compiled()
    one, other = DeadUnitMonitor(), DeadUnitMonitor(layers=["second"])
    for _ in range(2):
        logs = fit(model, one, other)
        assert [layer.layer for layer in one.activity] == ["first", "second", "last"]
        assert [layer.layer for layer in other.activity] == ["second"]
        assert logs["saturated_fraction"] == [one.history[1]["saturated_fraction"]]
        assert one.history[1] == other.history[0]
        assert_as_found(model)


def test_a_copy_watches_as_the_original(traced):
    model, _ = traced
    original = DeadUnitMonitor(layers=["first"], on_collapse=None)
    copied = copy.deepcopy(original)
    fit(model, copied)
    assert copied.activity[0].dead.sum() == 2 and not original.history


def test_other_callbacks_read_the_logs(traced, tmp_path):
    model, monitor = traced
    stop = callbacks.EarlyStopping("dead_fraction", patience=1, mode="min")
    logger = callbacks.CSVLogger(str(tmp_path / "log.csv"))
    logs = fit(model, monitor, stop, logger, epochs=9)
    assert logs["dead_fraction"] == [2 / 6] * 2  # It did not get better.
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dead_fraction"]) for row in rows] == logs["dead_fraction"]


def test_history_is_a_table_and_memory_does_not_grow(traced):
    model, monitor = traced
    fit(model, monitor, epochs=4)
    assert len(monitor.history) == 12
    keys = {"epoch", "layer", *FRACTIONS, "inactive_fraction", "mean", "sd"}
    assert all(row.keys() == keys for row in monitor.history)
    # By layer and epoch seven numbers, by unit a few of the last epoch.
    assert sum(values.nbytes for _, _, values in monitor._epochs) == 4 * 3 * 7 * 4
    assert len(monitor._totals._totals) == 1


def test_data_give_a_snapshot(traced):
    model, _ = traced
    monitor = DeadUnitMonitor(data=X, on_collapse=None)
    logs = fit(model, monitor)
    expected = diagnostics.activity(model, X)
    assert found(monitor.activity) == found(expected)
    assert monitor.activity[1].sd == pytest.approx(expected[1].sd)
    assert logs["dead_fraction"] == [2 / 6]


def collapsing():
    keras.utils.set_random_seed(0)
    bias = keras.initializers.Constant(-50)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(4, "relu", name="dead", bias_initializer=bias),
            layers.Dense(4, "tanh", name="after"),
            layers.Dense(3, "softmax", name="last"),
        ]
    )
    model.compile("sgd", LOSS, jit_compile=False)
    return model


COLLAPSE = (
    r"In epoch 1 layer 'dead' has collapsed: all of its 4 relu units are dead.*So have "
    r"2 layers after it \('after', 'last'\)\. Initializers for relu: 'lee_qr'"
)


def test_a_collapse_is_told_once_a_fit_whatever_the_filter_has_let_through():
    model, monitor = collapsing(), DeadUnitMonitor()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(2):
            fit(model, monitor, epochs=2)
    assert len(caught) == 2
    assert all(re.match(COLLAPSE, str(each.message)) for each in caught)


def test_a_collapse_stops_training():
    model = collapsing()
    with pytest.warns(UserWarning, match=COLLAPSE):
        logs = fit(model, DeadUnitMonitor(on_collapse="stop"), epochs=3)
    assert logs["dead_fraction"] == [1.0]


def test_a_collapse_is_an_error():
    model = collapsing()
    with pytest.raises(RuntimeError, match=COLLAPSE):
        fit(model, DeadUnitMonitor(on_collapse="raise"), epochs=3)
    assert_as_found(model)


def test_layers_that_are_constant_have_collapsed():
    model = compiled()
    model.get_layer("second").kernel.assign(np.zeros((6, 4)))
    model.optimizer.learning_rate = 0.0
    with pytest.warns(UserWarning, match="'second' .* 4 tanh units return the same"):
        fit(model, DeadUnitMonitor())


def test_an_initializer_for_another_activation():
    part = layers.Dense(4, "tanh", kernel_initializer="yilmaz_poli", name="part")
    model = keras.Sequential([keras.Input((5,)), part, layers.Dense(3, "softmax")])
    model.compile("sgd", LOSS)
    with pytest.warns(UserWarning, match="'part' has activation tanh, and 'yilmaz_p"):
        fit(model, DeadUnitMonitor())


def member(dead=0):
    bias = np.where(np.arange(6) < dead, -50.0, 0.0)
    first = layers.Dense(
        6,
        "relu",
        bias_initializer=keras.initializers.Constant(bias),
        name="first",
    )
    model = keras.Sequential([keras.Input((5,)), first, layers.Dense(3, "softmax")])
    model.compile("adam", LOSS, jit_compile=False)
    return model


def test_members_of_a_population():
    population = Population(member, [{"dead": dead, "seed": 0} for dead in (0, 3, 6)])
    population.optimizer.learning_rate = 0.0
    monitor = DeadUnitMonitor()
    logs = fit(population, monitor, epochs=2)
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


def test_members_train_as_without_the_monitor():
    members = [{"seed": seed} for seed in range(3)]
    populations = [Population(member, members) for _ in range(2)]
    fit(populations[0], epochs=2, data_order="seed")
    fit(populations[1], DeadUnitMonitor(), epochs=2, data_order="seed")
    weights = [population.get_weights() for population in populations]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_plot(traced):
    pytest.importorskip("matplotlib")
    model, monitor = traced
    with pytest.raises(ValueError, match="first epoch"):
        DeadUnitMonitor().plot()
    fit(model, monitor, epochs=3)
    for quantity in ("dead_fraction", "sd"):
        axes, bar = monitor.plot(quantity).axes
        (image,) = axes.images
        assert image.get_array().shape == (3, 3)
        assert [text.get_text() for text in axes.get_yticklabels()] == [
            *("first", "second", "last")
        ]
        shown = [row[quantity] for row in monitor.history if row["layer"] == "first"]
        np.testing.assert_allclose(image.get_array()[0], shown, rtol=1e-6)
    with pytest.raises(ValueError, match="Did you mean 'dead_fraction'"):
        monitor.plot("dead_fractions")


def test_tensorboard(traced, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    model, _ = traced
    monitor = DeadUnitMonitor(log_dir=tmp_path, on_collapse=None)
    fit(model, monitor, epochs=2)
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()["tensors"]
    assert {"first/dead_fraction", "last/sd", "second/unit_mean"} <= {*tags}
    assert len(tags) == 3 * 8
    assert [event.step for event in events.Tensors("first/dead_fraction")] == [0, 1]


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        (DeadUnitMonitor(layers=["frist"]), "Did you mean 'first'"),
        (DeadUnitMonitor(data=X, layers=["frist"]), "Did you mean 'first'"),
        (DeadUnitMonitor(data=X[:, :3]), r"\(None, 5\).*shapes \[\(50, 3\)\]"),
        (DeadUnitMonitor(data=X[:0]), "one at least"),
    ],
    ids=["layer", "layer and data", "shape", "empty"],
)
def test_what_is_wrong_is_said_before_training(traced, monitor, message):
    model, _ = traced
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fit(model, monitor)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert_as_found(model)


def test_a_model_without_activations():
    scale = keras.Sequential([keras.Input((5,)), layers.BatchNormalization()])
    scale.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"an activation.*\['BatchNormalization'\]"):
        fit(scale, DeadUnitMonitor(), y=X)


def test_arguments():
    with pytest.raises(ValueError, match="Received: on_collapse=explode"):
        DeadUnitMonitor(on_collapse="explode")
    with pytest.raises(TypeError, match="Received: layers=first"):
        DeadUnitMonitor(layers="first")


def run(code, **environment):
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


NETWORK = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras
    import numpy as np
    from keras_inits import DeadUnitMonitor
def build():
    relu = keras.layers.Dense(6, "relu")
    model = keras.Sequential([keras.Input((5,)), relu, keras.layers.Dense(1)])
    relu.bias.assign([-50, -50, 0, 0, 0, 0])
    model.compile("sgd", "mse")
    return model
x = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
"""

MIRRORED = """
import tensorflow as tf
cpu, = tf.config.list_physical_devices("CPU")
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
warnings.simplefilter("ignore")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = build()
model.optimizer.learning_rate = 0.0
monitor = DeadUnitMonitor()
history = model.fit(x, x[:, :1], batch_size=8, epochs=2, callbacks=[monitor], verbose=0)
outputs = keras.ops.convert_to_numpy(model.layers[0](x))
print(*history.history["dead_fraction"])
print(np.abs(monitor.activity[0].unit_mean - outputs.mean(axis=0)).max() < 1e-6)
"""


def test_replicas():
    first, second, close = run(NETWORK + MIRRORED)
    assert float(first) == float(second) == pytest.approx(2 / 6)
    assert close == "True"


JAX = """
model = build()
try:
    model.fit(x, x[:, :1], callbacks=[DeadUnitMonitor()], verbose=0)
except ValueError as error:
    print("data=None" in str(error))
monitor = DeadUnitMonitor(data=x)
history = model.fit(x, x[:, :1], epochs=2, callbacks=[monitor], verbose=0)
print(*history.history["dead_fraction"])
"""


def test_another_backend():
    pytest.importorskip("jax")
    said, first, second = run(NETWORK + JAX, KERAS_BACKEND="jax")
    assert said == "True" and float(first) == float(second) == pytest.approx(2 / 6)
