"""What a monitor counts, keeps and shows, and what it refuses."""

import copy
import csv

import keras
import numpy as np
import pytest
from keras import callbacks, layers

from keras_inits import DeadUnitMonitor, diagnostics

STATES = ("dead", "saturated", "constant", "duplicate")
FRACTIONS = {f"{state}_fraction" for state in STATES}
X = np.random.default_rng(0).normal(size=(50, 5)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 50)


def found(activity):
    return {
        layer.layer: {s: getattr(layer, s).nonzero()[-1].tolist() for s in STATES}
        for layer in activity
    }


def test_counts_are_those_of_a_pass_over_all_samples(planted, images, fit):
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
def test_every_sample_counts_from_any_source(traced, source, fit):
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


def test_two_monitors(compiled, fit, assert_as_found):
    model = compiled()
    one, other = DeadUnitMonitor(), DeadUnitMonitor(layers=["second"])
    for _ in range(2):
        logs = fit(model, one, other)
        assert [layer.layer for layer in one.activity] == ["first", "second", "last"]
        assert [layer.layer for layer in other.activity] == ["second"]
        assert logs["saturated_fraction"] == [one.history[1]["saturated_fraction"]]
        assert one.history[1] == other.history[0]
        assert_as_found(model)


def test_a_copy_watches_as_the_original(traced, fit):
    model, _ = traced
    original = DeadUnitMonitor(layers=["first"], on_collapse=None)
    copied = copy.deepcopy(original)
    fit(model, copied)
    assert copied.activity[0].dead.sum() == 2 and not original.history


def test_other_callbacks_read_the_logs(traced, tmp_path, fit):
    model, monitor = traced
    stop = callbacks.EarlyStopping("dead_fraction", patience=1, mode="min")
    logger = callbacks.CSVLogger(str(tmp_path / "log.csv"))
    logs = fit(model, monitor, stop, logger, epochs=9)
    assert logs["dead_fraction"] == [2 / 6] * 2  # It did not get better.
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["dead_fraction"]) for row in rows] == logs["dead_fraction"]


def test_history_is_a_table_and_memory_does_not_grow(traced, fit):
    model, monitor = traced
    fit(model, monitor, epochs=4)
    assert len(monitor.history) == 12
    keys = {"epoch", "layer", *FRACTIONS, "inactive_fraction", "mean", "sd"}
    assert all(row.keys() == keys for row in monitor.history)
    # By layer and epoch seven numbers, by unit a few of the last epoch.
    assert sum(values.nbytes for _, _, values in monitor._epochs) == 4 * 3 * 7 * 4
    assert len(monitor._totals._totals) == 1


def test_data_give_a_snapshot(traced, fit):
    model, _ = traced
    monitor = DeadUnitMonitor(data=X, on_collapse=None)
    logs = fit(model, monitor)
    expected = diagnostics.activity(model, X)
    assert found(monitor.activity) == found(expected)
    assert monitor.activity[1].sd == pytest.approx(expected[1].sd)
    assert logs["dead_fraction"] == [2 / 6]


def test_plot(traced, fit):
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


def test_tensorboard(traced, tmp_path, fit):
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
def test_what_is_wrong_is_said_before_training(
    traced, monitor, message, fit, assert_as_found
):
    model, _ = traced
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fit(model, monitor)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert_as_found(model)


def test_a_model_without_activations(fit):
    scale = keras.Sequential([keras.Input((5,)), layers.BatchNormalization()])
    scale.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"an activation.*\['BatchNormalization'\]"):
        fit(scale, DeadUnitMonitor(), y=X)


def test_arguments():
    with pytest.raises(ValueError, match="Received: on_collapse=explode"):
        DeadUnitMonitor(on_collapse="explode")
    with pytest.raises(TypeError, match="Received: layers=first"):
        DeadUnitMonitor(layers="first")
