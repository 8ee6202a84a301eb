import warnings

import keras
import numpy as np
import pytest

import keras_inits


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(100, 6, 4)).astype("float32")


def build(activation="tanh"):
    """A model with every kind of weight."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 4)),
            layers.Normalization(mean=2.0, variance=4.0),
            layers.SeparableConv1D(5, 3, padding="same", name="separable"),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both"),
            layers.TimeDistributed(layers.Dense(4), name="each"),
            layers.BatchNormalization(name="norm"),
            layers.SimpleRNN(4, name="rnn"),
            layers.Dense(4, activation, bias_initializer="ones", name="dense"),
            layers.Dense(4, activation, name="dense_2"),
            layers.Dense(4, name="frozen", trainable=False),
        ]
    )


def kernels(model):
    return {
        variable.path: keras.ops.convert_to_numpy(variable)
        for layer in model.layers
        for variable in layer.weights
        if "kernel" in variable.path
    }


def assert_same(a, b):
    for old, new in zip(a, b, strict=True):
        np.testing.assert_array_equal(old, new)


def test_every_kernel_is_drawn_from_the_initializer():
    model = build()
    frozen = model.get_layer("frozen").get_weights()
    report = keras_inits.initialize(model, keras.initializers.RandomUniform(5.0, 6.0))
    drawn = {path: k for path, k in kernels(model).items() if "frozen" not in path}
    assert len(drawn) == 11
    assert all(5 <= kernel.min() <= kernel.max() <= 6 for kernel in drawn.values())
    assert report.skipped == {"frozen": "it is frozen: trainable=False"}
    assert report.method == "RandomUniform"
    assert_same(frozen, model.get_layer("frozen").get_weights())


def test_each_kernel_is_an_independent_draw():
    for initializer in ("he_normal", keras.initializers.HeNormal(seed=3)):
        model = build()
        keras_inits.initialize(model, initializer)
        first, second = (
            model.get_layer(name).get_weights()[0] for name in ("dense", "dense_2")
        )
        assert not np.allclose(first, second)
        rnn = model.get_layer("rnn").get_weights()
        assert not np.allclose(rnn[0], rnn[1])


def test_a_seed_repeats_all_weights():
    def weights(initializer, seed):
        model = build()
        for variable in model.weights:
            variable.assign(variable + 1)
        keras_inits.initialize(model, initializer, seed=seed)
        return [w for layer in model.layers[1:-1] for w in layer.get_weights()]

    assert_same(weights("he_normal", 1), weights("he_normal", 1))
    assert not np.allclose(weights("he_normal", 1)[0], weights("he_normal", 2)[0])
    own = keras.initializers.HeNormal(seed=1)
    assert_same(weights(own, None), weights(own, None))
    assert_same(weights(own, None), weights("he_normal", 1))


def test_other_weights_come_from_their_own_initializers():
    model = build()
    expected = model.get_weights()
    for variable in model.weights:
        variable.assign(variable + 1)
    model.layers[0].set_weights([w * 0 + 3 for w in model.layers[0].get_weights()])
    keras_inits.initialize(model, "he_normal")
    for variable, value in zip(model.weights, expected, strict=True):
        if "kernel" in variable.path or "frozen" in variable.path:
            continue
        if variable in model.layers[0].weights:
            value = value * 0 + 3  # Normalization keeps what it knows of the data.
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)


def test_transformers_and_embeddings():
    tokens = keras.Input((5,), dtype="int32")
    embedded = keras.layers.Embedding(9, 4, name="embedding")(tokens)
    attended = keras.layers.MultiHeadAttention(2, 3)(embedded, embedded)
    model = keras.Model(tokens, keras.layers.Dense(2)(attended))
    before = model.get_weights()
    report = keras_inits.initialize(model, "lee_qr", seed=1)
    assert not report.skipped
    assert not np.allclose(before[0], model.get_weights()[0])
    dense = model.layers[-1].get_weights()[0]
    expected = keras.ops.convert_to_numpy(keras_inits.LeeQR()((4, 2)))
    np.testing.assert_array_equal(dense, expected)


def test_a_layer_that_cannot_be_built_again_is_named():
    class Own(keras.layers.Layer):
        def __init__(self, array):
            super().__init__(name="own")
            self.array = array
            self.kernel = self.add_weight((2, 2), "zeros")

        def call(self, inputs):
            return inputs @ self.kernel + self.array

    model = keras.Sequential(
        [keras.Input((2,)), Own(np.ones(2, "float32")), keras.layers.Dense(2)]
    )
    before = model.get_weights()
    with pytest.raises(ValueError, match="own: it has no config"):
        keras_inits.initialize(model, "he_normal", strict=True)
    assert_same(before, model.get_weights())
    assert "own" in keras_inits.initialize(model, "he_normal").skipped


def chain(activation):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation),
            keras.layers.Dense(2, activation),
        ]
    )


@pytest.mark.parametrize(
    ("initializer", "activation", "method", "same"),
    [
        ("rai", "relu", "rai", lambda m, x: keras_inits.calibration.rai(m, 4)),
        (
            keras_inits.GSM(submatrix="orthogonal"),
            "relu",
            "gsm",
            lambda m, x: keras_inits.calibration.gsm(m, "orthogonal", seed=4),
        ),
        (
            "random_ep",
            "sigmoid",
            "elliptical_projection",
            lambda m, x: keras_inits.calibration.elliptical_projection(m, x, seed=4),
        ),
        (
            keras_inits.OrthoEP(logit_std=2.0),
            "sigmoid",
            "elliptical_projection",
            lambda m, x: keras_inits.calibration.elliptical_projection(
                m, x, "orthogonal", 2.0, seed=4
            ),
        ),
        (
            "lsuv",
            "tanh",
            "lsuv",
            lambda m, x: keras_inits.calibration.lsuv(m, x, seed=4),
        ),
        (
            "jacobian_norm",
            "tanh",
            "jacobian_norm",
            lambda m, x: keras_inits.calibration.jacobian_norm(m, x, seed=4),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_methods_that_need_a_calibration(initializer, activation, method, same, x):
    samples = x.reshape(-1, 6)
    model, expected = chain(activation), chain(activation)
    expected.set_weights(model.get_weights())
    report = keras_inits.initialize(model, initializer, samples, seed=4)
    assert report.method == method
    same(expected, samples)
    assert_same(expected.get_weights(), model.get_weights())


def test_elliptical_projection_without_data_says_so():
    model = chain("sigmoid")
    report = keras_inits.initialize(model, "random_ep", seed=1)
    assert report.note == "without data: biases do not centre the logits"
    kernel, bias = model.layers[0].get_weights()
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 5.162, atol=1e-3)
    assert not np.any(bias)


@pytest.mark.parametrize("given", ["yilmaz_poli", keras_inits.YilmazPoli()], ids=type)
def test_methods_for_logistic_units_warn_of_others(given):
    model = chain("relu")
    name = model.layers[0].name
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        keras_inits.initialize(model, given)
    assert len(warned) == 2
    assert f"Layer '{name}' has activation relu" in str(warned[0].message)
    assert "'lee_qr'" in str(warned[0].message)
    assert warned[0].filename == __file__
    keras_inits.initialize(chain("sigmoid"), given)


@pytest.mark.parametrize(
    ("initializer", "message"),
    [
        ("lsuv", "needs samples"),
        ("he_norml", "Did you mean 'he_normal'"),
        (None, "identifier=None"),
        (keras.initializers.Identity(), "2D"),
    ],
    ids=["lsuv", "name", "none", "rank"],
)
def test_what_cannot_do(initializer, message):
    model = build()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        keras_inits.initialize(model, initializer)
    assert_same(before, model.get_weights())
