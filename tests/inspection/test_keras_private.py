"""A release of Keras that changes what is not public fails here, by the part's name."""

import ast
import pathlib
import random

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits.inspection import keras_private

PACKAGE = pathlib.Path(keras_inits.__file__).parent
TENSORFLOW = keras.backend.backend() == "tensorflow"


def dense_model(**kwargs):
    return keras.Sequential([keras.Input((3,)), layers.Dense(2, **kwargs)])


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_no_other_file_imports_what_is_private():
    for path in PACKAGE.rglob("*.py"):
        if path.name == "keras_private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            else:
                continue
            for module in modules:
                assert not module.startswith(("keras.src", "tensorflow.python"))


def test_sublayers():
    inner = layers.Dense(2)
    assert keras_private.sublayers(layers.TimeDistributed(inner)) == [inner]


def test_all_layers():
    block = dense_model()
    model = keras.Sequential([keras.Input((3,)), block])
    assert {model, block, *block.layers} <= {*keras_private.all_layers(model)}


def test_consumers():
    inputs = keras.Input((3,))
    shared, one, other = (layers.Dense(3) for _ in range(3))
    hidden = shared(inputs)
    keras.Model(inputs, one(hidden) + other(hidden))
    assert keras_private.consumers(shared) == [one, other]
    (addition,) = keras_private.consumers(one)
    assert type(addition).__name__ == "Add"
    assert not keras_private.consumers(addition)
    assert not keras_private.consumers(layers.Dense(3))


def test_has_own_weights():
    frozen = dense_model().layers[0]
    frozen.trainable = False
    assert keras_private.has_own_weights(frozen)
    assert not keras_private.has_own_weights(layers.ReLU())
    assert not keras_private.has_own_weights(dense_model())


def test_takes_training():
    class Plain(keras.Layer):
        def call(self, inputs):
            return inputs

    assert keras_private.takes_training(layers.Dropout(0.5))
    assert keras_private.takes_training(dense_model())
    assert not keras_private.takes_training(Plain())


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_logits_of(name):
    x = keras.ops.convert_to_tensor([[1.0, -2.0, 300.0]])
    outputs = getattr(keras.activations, name)(x)
    logits = keras_private.logits_of(outputs)
    if TENSORFLOW:
        np.testing.assert_array_equal(numpy(logits), numpy(x))
    else:
        assert logits is None
    assert keras_private.logits_of(x) is None


@pytest.mark.skipif(not TENSORFLOW, reason="Other backends know no logits.")
def test_set_logits_is_what_cross_entropies_use():
    outputs = keras.ops.convert_to_tensor([[0.5, 0.5]])
    keras_private.set_logits(outputs, keras.ops.convert_to_tensor([[0.0, 300.0]]))
    loss = keras.losses.sparse_categorical_crossentropy(np.array([0]), outputs)
    assert float(loss[0]) == 300


def test_set_keras_mask_is_what_losses_use():
    outputs = keras.ops.convert_to_tensor([[[1.0], [3.0]]])
    mask = keras.ops.convert_to_tensor([[True, False]])
    keras_private.set_keras_mask(outputs, mask)
    loss = keras.losses.MeanSquaredError()
    assert float(loss(np.zeros((1, 2, 1)), outputs)) == pytest.approx(1.0)


def test_compute_step_loss_and_loss_tracker():
    model = dense_model(kernel_initializer="ones")
    model.compile("sgd", "mse", run_eagerly=True)
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    loss = keras_private.compute_step_loss(model, x, y, model(x), None, True)
    assert float(loss) == pytest.approx(4.0)
    keras_private.update_loss_tracker(model, loss, 4)
    assert float(model.get_metrics_result()["loss"]) == pytest.approx(4.0)


def test_symbolic_build_and_flatten_metrics():
    model = dense_model()
    model.compile("sgd", "mse", metrics=["mae"])
    batch = tuple(keras.KerasTensor((4, size), "float32") for size in (3, 2))
    keras_private.symbolic_build(model, batch)
    assert len(model.metrics_variables) == 4
    logs = {"mae": 1.0, "loss": 2.0}
    assert keras_private.flatten_metrics(model, logs) == [2.0, 1.0]


