import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_inits import Population, diagnostics

STATES = ("dead", "saturated", "constant", "duplicate")


def found(activity):
    return {
        layer.layer: {s: getattr(layer, s).nonzero()[-1].tolist() for s in STATES}
        for layer in activity
    }


@pytest.mark.parametrize("batch_size", [50, 8, 3])
def test_planted_units_are_found_and_no_others(planted, images, batch_size):
    model, states = planted
    before = [np.copy(weight) for weight in model.get_weights()]
    assert found(diagnostics.activity(model, images, batch_size)) == states
    assert all(map(np.array_equal, before, model.get_weights()))


def test_states_mean_and_sd_are_those_of_the_outputs():
    random = np.random.default_rng(2)
    x = random.normal(size=(70, 5)).astype("float32")
    names = ["relu", "sigmoid", "tanh", "elu", "silu", "softplus", "hard_tanh"]
    inputs = keras.Input((5,))
    parts = {name: layers.Dense(40, name, name=name) for name in names}
    model = keras.Model(inputs, [part(inputs) for part in parts.values()])
    for part in parts.values():
        some = np.arange(40) % 3 > 0  # The others are constant, or dead.
        kernel = random.normal(size=(5, 40)) * some
        part.set_weights([kernel, random.uniform(-9, 9, 40)])
    for layer in diagnostics.activity(model, x, 16):
        part = parts[layer.layer]
        logits = tf.constant(x @ part.kernel.numpy() + part.bias.numpy())
        with tf.GradientTape() as tape:
            tape.watch(logits)
            outputs = part.activation(logits)
        slope = np.abs(tape.gradient(outputs, logits).numpy())
        outputs = outputs.numpy()
        limit = {"sigmoid": 0.05 / 4, "tanh": 0.05}.get(layer.layer, 0)
        assert layer.can_die == (limit == 0)
        assert layer.can_saturate == (layer.layer in ("sigmoid", "tanh", "hard_tanh"))
        flat = slope <= limit
        dead = flat.all(axis=0) & layer.can_die
        saturated = (flat.mean(axis=0) >= 0.95) & layer.can_saturate & ~dead
        constant = (np.ptp(outputs, axis=0) == 0) & ~dead & ~saturated
        np.testing.assert_array_equal(layer.dead, dead)
        np.testing.assert_array_equal(layer.saturated, saturated)
        np.testing.assert_array_equal(layer.constant, constant)
        assert not layer.duplicate.any()
        np.testing.assert_allclose(layer.mean, outputs.mean(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(layer.sd, outputs.std(), rtol=1e-4)
        unit_mean = outputs.mean(axis=0)
        np.testing.assert_allclose(layer.unit_mean, unit_mean, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 6, 2), (7, 3)], ids=["images", "sequences"])
def test_mean_and_sd_over_places(shape):
    x = np.random.default_rng(0).normal(size=(30, *shape)).astype("float32")
    part = layers.Conv2D(4, 3) if len(shape) == 3 else layers.SimpleRNN(4)
    model = keras.Sequential([keras.Input(shape), part])
    (layer,) = diagnostics.activity(model, x, 7)
    if len(shape) == 2:
        part.return_sequences = True
    outputs = keras.ops.convert_to_numpy(part(x))
    np.testing.assert_allclose(layer.mean, outputs.mean(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.sd, outputs.std(), rtol=1e-4)


def test_a_unit_that_differs_on_one_sample_is_not_constant_and_no_copy():
    dense = layers.Dense(3, "relu")
    model = keras.Sequential([keras.Input((2,)), dense])
    dense.set_weights([np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), np.ones(3)])
    x = np.zeros((40, 2))
    x[:, 0] = np.linspace(1, 2, 40)
    x[17, 1] = 0.01
    (layer,) = diagnostics.activity(model, x)
    assert not layer.constant.any() and not layer.duplicate.any()
    x[17, 1] = 0
    (layer,) = diagnostics.activity(model, x)
    assert found([layer])[layer.layer]["constant"] == [2]
    assert found([layer])[layer.layer]["duplicate"] == [0, 1]


def test_half_precision(build_planted, images):
    model, states = build_planted("mixed_float16")
    assert found(diagnostics.activity(model, images)) == states


def test_a_layer_that_is_fed_twice():
    dense, relu = layers.Dense(3, "tanh", name="dense"), layers.ReLU(name="relu")
    inputs = keras.Input((3,))
    once = relu(dense(inputs))
    model = keras.Model(inputs, relu(layers.Dense(5, name="wide")(dense(once))))
    dense.set_weights([np.zeros((3, 3)), np.array([1.0, 2.0, -1.0])])
    one, first, wide, second = diagnostics.activity(model, np.ones((4, 3)))
    assert [one.layer, first.layer, wide.layer, second.layer] == [
        *("dense", "relu", "wide", "relu#2")
    ]
    assert one.constant.sum() + one.saturated.sum() == 3
    assert first.dead.tolist() == [False, False, True] and second.dead.shape == (5,)


