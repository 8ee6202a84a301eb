import keras
import numpy as np
import pytest

from keras_inits import diagnostics

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.usefixtures("float64")


def singular_values(function, x):
    """Singular values for each sample, from the whole Jacobian."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = function(x)
    jacobians = tape.batch_jacobian(outputs, x)
    size = int(np.prod(x.shape[1:]))
    return np.linalg.svd(jacobians.numpy().reshape(len(x), -1, size), compute_uv=False)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax", "linear"])
def test_singular_values_of_layers_and_network(activation, data, network):
    x, _ = data
    model = network(activation)
    found = diagnostics.jacobian(model, x, k=2)
    assert [row.layer for row in found.layers] == ["first", "second", "last"]
    inputs = [x]
    for layer in model.layers[:-1]:
        inputs.append(layer(inputs[-1]).numpy())
    rows = [*found.layers, found.network]
    for row, function, fed in zip(
        rows, [*model.layers, model], [*inputs, x], strict=True
    ):
        values = singular_values(function, fed)[:, :2]
        np.testing.assert_allclose(row.singular_values, values.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(row.sd, values.std(axis=0), rtol=1e-5, atol=1e-8)
        assert row.norm == row.singular_values[0]
    assert not found.skipped


def test_equal_singular_values_are_all_found():
    layer = keras.layers.Dense(4, kernel_initializer="orthogonal")
    model = keras.Sequential([keras.Input((6,)), layer])
    found = diagnostics.jacobian(model, np.ones((3, 6)), k=9)
    np.testing.assert_allclose(found.network.singular_values, np.ones(4), rtol=1e-12)


def test_wide_layers_converge():
    # The largest singular values of a square normal matrix lie close together.
    model = keras.Sequential([keras.Input((150,)), keras.layers.Dense(150, "tanh")])
    x = np.random.default_rng(0).normal(size=(8, 150))
    found = diagnostics.jacobian(model, x).network
    values = singular_values(model, x)[:, 0]
    np.testing.assert_allclose(found.norm, values.mean(), rtol=1e-5)


def test_a_convolution_and_layers_without_weights():
    x = np.random.default_rng(0).normal(size=(4, 6, 6, 2))
    layers = [
        keras.layers.Conv2D(3, 3, activation="tanh", name="convolution"),
        keras.layers.MaxPooling2D(name="pooling"),
        keras.layers.Flatten(name="flatten"),
        keras.layers.Dropout(0.5, name="dropout"),
    ]
    model = keras.Sequential([keras.Input((6, 6, 2)), *layers])
    found = diagnostics.jacobian(model, x)
    assert [row.layer for row in found.layers] == [layer.name for layer in layers]
    convolution, *others = found.layers
    values = singular_values(layers[0], x)[:, 0]
    np.testing.assert_allclose(convolution.norm, values.mean(), rtol=1e-6)
    np.testing.assert_allclose([row.norm for row in others], 1)
    assert found.network.norm <= convolution.norm


def test_shared_and_merging_layers():
    inputs = [keras.Input((3,)), keras.Input((3,))]
    layer = keras.layers.Dense(3, name="shared", kernel_initializer="identity")
    added = keras.layers.Add(name="add")([layer(layer(inputs[0])), inputs[1]])
    model = keras.Model(inputs, added)
    found = diagnostics.jacobian(model, [np.ones((2, 3)), np.ones((2, 3))])
    norms = {row.layer: row.norm for row in found.layers}
    # The sum of two vectors is as long as root 2 times them both.
    expected = {"shared": 1, "shared#2": 1, "add": np.sqrt(2)}
    assert norms == pytest.approx(expected)
    assert found.network.norm == pytest.approx(np.sqrt(2))


def test_integers_have_no_jacobian():
    layers = [keras.layers.Embedding(9, 2, name="embedding"), keras.layers.LSTM(3)]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *layers])
    found = diagnostics.jacobian(model, np.arange(20).reshape(4, 5) % 9)
    assert found.network is None
    assert [row.layer for row in found.layers] == [layers[1].name]
    assert "not floating point" in found.skipped["embedding"]
    assert set(found.skipped) == {"embedding", model.name}


def test_samples_are_taken_at_even_distances(data, network):
    x, _ = data
    model = network()
    few = diagnostics.jacobian(model, x, samples=3)
    assert few == diagnostics.jacobian(model, x[[0, 10, 19]])


def test_the_model_stays_as_it_was(data, network):
    model = network()
    before = model.get_weights()
    config = model.get_config()
    outputs = model(data[0]).numpy()
    diagnostics.jacobian(model, data[0])
    np.testing.assert_array_equal(model(data[0]).numpy(), outputs)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.get_config() == config
    assert all("call" not in vars(layer) for layer in model.layers)


def test_what_will_not_do(data, network):
    model = network()
    with pytest.raises(ValueError, match="must be what the model takes"):
        diagnostics.jacobian(model, data[0][:, 1:])
    with pytest.raises(ValueError, match="`k`.*Received: k=0"):
        diagnostics.jacobian(model, data[0], k=0)
    with pytest.raises(ValueError, match="must be built"):
        diagnostics.jacobian(keras.Sequential([keras.layers.Dense(3)]), data[0])
    model.layers[1].kernel.assign(np.full((6, 4), np.inf))
    with pytest.raises(ValueError, match="must be finite. Received: layer=second"):
        diagnostics.jacobian(model, data[0])