@pytest.mark.skipif(not TENSORFLOW, reason="Others have no specification.")
def test_element_spec_and_what_a_population_overrides():
    seen = []

    class Model(keras.Sequential):
        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            seen.append(keras_private.element_spec(iterator))
            super()._maybe_symbolic_build(iterator, data_batch)

    model = Model([keras.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    (x, y), *_ = seen
    assert x.shape[1:] == (3,) and y.shape[1:] == (2,)
    assert callable(keras.Model._symbolic_build)


def test_learning_rate_of():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = keras.optimizers.SGD(schedule)
    assert keras_private.learning_rate_of(optimizer) is schedule


def test_replace_clipping():
    model = dense_model(kernel_initializer="zeros", use_bias=False)
    model.compile(keras.optimizers.SGD(1.0, clipnorm=1e-9), "mse", run_eagerly=True)
    keras_private.replace_clipping(
        model.optimizer, lambda gradients: [keras.ops.ones_like(g) for g in gradients]
    )
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    np.testing.assert_array_equal(numpy(model.layers[0].kernel), -1.0)


def test_initializing_and_defer():
    def initialize(variable, initializer, eagerly):
        calls.append((variable, initializer))
        if len(variable.shape) == 1:
            eagerly(variable, initializer)
        else:
            keras_private.defer(variable, initializer)

    calls = []
    with keras_private.initializing(initialize):
        layer = layers.Dense(2, kernel_initializer="ones")
        layer.build((None, 3))
    kernel, bias = layer.weights
    assert [variable for variable, _ in calls] == [kernel, bias]
    assert keras_private.initializer_of(kernel) is layer.kernel_initializer
    assert keras_private.initializer_of(bias) is None
    layer = layers.Dense(2, kernel_initializer="ones")
    layer.build((None, 3))
    np.testing.assert_array_equal(numpy(layer.kernel), 1.0)


def test_seeds_from_and_the_name_of_a_generators_state():
    class Source:
        def randint(self, low, high):
            return 17

    names = []

    def initialize(variable, initializer, eagerly):
        names.append(getattr(initializer, "__qualname__", ""))
        eagerly(variable, initializer)

    with keras_private.seeds_from(Source()):
        assert keras.initializers.HeNormal().seed == 17
        with keras_private.initializing(initialize):
            keras.random.SeedGenerator()
    assert names == [keras_private.GENERATOR_STATE]
    assert keras.initializers.HeNormal().seed != 17
    assert type(keras.initializers.HeNormal()).__module__.startswith(
        f"{keras_private.SOURCES}initializers."
    )


def test_kept_generators():
    keras.utils.set_random_seed(3)
    keras.random.normal((1,))
    assert keras_private.global_seed() == 3
    state = numpy(keras_private.global_generator().state)
    seeds = keras_private.tensorflow_seeds()
    with keras_private.kept_generators():
        keras.utils.set_random_seed(4)
        keras.random.normal((1,))
        assert keras_private.global_seed() == 4
    assert keras_private.global_seed() == 3
    np.testing.assert_array_equal(numpy(keras_private.global_generator().state), state)
    assert keras_private.tensorflow_seeds() == seeds
    random.seed(0)


def test_stateless_scope():
    assert not keras_private.in_stateless_scope()
    with keras.StatelessScope():
        assert keras_private.in_stateless_scope()


def test_classes():
    inputs = keras.Input((3,))
    assert isinstance(keras.Model(inputs, inputs + 1), keras_private.Functional)
    assert isinstance(
        keras.initializers.HeNormal(seed=1), keras_private.RandomInitializer
    )
    adapter = keras_private.ArrayDataAdapter(
        np.zeros((2, 1)), np.zeros(2), None, batch_size=2, class_weight={0: 0.5}
    )
    (batch,) = adapter.get_numpy_iterator()
    np.testing.assert_array_equal(batch[2], [0.5, 0.5])


@pytest.mark.skipif(not TENSORFLOW, reason="It is TensorFlow that cannot map it.")
def test_map_bitcast():
    import tensorflow as tf

    keras_private.map_bitcast()
    x = tf.constant([[1.0], [2.0]])
    mapped = tf.function(
        lambda x: tf.vectorized_map(
            lambda row: tf.bitcast(row, tf.int32), x, fallback_to_while_loop=False
        )
    )(x)
    np.testing.assert_array_equal(mapped, tf.bitcast(x, tf.int32))


def test_initialize_weights_by(monkeypatch):
    """It is there for good, so that the test puts Keras' own back."""
    monkeypatch.setattr(keras.Layer, "add_weight", keras.Layer.add_weight)
    seen = []

    def choose(layer, name, shape, initializer):
        seen.append((type(layer).__name__, name, shape))
        return "ones" if name == "kernel" else initializer

    keras_private.initialize_weights_by(choose)
    layer = layers.Dense(2)
    layer.build((None, 3))
    assert seen == [("Dense", "kernel", (3, 2)), ("Dense", "bias", (2,))]
    assert np.all(numpy(layer.kernel) == 1) and np.all(numpy(layer.bias) == 0)
    by_place = layers.Dense(2).add_weight((2, 2), "zeros", "float32", name="kernel")
    assert np.all(numpy(by_place) == 1)


def test_conv_lstm_cell():
    assert isinstance(layers.ConvLSTM2D(3, 2).cell, keras_private.ConvLSTMCell)


@pytest.mark.skipif(not TENSORFLOW, reason="It is about TensorFlow.")
def test_has_exact_xla():
    import tensorflow as tf

    version = tuple(int(part) for part in tf.__version__.split(".")[:2])
    assert keras_private.has_exact_xla() == (version >= (2, 21))
