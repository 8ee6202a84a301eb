import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.inspection.hooks import observed, shadowed
from keras_inits.inspection.layers import leaf_layers


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def calls_of(model, x, **kwargs):
    calls = []
    with observed(leaf_layers(model), calls.append):
        outputs = model(x, **kwargs)
    return calls, outputs


def data(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


# Layers that apply an activation once, and the shape of their inputs.
ACTIVATED = {
    "Dense": (layers.Dense(3, "tanh"), (4,)),
    "EinsumDense": (layers.EinsumDense("ab,bc->ac", 3, activation="tanh"), (4,)),
    "Conv1D": (layers.Conv1D(3, 2, activation="tanh"), (6, 4)),
    "Conv2D": (layers.Conv2D(3, 2, activation="tanh"), (6, 5, 4)),
    "Conv3D": (layers.Conv3D(3, 2, activation="tanh"), (3, 3, 3, 2)),
    "Conv2DTranspose": (layers.Conv2DTranspose(3, 2, activation="tanh"), (4, 4, 2)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D(2, activation="tanh"), (4, 4, 2)),
    "SeparableConv1D": (layers.SeparableConv1D(3, 2, activation="tanh"), (6, 4)),
    "Activation": (layers.Activation("tanh"), (4,)),
    "activation layer": (layers.Dense(3, layers.Activation("tanh")), (4,)),
}


@pytest.mark.parametrize("kind", ACTIVATED)
def test_layers_that_apply_an_activation(kind):
    made, shape = ACTIVATED[kind]
    layer = type(made).from_config(made.get_config())
    model = keras.Sequential([keras.Input(shape), layer])
    assert leaf_layers(model) == [layer]
    x = data(5, *shape)
    expected = numpy(model(x))
    config = layer.get_config()
    (call,), outputs = calls_of(model, x)
    assert call.layer is layer
    np.testing.assert_array_equal(numpy(call.inputs), x)
    np.testing.assert_array_equal(numpy(call.outputs), expected)
    np.testing.assert_array_equal(numpy(outputs), expected)
    np.testing.assert_allclose(np.tanh(numpy(call.logits)), expected, atol=1e-6)
    assert numpy(call.logits).shape == expected.shape
    assert layer.get_config() == config


@pytest.mark.parametrize(
    "layer",
    [
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.BatchNormalization(),
        layers.Flatten(),
        layers.PReLU(),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_without_an_activation_have_no_logits(layer):
    layer = type(layer).from_config(layer.get_config())
    model = keras.Sequential([keras.Input((4,)), layer])
    (call,), outputs = calls_of(model, data(5, 4))
    assert call.logits is None
    np.testing.assert_array_equal(numpy(call.outputs), numpy(outputs))


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_recurrent_layers_at_all_time_steps(kind, sequences):
    layer = kind(3, return_sequences=sequences)
    model = keras.Sequential([keras.Input((6, 4)), layer])
    x = data(5, 6, 4)
    full = kind(3, return_sequences=True)
    full.build((None, 6, 4))
    full.set_weights(layer.get_weights())
    (call,), outputs = calls_of(model, x)
    assert call.logits is None
    np.testing.assert_allclose(numpy(call.unit_outputs), numpy(full(x)), atol=1e-6)
    assert outputs.shape == ((5, 6, 3) if sequences else (5, 3))
    np.testing.assert_allclose(numpy(outputs), numpy(model(x)), atol=1e-6)


def test_bidirectional_is_looked_into():
    layer = layers.Bidirectional(layers.LSTM(3))
    model = keras.Sequential([keras.Input((6, 4)), layer])
    found = leaf_layers(model)
    assert found == [layer.forward_layer, layer.backward_layer]
    calls, outputs = calls_of(model, data(5, 6, 4))
    assert [call.layer for call in calls] == found
    assert [call.unit_outputs.shape for call in calls] == [(5, 6, 3)] * 2
    last = [numpy(call.unit_outputs)[:, -1] for call in calls]
    np.testing.assert_allclose(np.hstack(last), numpy(outputs), atol=1e-6)


def test_time_distributed_is_one():
    layer = layers.TimeDistributed(layers.Dense(3, "tanh"))
    model = keras.Sequential([keras.Input((6, 4)), layer])
    assert leaf_layers(model) == [layer]
    (call,), outputs = calls_of(model, data(5, 6, 4))
    assert call.layer is layer
    np.testing.assert_array_equal(numpy(call.outputs), numpy(outputs))


def test_attention_is_looked_into():
    inputs = keras.Input((6, 4))
    attention = layers.MultiHeadAttention(2, 3)
    model = keras.Model(inputs, attention(inputs, inputs))
    dense = [layer for layer in leaf_layers(model) if layer.weights]
    assert [type(layer) for layer in dense] == [layers.EinsumDense] * 4
    assert attention not in dense


def test_a_shared_layer_is_one_layer_with_two_signals():
    inputs = keras.Input((4,))
    shared = layers.Dense(4, "tanh")
    model = keras.Model(inputs, shared(shared(inputs)))
    assert leaf_layers(model) == [shared]
    calls, outputs = calls_of(model, data(5, 4))
    assert [call.layer for call in calls] == [shared, shared]
    first, second = calls
    np.testing.assert_array_equal(numpy(first.outputs), numpy(second.inputs))
    np.testing.assert_array_equal(numpy(second.outputs), numpy(outputs))


def test_models_within_models_in_order():
    names = ["a", "b", "c", "d"]
    a, b, c, d = (layers.Dense(4, name=name) for name in names)
    block = keras.Sequential([keras.Input((4,)), b, layers.ReLU(name="relu"), c])
    inputs = keras.Input((4,))
    model = keras.Model(inputs, d(block(a(inputs))))
    assert [layer.name for layer in leaf_layers(model)] == ["a", "b", "relu", "c", "d"]
    calls, _ = calls_of(model, data(5, 4))
    assert [s.layer.name for s in calls] == ["a", "b", "relu", "c", "d"]


def test_a_layer_with_weights_and_layers_comes_first():
    class Scaled(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.Dense(4)
            self.scale = self.add_weight((), "ones")

        def call(self, inputs):
            return self.scale * self.inner(inputs)

    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.part = Scaled()

        def call(self, inputs):
            return self.part(inputs)

    model = Model()
    model(data(2, 4))
    assert leaf_layers(model) == [model.part, model.part.inner]
    calls, _ = calls_of(model, data(2, 4))
    assert [s.layer for s in calls] == [model.part.inner, model.part]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_layers_are_as_before_after_an_error(error):
    rnn = layers.SimpleRNN(3, name="rnn")
    dense = layers.Dense(2, "tanh", name="dense")
    model = keras.Sequential([keras.Input((6, 4)), rnn, dense])
    before = {layer: dict(vars(layer)) for layer in (rnn, dense)}

    def fail(call):
        raise error("no")

    with pytest.raises(error), observed(leaf_layers(model), fail):
        model(data(2, 6, 4))
    for layer, attributes in before.items():
        after = vars(layer)
        for name in ("call", "activation", "inner_loop", "return_sequences"):
            assert (name in after) == (name in attributes)
            assert after.get(name) is attributes.get(name)


def test_traced_calls_hand_on_symbols_and_leave_nothing_behind():
    tf = pytest.importorskip("tensorflow")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "tanh")])
    calls = []

    @tf.function
    def traced(x):
        with observed(leaf_layers(model), calls.append):
            return model(x)

    traced(data(2, 4))
    (call,) = calls
    assert tf.is_symbolic_tensor(call.logits)
    traced(data(2, 4))
    model(data(2, 4))
    assert len(calls) == 1


def test_a_function_of_tensorflow_is_part_of_what_calls_it():
    """Even where it has been traced before, and would call no layer any more."""
    tf = pytest.importorskip("tensorflow")
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "tanh")])
    compiled = tf.function(lambda x: model(x))
    before = compiled(data(2, 4))
    calls = []
    with observed(leaf_layers(model), calls.append):
        outputs = compiled(data(2, 4))
    np.testing.assert_allclose(outputs, before, rtol=1e-6)
    assert [call.outputs is outputs for call in calls] == [True]
    assert not tf.config.functions_run_eagerly()


def test_a_branch_of_tensorflow_is_named():
    tf = pytest.importorskip("tensorflow")
    layer = layers.Dense(3, name="hidden")
    layer.build((None, 4))

    @tf.function
    def traced(x):
        with observed([layer], lambda call: None):
            return tf.cond(x[0, 0] > 0, lambda: layer(x), lambda: x[:, :3])

    with pytest.raises(ValueError, match=r"graph of their own.*so calls 'hidden'"):
        traced(data(2, 4))


def test_keyword_arguments_reach_the_layer():
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    x = np.ones((2, 50), "float32")
    _, outputs = calls_of(model, x, training=True)
    assert np.any(numpy(outputs) == 0)
    _, outputs = calls_of(model, x, training=False)
    np.testing.assert_array_equal(numpy(outputs), x)


class Owner:
    value = 1


@pytest.mark.parametrize("own", [False, True])
def test_shadowed_puts_back_what_was_there(own):
    owner = Owner()
    if own:
        owner.value = 2
    before = dict(vars(owner))
    with pytest.raises(RuntimeError), shadowed(owner, "value", 3):
        assert owner.value == 3
        raise RuntimeError
    assert vars(owner) == before
