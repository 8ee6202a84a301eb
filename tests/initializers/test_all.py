"""What holds for every initializer: a new one is a new row of `ROWS`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.initializers import ALL_OBJECTS_DICT

import keras_inits

# One of each, with no argument at its default.
ROWS = [
    keras_inits.LeeQR(epsilon=0.3, signs="gram_schmidt", gain=2.0),
    keras_inits.RectangularIdentity(gain=0.5),
    keras_inits.ZerO(scale="notebook", transpose=True),
]
PRECISION = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}
SHAPES = [(5, 3), (4, 4), (2, 5, 3), (3, 3, 4, 6), (2, 3, 3, 4, 2)]

each = pytest.mark.parametrize("initializer", ROWS, ids=lambda row: type(row).__name__)


def numpy(kernel):
    """Returns a tensor in float64, which holds every other dtype exactly."""
    return keras.ops.convert_to_numpy(keras.ops.cast(kernel, "float64"))


def test_every_name_has_a_row():
    classes = [type(keras_inits.get(name)) for name in keras_inits.available()]
    assert classes == [type(row) for row in ROWS]


def test_no_name_is_one_of_keras():
    ours = {*keras_inits.available(), *(type(row).__name__ for row in ROWS)}
    assert not ours & ALL_OBJECTS_DICT.keys()


@each
def test_config_round_trip(initializer):
    config = keras.initializers.serialize(initializer)
    again = keras.initializers.deserialize(json.loads(json.dumps(config)))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()
    defaults = type(initializer)().get_config()
    assert all(value != defaults[key] for key, value in again.get_config().items())


@each
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", PRECISION)
def test_shapes_and_dtypes(initializer, shape, dtype):
    kernel = initializer(shape, dtype=dtype)
    assert tuple(kernel.shape) == shape
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    exact = numpy(initializer(shape, dtype="float64"))
    np.testing.assert_allclose(
        numpy(kernel), exact, rtol=2 * PRECISION[dtype], atol=PRECISION["float32"]
    )
    assert np.any(exact)


@each
def test_the_default_dtype_is_floatx(initializer):
    keras.config.set_floatx("float16")
    try:
        kernel = initializer((3, 2))
    finally:
        keras.config.set_floatx("float32")
    assert keras.backend.standardize_dtype(kernel.dtype) == "float16"


@each
def test_the_same_call_gives_the_same_kernel(initializer):
    for shape in SHAPES:
        kernel = numpy(initializer(shape))
        np.testing.assert_array_equal(kernel, numpy(initializer(shape)))
        np.testing.assert_array_equal(kernel, numpy(initializer.clone()(shape)))


@pytest.mark.parametrize("name", keras_inits.available())
@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (keras.layers.Dense, (7,)),
        (keras.layers.SimpleRNN, (4, 7)),
        (keras.layers.LSTM, (4, 7)),
        (lambda *units, **names: keras.layers.Conv1D(*units, 3, **names), (9, 7)),
        (lambda *units, **names: keras.layers.Conv2D(*units, 3, **names), (9, 9, 7)),
    ],
    ids=["Dense", "SimpleRNN", "LSTM", "Conv1D", "Conv2D"],
)
def test_the_name_works_in_a_layer(name, layer, inputs):
    layer = layer(5, kernel_initializer=name)
    layer.build((None, *inputs))
    kernel = layer.cell.kernel if hasattr(layer, "cell") else layer.kernel
    expected = keras_inits.get(name)(kernel.shape)
    np.testing.assert_array_equal(numpy(kernel), numpy(expected))


FRESH_PROCESS = """
import json, sys
import keras
import keras_inits
import numpy as np

model = keras.saving.load_model(sys.argv[1])
kernels = {
    layer.name: keras.ops.convert_to_numpy(layer.kernel_initializer((3, 3, 4, 6)))
    for layer in model.layers
}
x = np.linspace(-1, 1, 12, dtype="float32").reshape(2, 6)
np.savez(sys.argv[2], y=keras.ops.convert_to_numpy(model(x)), **kernels)
print(json.dumps([layer.kernel_initializer.get_config() for layer in model.layers]))
"""


# Keras' own way of writing a TensorFlow variable to a file.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_saved_model_loads_in_a_fresh_process(backend, tmp_path):
    pytest.importorskip(backend)
    layers = [
        keras.layers.Dense(5 + i, kernel_initializer=row, name=f"layer_{i}")
        for i, row in enumerate(ROWS)
    ]
    model = keras.Sequential([keras.Input((6,)), *layers])
    model.save(tmp_path / "model.keras")
    root = Path(keras_inits.__file__).parents[1]
    fresh = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS, "model.keras", "values.npz"],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert fresh.returncode == 0, fresh.stderr
    configs = json.loads(fresh.stdout.splitlines()[-1])
    assert configs == [row.get_config() for row in ROWS]
    values = np.load(tmp_path / "values.npz")
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(2, 6)
    np.testing.assert_allclose(values["y"], numpy(model(x)), atol=1e-6)
    for layer, row in zip(layers, ROWS, strict=True):
        np.testing.assert_array_equal(values[layer.name], numpy(row((3, 3, 4, 6))))


@each
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shape=st.lists(st.integers(1, 7), min_size=2, max_size=5),
    dtype=st.sampled_from(list(PRECISION)),
)
def test_any_shape_in_any_dtype(initializer, shape, dtype):
    kernel = initializer(shape, dtype=dtype)
    assert list(kernel.shape) == shape
    # No column is longer than the largest gain of a row, but for rounding.
    values = numpy(kernel).reshape(-1, shape[-1])
    longest = np.linalg.norm(values, axis=0).max()
    assert 0 < longest <= 2 * (1 + 2 * PRECISION[dtype]) + 1e-12


@each
@pytest.mark.parametrize(
    "shape", [(), (5,), 5, None, (0, 3), (3, -1), (2.5, 3), (None, 3), "ab"], ids=repr
)
def test_what_is_no_shape_of_a_kernel_is_refused(initializer, shape):
    with pytest.raises(ValueError, match=r"two or more axes.*Received: shape="):
        initializer(shape)


@each
@pytest.mark.parametrize("dtype", ["int32", "bool", "floot"])
def test_what_is_no_dtype_of_a_kernel_is_refused(initializer, dtype):
    with pytest.raises(ValueError, match=dtype):
        initializer((3, 2), dtype=dtype)
