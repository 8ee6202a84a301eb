"""What holds for every calibration: a new one is a new row of `ROWS`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_inits
from keras_inits import calibration
from keras_inits.inspection.layers import leaf_layers

# By name: the call, the activation of hidden layers, and that of the last one.
ROWS = {
    "rai": (lambda m, x, **k: calibration.rai(m, **k), "relu", "softmax"),
    "gsm": (lambda m, x, **k: calibration.gsm(m, **k), "relu", "softmax"),
    "elliptical_projection": (
        calibration.elliptical_projection,
        "sigmoid",
        "sigmoid",
    ),
    "lsuv": (calibration.lsuv, "tanh", "softmax"),
    "jacobian_norm": (calibration.jacobian_norm, "tanh", "tanh"),
}
NEED_DATA = ["elliptical_projection", "lsuv", "jacobian_norm"]

each = pytest.mark.parametrize("method", ROWS)
each_with_data = pytest.mark.parametrize("method", NEED_DATA)


def call(method, model, x, **kwargs):
    return ROWS[method][0](model, x, **kwargs)


def build(method, kind, **kwargs):
    """Returns a model of 12 inputs and the names of its layers to be treated."""
    _, hidden, last = ROWS[method]
    first = keras.layers.Dense(8, hidden, name="first")
    shared = keras.layers.Dense(8, hidden, name="shared")
    head = keras.layers.Dense(4, last, name="head", **kwargs)
    treated = ["first", "shared", "head"]
    if kind == "sequential":
        return keras.Sequential([keras.Input((12,)), first, shared, head]), treated
    if kind == "subclassed":

        class Model(keras.Model):
            def __init__(self):
                super().__init__()
                self.parts = [first, shared, head]

            def call(self, inputs):
                for part in self.parts:
                    inputs = part(inputs)
                return inputs

        model = Model()
        model(np.zeros((1, 12), "float32"))
        return model, treated
    if kind == "nested":
        block = keras.Sequential([keras.Input((8,)), shared], name="block")
        inputs = keras.Input((12,))
        return keras.Model(inputs, head(block(first(inputs)))), treated
    if kind == "shared":
        inputs = keras.Input((12,))
        outputs = head(shared(keras.layers.Dropout(0.5)(shared(first(inputs)))))
        return keras.Model(inputs, outputs), treated
    if kind == "activation layers":
        layers = []
        for layer, activation in ((first, hidden), (shared, hidden), (head, last)):
            layer.activation = keras.activations.linear
            layers += [layer, keras.layers.Activation(activation)]
        return keras.Sequential([keras.Input((12,)), *layers]), treated
    assert kind == "convolutional"
    image = keras.layers.Reshape((4, 3, 1))
    conv = keras.layers.Conv2D(6, 3, activation=hidden, name="conv")
    return (
        keras.Sequential(
            [keras.Input((12,)), image, conv, keras.layers.Flatten(), first, head]
        ),
        ["conv", "first", "head"],
    )


KINDS = [
    "sequential",
    "subclassed",
    "nested",
    "shared",
    "activation layers",
    "convolutional",
]


@each
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_model(method, kind, x, weights_of):
    model, treated = build(method, kind)
    before = weights_of(model)
    report = call(method, model, x, seed=3)
    skipped = []
    if method == "jacobian_norm" and kind == "convolutional":
        skipped = ["conv"]
    assert list(report.skipped) == skipped
    assert [row.name for row in report.rows] == [t for t in treated if t not in skipped]
    for layer in leaf_layers(model):
        if layer.name in treated and layer.name not in skipped:
            assert report.rows[0].before.keys() == report.rows[0].after.keys()
            assert not any(
                layer.kernel.shape == old.shape and np.array_equal(layer.kernel, old)
                for old in before
            )
    assert np.all(np.isfinite(keras.ops.convert_to_numpy(model(x))))
    assert json.loads(json.dumps(report.to_dict()))["method"] == method
    assert all(row.name in str(report) for row in report.rows)


@each
def test_a_seed_repeats_the_weights(method, x, weights_of):
    models = [build(method, "sequential")[0] for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.set_weights(models[0].get_weights())
        call(method, model, x, seed=seed)
    first, again, other = (weights_of(model) for model in models)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    if method != "jacobian_norm":  # It draws inputs alone, and here has data.
        assert not np.array_equal(first[0], other[0])


@each
def test_without_a_seed_keras_random_seed_decides(method, x, weights_of):
    model, _ = build(method, "sequential")
    start = model.get_weights()
    found = []
    for _ in range(2):
        model.set_weights(start)
        keras.utils.set_random_seed(8)
        call(method, model, x)
        found.append(weights_of(model))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@each
def test_strict_changes_nothing(method, x, weights_of):
    _, hidden, last = ROWS[method]
    model = keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(8, hidden),
            keras.layers.Dense(8, hidden, trainable=False, name="frozen"),
            keras.layers.Reshape((4, 2)),
            keras.layers.LSTM(3, name="lstm"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(4, last),
        ]
    )
    before = weights_of(model)
    with pytest.raises(ValueError, match=r"frozen: .*trainable=False.*lstm: LSTM"):
        call(method, model, x, strict=True)
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)
    frozen = model.get_layer("frozen").get_weights()
    report = call(method, model, x)
    assert report.skipped.keys() == {"frozen", "lstm"}
    for old, new in zip(frozen, model.get_layer("frozen").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@each
def test_an_error_on_the_way_restores_the_model(method, x, weights_of, monkeypatch):
    model, _ = build(method, "sequential")
    before = weights_of(model)
    head = model.get_layer("head").kernel

    # The layers before it are set by then.
    monkeypatch.setattr(type(head), "assign", _failing_once(head))
    with pytest.raises(KeyboardInterrupt):
        call(method, model, x)
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def _failing_once(variable):
    assign = type(variable).assign
    failed = []

    def failing(self, value):
        if self is variable and not failed:
            failed.append(True)
            raise KeyboardInterrupt
        return assign(self, value)

    return failing


@each
def test_what_is_no_built_model_is_refused(method, x):
    with pytest.raises(ValueError, match=r"must be built.*Received: model="):
        call(method, keras.Sequential([keras.layers.Dense(2)]), x)
    with pytest.raises(TypeError, match=r"keras.Model.*Received: model of type str"):
        call(method, "model", x)
    nothing = keras.Sequential([keras.Input((12,)), keras.layers.ReLU()])
    with pytest.raises(ValueError, match="with no such layer"):
        call(method, nothing, x)


@each
def test_what_is_no_seed_is_refused(method, x):
    model, _ = build(method, "sequential")
    for seed in (-1, 1.5, True, "1"):
        with pytest.raises(ValueError, match="Received: seed="):
            call(method, model, x, seed=seed)


class Batches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 4

    def __getitem__(self, index):
        part = self.x[50 * index : 50 * (index + 1)]
        return part, np.zeros(len(part))


@each_with_data
@pytest.mark.parametrize("kind", ["tf.data", "PyDataset", "list of batches"])
def test_datasets_are_as_arrays(method, kind, x, weights_of):
    if kind == "tf.data":
        data = pytest.importorskip("tensorflow").data.Dataset
        data = data.from_tensor_slices((x, np.zeros(200))).batch(30)
    else:
        data = Batches(x)
        if kind == "list of batches":
            data = _Iterable([data[i] for i in range(4)])
    model, _ = build(method, "sequential")
    start = model.get_weights()
    call(method, model, x, seed=1)
    from_arrays = weights_of(model)
    model.set_weights(start)
    # As many samples as there are, lest batches decide which ones are taken.
    call(method, model, data, seed=1)
    for a, b in zip(from_arrays, weights_of(model), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2 if "norm" in method else 1e-4)


class _Iterable:
    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


@each_with_data
@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda x: x * np.nan, ValueError, "must be finite"),
        (lambda x: x[:1], ValueError, "two samples or more.*with 1 samples"),
        (lambda x: x[:0], ValueError, "two samples or more.*with 0 samples"),
        (lambda x: x * 0 + 3, ValueError, "with 200 samples, all the same"),
        (lambda x: x.astype(str), TypeError, "must be numbers"),
        (lambda x: x[:, :5], ValueError, "12"),
        (lambda x: iter([x]), TypeError, "gone through again.*list_iterator"),
        (lambda x: 3, TypeError, "Received: x of type int"),
        (lambda x: [x, x[:5]], ValueError, r"sizes=\[5, 200\]"),
    ],
    ids=["NaN", "one", "none", "same", "text", "shape", "iterator", "int", "sizes"],
)
def test_data_that_cannot_do(method, spoil, error, message, x, weights_of):
    model, _ = build(method, "sequential")
    before = weights_of(model)
    with pytest.raises(error, match=message):
        call(method, model, spoil(x))
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_dataset_without_end_is_refused(x):
    data = pytest.importorskip("tensorflow").data.Dataset
    model, _ = build("lsuv", "sequential")
    with pytest.raises(ValueError, match="must come to an end"):
        calibration.lsuv(model, data.from_tensors(x).repeat())


@pytest.mark.parametrize("method", ["elliptical_projection", "lsuv"])
def test_a_layer_whose_inputs_are_constant(method, x, weights_of):
    model, _ = build(method, "sequential")
    first = model.get_layer("first")
    first.trainable = False
    first.kernel.assign(first.kernel * 0)
    before = weights_of(model)
    with pytest.raises(ValueError, match="'shared' are constant"):
        call(method, model, x)
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_two_layers_of_one_name(x):
    blocks = [
        keras.Sequential([keras.Input((12,)), keras.layers.Dense(12, name="same")])
        for _ in range(2)
    ]
    report = calibration.rai(keras.Sequential([keras.Input((12,)), *blocks]))
    assert [row.name for row in report.rows] == ["same", "same (2)"]


@each
def test_a_layer_without_bias(method, x):
    model, _ = build(method, "sequential", use_bias=False)
    report = call(method, model, x)
    expected = {"head"} if method == "elliptical_projection" else set()
    assert set(report.skipped) == expected


ON_JAX = """
import keras, keras_inits, numpy as np
from keras_inits import calibration
x = np.random.default_rng(0).normal(size=(100, 6)).astype("float32")
def model(activation):
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, activation), keras.layers.Dense(1)]
    )
calibration.rai(model("relu"), 1)
calibration.gsm(model("relu"), seed=1)
ep = calibration.elliptical_projection(model("sigmoid"), x)
assert abs(ep.rows[0].after["logit mean"]) < 1e-5
lsuv = calibration.lsuv(model("tanh"), x)
assert abs(lsuv.rows[1].after["logit variance"] - 1) < 0.05
norm = calibration.jacobian_norm(model("tanh"))
assert abs(norm.rows[0].after["Jacobian norm"] - 1) <= 0.02
calibration.lagrangian_lr(model("tanh"), x, x[:, 0])
keras_inits.initialize(model("relu"), "he_normal", seed=1)
"""


def test_on_jax(tmp_path):
    pytest.importorskip("jax")
    root = Path(keras_inits.__file__).parents[1]
    fresh = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", ON_JAX],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert fresh.returncode == 0, fresh.stderr
