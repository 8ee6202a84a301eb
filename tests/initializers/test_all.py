"""What holds for every initializer: a new one is a new row of `ROWS`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.src.initializers import ALL_OBJECTS_DICT

import keras_inits
from keras_inits.initializers.base import RandomKernelInitializer


class Row(NamedTuple):
    """An initializer, what each of its arguments may be, and the sizes it takes."""

    initializer: keras.initializers.Initializer
    arguments: dict[str, st.SearchStrategy]
    sizes: st.SearchStrategy = st.integers(1, 7)


SEED = {"seed": st.integers(-(2**31), 2**31 - 1)}
GAIN = {"gain": st.floats(0.1, 3.0)}
LOGIT_STD = {"logit_std": st.floats(1e-3, 1e3)}
ROWS = [
    Row(
        keras_inits.GSM(submatrix="orthogonal", seed=1),
        {
            "position": st.sampled_from(["first", "middle", "last"]),
            "submatrix": st.sampled_from(["he_normal", "orthogonal"]),
            "odd": st.sampled_from(["pad", "raise"]),
            **SEED,
        },
        st.sampled_from([2, 4, 6]),
    ),
    Row(keras_inits.Lecun98Uniform(seed=2), SEED),
    Row(
        keras_inits.LeeQR(epsilon=0.3, signs="gram_schmidt", gain=2.0),
        {
            "epsilon": st.floats(0.0, 1e6),
            "signs": st.sampled_from(["householder", "gram_schmidt"]),
            **GAIN,
        },
    ),
    Row(keras_inits.OrthoEP(logit_std=1.0, seed=3), LOGIT_STD | SEED),
    Row(keras_inits.RAI(seed=4), SEED),
    Row(keras_inits.RandomEP(logit_std=1.0, seed=5), LOGIT_STD | SEED),
    Row(keras_inits.RectangularIdentity(gain=0.5), GAIN),
    Row(
        keras_inits.SkorskiNormal(distribution="untruncated_normal", seed=6),
        {
            "distribution": st.sampled_from(["truncated_normal", "untruncated_normal"]),
            **SEED,
        },
    ),
    Row(
        keras_inits.YilmazPoli(stddev=0.2, seed=7),
        {"stddev": st.floats(0.0, 1.0), **SEED},
    ),
    Row(
        keras_inits.ZerO(scale="notebook", transpose=True),
        {
            "scale": st.sampled_from(["paper", "notebook"]),
            "transpose": st.booleans(),
        },
    ),
]
INITIALIZERS = [row.initializer for row in ROWS]
RANDOM = [i for i in INITIALIZERS if isinstance(i, RandomKernelInitializer)]
PRECISION = {
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
    "float32": 2.0**-23,
    "float64": 2.0**-52,
}
SHAPES = [(5, 3), (4, 4), (2, 5, 3), (3, 3, 4, 6), (2, 3, 3, 4, 2)]


def class_name(value):
    return type(value).__name__


each = pytest.mark.parametrize("initializer", INITIALIZERS, ids=class_name)


def numpy(kernel):
    """Returns a tensor in float64, which holds every other dtype exactly."""
    return keras.ops.convert_to_numpy(keras.ops.cast(kernel, "float64"))


def again(initializer):
    """Returns the initializer after a trip through JSON."""
    config = keras.initializers.serialize(initializer)
    return keras.initializers.deserialize(json.loads(json.dumps(config)))


def test_every_name_has_a_row():
    classes = [type(keras_inits.get(name)) for name in keras_inits.available()]
    assert classes == [type(initializer) for initializer in INITIALIZERS]


def test_no_name_is_one_of_keras():
    ours = {*keras_inits.available(), *map(class_name, INITIALIZERS)}
    assert not ours & ALL_OBJECTS_DICT.keys()


@each
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", PRECISION)
def test_shapes_and_dtypes(initializer, shape, dtype):
    kernel = initializer(shape, dtype=dtype)
    assert tuple(kernel.shape) == shape
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    # Keras draws other numbers in float64.
    wide = "float32" if initializer in RANDOM and dtype != "float64" else "float64"
    exact = numpy(initializer(shape, dtype=wide))
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


@each
def test_a_tf_function_gives_the_same_kernel(initializer):
    tf = pytest.importorskip("tensorflow")
    traced = tf.function(lambda: initializer((6, 4)))()
    np.testing.assert_allclose(numpy(traced), numpy(initializer((6, 4))), atol=1e-6)


def convolution(rank):
    def build(units, **arguments):
        return getattr(keras.layers, f"Conv{rank}D")(units, 3, **arguments)

    return build


@pytest.mark.parametrize("name", keras_inits.available())
@pytest.mark.parametrize(
    ("layer", "inputs", "weight"),
    [
        pytest.param(keras.layers.Dense, (7,), "kernel", id="Dense"),
        pytest.param(convolution(1), (9, 7), "kernel", id="Conv1D"),
        pytest.param(convolution(2), (9, 9, 7), "kernel", id="Conv2D"),
        pytest.param(convolution(3), (9, 9, 9, 7), "kernel", id="Conv3D"),
        pytest.param(keras.layers.SimpleRNN, (4, 7), "kernel", id="SimpleRNN"),
        pytest.param(keras.layers.LSTM, (4, 7), "kernel", id="LSTM"),
        pytest.param(keras.layers.SimpleRNN, (4, 7), "recurrent", id="SimpleRNN loop"),
        pytest.param(keras.layers.LSTM, (4, 7), "recurrent", id="LSTM loop"),
    ],
)
def test_the_name_works_in_a_layer(name, layer, inputs, weight):
    layer = layer(5, **{f"{weight}_initializer": name})
    layer.build((None, *inputs))
    owner = getattr(layer, "cell", layer)
    kernel = owner.kernel if weight == "kernel" else owner.recurrent_kernel
    initializer = getattr(owner, f"{weight}_initializer")
    assert type(initializer) is type(keras_inits.get(name))
    np.testing.assert_array_equal(numpy(kernel), numpy(initializer(kernel.shape)))


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
        keras.layers.Dense(5 + i, kernel_initializer=initializer, name=f"layer_{i}")
        for i, initializer in enumerate(INITIALIZERS)
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
    assert configs == [initializer.get_config() for initializer in INITIALIZERS]
    values = np.load(tmp_path / "values.npz")
    x = np.linspace(-1, 1, 12, dtype="float32").reshape(2, 6)
    np.testing.assert_allclose(values["y"], numpy(model(x)), rtol=1e-5, atol=1e-6)
    for layer, initializer in zip(layers, INITIALIZERS, strict=True):
        kernel = numpy(initializer((3, 3, 4, 6)))
        # Each backend draws other numbers from a seed.
        same = initializer not in RANDOM or backend == keras.backend.backend()
        assert np.array_equal(values[layer.name], kernel) == same
        assert np.isfinite(values[layer.name]).all()


@pytest.mark.filterwarnings("ignore:LeeQR with signs='householder'")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: class_name(row.initializer))
@settings(max_examples=25)
@given(data=st.data(), dtype=st.sampled_from(list(PRECISION)))
def test_any_arguments_shape_and_dtype(row, data, dtype):
    arguments = data.draw(st.fixed_dictionaries(row.arguments))
    shape = data.draw(st.lists(row.sizes, min_size=2, max_size=5))
    initializer = type(row.initializer)(**arguments)
    assert initializer.get_config() == arguments
    kernel = initializer(shape, dtype=dtype)
    assert list(kernel.shape) == shape
    assert keras.backend.standardize_dtype(kernel.dtype) == dtype
    assert np.all(np.isfinite(numpy(kernel))) and np.any(numpy(kernel))
    saved = again(initializer)
    assert type(saved) is type(initializer) and saved.get_config() == arguments
    np.testing.assert_array_equal(numpy(kernel), numpy(saved(shape, dtype=dtype)))


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
