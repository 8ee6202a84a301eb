"""diagnose and compare take data and outputs as `fit` takes them."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits.inspection.batches import gather

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 6)).astype("float32")
CLASSES = RNG.integers(0, 3, 96)
REAL = 2 * X[:, :1]
CROSS_ENTROPY = "sparse_categorical_crossentropy"


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(32 * index, 32 * index + 32)
        return X[part], CLASSES[part]


def endless():
    while True:
        yield from Batches()


def dataset():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((X, CLASSES)).batch(40)


def frames():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(X), pandas.Series(CLASSES)


FEEDS = {
    "arrays": lambda: (X, CLASSES),
    "tensors": lambda: (keras.ops.convert_to_tensor(X), CLASSES),
    "frames": frames,
    "tf.data": lambda: (dataset(), None),
    "PyDataset": lambda: (Batches(), None),
    "generator": lambda: (endless(), None),
}


def build(initializer="he_normal"):
    hidden = layers.Dense(8, "relu", kernel_initializer=initializer)
    last = layers.Dense(3, "softmax", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((6,)), hidden, last])
    model.compile(keras.optimizers.Adam(0.01), CROSS_ENTROPY)
    return model


@pytest.mark.parametrize("feed", FEEDS)
def test_diagnose_and_compare_take_what_fit_takes(feed):
    x, y = FEEDS[feed]()
    model = build()
    expected = keras_inits.diagnose(model, X, CLASSES, samples=96)
    diagnosis = keras_inits.diagnose(model, x, y, samples=96)
    assert diagnosis.loss == pytest.approx(expected.loss, rel=1e-6)
    assert diagnosis.issues == expected.issues
    x, y = FEEDS[feed]()
    size = {"seeds": 1, "steps": 2, "batch_size": 32, "stable_rate": False}
    names = ["he_normal", "zeros"]
    ranked = keras_inits.compare(build, x, y, names, **size)
    # Eighty samples are asked for: batches are taken whole up to there.
    some = slice(None) if y is not None else slice(80)
    known = keras_inits.compare(build, X[some], CLASSES[some], names, **size)
    assert [row.val_loss for row in ranked.rows] == [row.val_loss for row in known.rows]


def test_what_cannot_be_gathered_is_refused():
    with pytest.raises(ValueError, match="`y` must be left out"):
        gather(endless(), CLASSES)
    with pytest.raises(ValueError, match="There must be a batch"):
        gather(iter([]))
    with pytest.raises(ValueError, match="must be arrays, or yield batches"):
        gather(lambda: None)


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X[0], CLASSES[0])], "must be batched first"),
        ([(X, CLASSES[:5])], "as many inputs as targets"),
        ([X], "must have inputs and targets"),
    ],
)
def test_batches_that_are_none_are_refused(batches, message):
    with pytest.raises(ValueError, match=message):
        keras_inits.diagnose(build(), iter(batches))


def test_targets_that_are_none_are_refused():
    for y, message in (
        (None, "`y` must be given"),
        ([0, 1, 2], "must be arrays"),
        (CLASSES[:5], "as many as the samples, 96"),
        (np.zeros((96, 2, 2)), "loss must take the targets"),
    ):
        with pytest.raises(ValueError, match=message):
            keras_inits.diagnose(build(), X, y)
    with pytest.raises(ValueError, match="two samples at least"):
        keras_inits.diagnose(build(), X[:1], CLASSES[:1])


def test_weights_of_samples_are_not_taken_without_a_word():
    batches = ((X, CLASSES, np.ones(96)) for _ in range(1))
    with pytest.warns(UserWarning, match="Weights of samples are not used"):
        x, y = gather(batches)
    assert x.shape == (96, 6) and y.shape == (96,)


def outputs(kind):
    """Returns a model of two outputs, one of which loses all samples."""
    inputs = keras.Input((6,))
    first = layers.Dense(3, "softmax", name="first")(inputs)
    dead = layers.Dense(8, "relu", kernel_initializer="zeros")(inputs)
    second = layers.Dense(4, "softmax", name="second")(dead)
    held = {"a": first, "b": second} if kind == "dict" else [first, second]
    model = keras.Model(inputs, held)
    losses, y = [CROSS_ENTROPY, CROSS_ENTROPY], [CLASSES, CLASSES]
    if kind == "dict":
        losses, y = ({"a": a, "b": b} for a, b in (losses, y))
    model.compile("adam", losses)
    return model, y


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_each_of_several_outputs_is_judged(kind):
    model, y = outputs(kind)
    diagnosis = keras_inits.diagnose(model, X, y, advice=False)
    (issue, *_) = [i for i in diagnosis.issues if "become alike" in i]
    assert "what reaches 'second' differs" in issue
    assert not any("'first'" in issue for issue in diagnosis.issues)


def test_one_output_in_a_dictionary_is_that_output():
    inputs = keras.Input((6,))
    keras.utils.set_random_seed(0)
    out = layers.Dense(3, "softmax")(layers.Dense(8, "relu")(inputs))
    alone, held = keras.Model(inputs, out), keras.Model(inputs, {"a": out})
    alone.compile("adam", CROSS_ENTROPY)
    held.compile("adam", {"a": CROSS_ENTROPY})
    expected = keras_inits.diagnose(alone, X, CLASSES)
    diagnosis = keras_inits.diagnose(held, X, {"a": CLASSES})
    assert diagnosis.loss == expected.loss and diagnosis.issues == expected.issues
    limit = expected.stable_learning_rate
    assert diagnosis.stable_learning_rate == pytest.approx(limit, rel=1e-4)


def test_targets_out_of_reach_are_told_by_output():
    inputs = keras.Input((6,))
    hidden = layers.Dense(8, "relu")(inputs)
    heads = [layers.Dense(3, "softmax")(hidden), layers.Dense(1, "tanh")(hidden)]
    model = keras.Model(inputs, heads)
    model.compile("adam", [CROSS_ENTROPY, "mse"])
    diagnosis = keras_inits.diagnose(model, X, [CLASSES, 100 * REAL], advice=False)
    assert diagnosis.issues[0].startswith("output 2: the output cannot reach")


def test_what_the_model_cannot_take_is_told_in_the_words_of_the_backend():
    inner = [layers.Embedding(10, 4), layers.GlobalAveragePooling1D()]
    words = keras.Input((4,), dtype="int32")
    model = keras.Sequential([words, *inner, layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    x = np.full((8, 4), 30)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match=r"\(None, 4\).*30 is not in \[0, 10\)"):
            keras_inits.diagnose(model, x, np.zeros((8, 1)))


@pytest.mark.parametrize("rate", [0.1, 1e-9, 1e9])
def test_a_loss_that_layers_alone_add_is_judged_by_its_fall(rate):
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(keras.ops.mean(x**2))
            return x

    inputs = keras.Input((6,))
    hidden = layers.Dense(4, "tanh", name="hidden")(inputs)
    model = keras.Model(inputs, Penalty()(layers.Dense(1, name="last")(hidden)))
    model.compile(keras.optimizers.SGD(rate))
    found = keras_inits.diagnose(model, X, advice=False)
    outputs = keras.ops.convert_to_numpy(model(X))
    assert found.loss == pytest.approx(np.mean(outputs**2), rel=1e-5)
    features = np.tanh(X @ model.get_layer("hidden").get_weights()[0])
    slope = np.linalg.norm(2 * features.T @ outputs / len(X))
    assert found.layers[1].gradient_norm == pytest.approx(slope, rel=1e-4)
    assert found.will_train == (rate == 0.1), found
    if rate == 1e-9:
        assert "take the loss from" in found.issues[0]
        assert "explain" not in found.issues[0]


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64"])
def test_pixels_are_taken_as_numbers(dtype):
    pixels = RNG.integers(0, 256, (96, 6)).astype(dtype)
    hidden = layers.Dense(8, "relu", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((6,)), hidden, layers.Dense(1)])
    model.compile("adam", "mse")
    found = keras_inits.diagnose(model, pixels, pixels[:, :1] / 255.0)
    assert found.alternatives[0].inputs == "mean 0 and sd 1"


def test_generators_that_recurrent_layers_draw_from_are_put_back():
    inner = layers.GRU(4, recurrent_dropout=0.2, dropout=0.1)
    model = keras.Sequential([keras.Input((3, 2)), inner, layers.Dense(1)])
    model.compile("adam", "mse")
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in model.variables]
    keras_inits.diagnose(model, X.reshape(96, 3, 2), REAL).at(0.1)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), value)