def test_layers_of_one_name_are_told_apart():
    def block():
        return keras.Sequential([keras.Input((2,)), layers.Dense(2, name="same")])

    model = keras.Sequential([keras.Input((2,)), block(), block()])
    names = [layer.layer for layer in diagnostics.activity(model, np.ones((2, 2)))]
    assert len(set(names)) == 2 and all("same" in name for name in names)


class Apart(keras.Model):
    """Has layers that see other numbers of samples."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(3, "relu"), layers.Dense(4, "relu")

    def call(self, x):
        return self.second(keras.ops.reshape(self.first(x), (-1, 1)))


def test_models_that_reshape_the_axis_of_samples():
    keras.utils.set_random_seed(0)
    model = Apart()
    x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    model(x)
    first, second = diagnostics.activity(model, x, 8)
    outputs = model.first(x).numpy()
    np.testing.assert_allclose(first.unit_mean, outputs.mean(axis=0), rtol=1e-5)
    outputs = model(x).numpy()
    np.testing.assert_allclose(second.unit_mean, outputs.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(second.dead, (outputs == 0).all(axis=0))


@pytest.mark.parametrize("batch_size", [2, 8])  # In a graph, and without one.
def test_members_of_a_population(batch_size):
    def build():
        hidden = layers.Dense(9, "relu", bias_initializer="random_normal")
        return keras.Sequential(
            [keras.Input((4,)), hidden, layers.Dense(5, "relu"), layers.Dense(2)]
        )

    x = np.random.default_rng(0).normal(size=(15, 4)).astype("float32")
    population = Population(build, [{"seed": seed} for seed in range(3)])
    together = diagnostics.activity(population, x, batch_size)
    for index in range(3):
        alone = diagnostics.activity(population.member(index), x, batch_size)
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one.dead, many.dead[index])
            np.testing.assert_array_equal(one.duplicate, many.duplicate[index])
            np.testing.assert_allclose(one.sd, many.sd[index], rtol=1e-4)


def test_slopes_that_cannot_be_seen_are_named():
    lstm = layers.LSTM(2, activation="elu", name="lstm")
    model = keras.Sequential([keras.Input((3, 2)), lstm])
    with pytest.warns(UserWarning, match="cannot be seen.*elu in layer 'lstm'"):
        (layer,) = diagnostics.activity(model, np.zeros((4, 3, 2)))
    assert not layer.can_die and layer.constant.all()


def test_batches_of_one_sample():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3)])
    with pytest.warns(UserWarning, match="Batches of one sample"):
        (layer,) = diagnostics.activity(model, np.zeros((4, 2)), batch_size=1)
    assert not layer.constant.any() and not layer.inactive.any()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((0, 3)), "one at least"),
        (np.float32(1), "one at least"),
        (np.zeros((4, 5)), r"takes, of shape \(None, 3\).*shapes \[\(4, 5\)\]"),
        ([np.zeros((4, 3)), np.zeros((5, 3))], "same number of samples"),
    ],
    ids=["empty", "number", "shape", "lengths"],
)
def test_data_that_do_not_fit(x, message):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=f"(?s){message}"):
        diagnostics.activity(model, x)


def test_models_and_names_that_do_not_fit():
    model = keras.Sequential([keras.Input((3,)), layers.Flatten(name="flat")])
    with pytest.raises(ValueError, match=r"layer with an activation.*\['Flatten'\]"):
        diagnostics.activity(model, np.zeros((2, 3)))
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="dense_a")])
    with pytest.raises(ValueError, match="Did you mean 'dense_a'"):
        diagnostics.activity(model, np.zeros((2, 3)), layers=["dense_b"])


def test_a_small_signal_is_no_death():
    """Outputs of 1e-8 are far from 0 by their own size, and near it by that of 6."""
    x = np.random.default_rng(0).uniform(1, 2, (32, 4)).astype("float32")
    parts = []
    inputs = keras.Input((4,))
    for name in ("relu", "relu6"):
        kernel = keras.initializers.Constant(1e-9)
        parts.append(layers.Dense(3, name, kernel_initializer=kernel)(inputs))
    kernel = keras.initializers.Constant(-0.42)  # About -2.5: just above the flat part.
    parts.append(layers.Dense(3, "hard_sigmoid", kernel_initializer=kernel)(inputs))
    for layer in diagnostics.activity(keras.Model(inputs, parts), x):
        assert not layer.dead.any()
