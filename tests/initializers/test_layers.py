"""In every layer all inputs and outputs take part, as in a dense one of that size."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

import keras_inits
from keras_inits.inspection.kernel_layout import kernel_layout

# A layer, its arguments, and the shape of its inputs.
ROWS = {
    "query": (layers.EinsumDense, ("abc,cde->abde", (None, 2, 8)), (5, 16)),
    "attention output": (layers.EinsumDense, ("abcd,cde->abe", (None, 16)), (5, 2, 8)),
    "transposed": (layers.EinsumDense, ("ab,cb->ac", (12,)), (8,)),
    "Conv2DTranspose, wider": (layers.Conv2DTranspose, (32, 2, 2), (9, 9, 8)),
    "Conv2DTranspose, narrower": (layers.Conv2DTranspose, (4, 3), (9, 9, 8)),
    "groups": (functools.partial(layers.Conv2D, groups=2), (12, 3), (9, 9, 8)),
    "DepthwiseConv2D": (layers.DepthwiseConv2D, (3,), (9, 9, 8)),
    "SeparableConv2D": (layers.SeparableConv2D, (8, 3), (9, 9, 8)),
    # Gates lie beside each other in one matrix, which is filled as one.
    "LSTM": (layers.LSTM, (6,), (5, 16)),
    "GRU": (layers.GRU, (6,), (5, 16)),
    "Embedding": (layers.Embedding, (16, 12), (5,)),
}
INITIALIZERS = {
    "Embedding": ["embeddings_initializer"],
    "DepthwiseConv2D": ["depthwise_initializer"],
    "SeparableConv2D": ["depthwise_initializer", "pointwise_initializer"],
}
NAMES = keras_inits.available()
# Units in pairs take two inputs.
SINGLE = ["DepthwiseConv2D", "SeparableConv2D"]
pytestmark = pytest.mark.filterwarnings("ignore:LeeQR with signs='householder'")


def built(layer, initializer):
    make, arguments, inputs = ROWS[layer]
    names = INITIALIZERS.get(layer, ["kernel_initializer"])
    made = make(*arguments, **dict.fromkeys(names, initializer))
    made.build((None, *inputs))
    return made, inputs


def separate(layer):
    """Returns the first kernel as `(kernels, taps..., inputs, outputs)`."""
    kernel = next(w for w in layer.weights if len(w.shape) > 1)
    layout = kernel_layout(layer, kernel.name, kernel.shape)
    values = keras.ops.convert_to_numpy(kernel).reshape(layout.shape)
    order = [*layout.groups, *layout._taps, *layout.inputs, *layout.outputs]
    return values.transpose(order).reshape(layout.num_kernels, *layout.of_one)


@pytest.mark.parametrize("layer", ROWS)
@pytest.mark.parametrize("name", NAMES)
def test_each_kernel_is_one_of_its_own_shape(name, layer):
    if name == "gsm" and layer in SINGLE:
        with pytest.raises(ValueError, match="GSM needs two inputs or more"):
            built(layer, "gsm")
        return
    initializer = keras_inits.get(name)
    kernels = separate(built(layer, initializer)[0])
    plain = keras.ops.convert_to_numpy(initializer(kernels.shape[1:]))
    if len(kernels) == 1 or not hasattr(initializer, "seed"):
        for kernel in kernels:
            np.testing.assert_array_equal(kernel, plain)
    else:
        # Drawn apart, by one law: fans are those of one kernel.
        assert len({kernel.tobytes() for kernel in kernels}) == len(kernels)
        config = initializer.get_config()
        others = [
            type(initializer).from_config({**config, "seed": seed})(plain.shape)
            for seed in range(50)
        ]
        sizes = [np.linalg.norm(kernel) for kernel in kernels]
        expected = [np.linalg.norm(keras.ops.convert_to_numpy(k)) for k in others]
        error = np.std(expected) * np.sqrt(1 / len(sizes) + 1 / 50)
        assert np.mean(sizes) == pytest.approx(
            np.mean(expected), abs=6 * error + 1e-4 * np.mean(expected)
        )


@pytest.mark.parametrize("layer", ROWS)
@pytest.mark.parametrize("name", NAMES)
def test_every_channel_passes_something_on(name, layer):
    if name == "gsm" and layer in SINGLE:
        return
    made, inputs = built(layer, name)
    x = np.random.default_rng(0).normal(size=(4, *inputs)).astype("float32")
    if layer == "Embedding":
        x = np.arange(16)[None]
    units = np.asarray(made(x)).reshape(-1, made(x).shape[-1])
    varies = units.std(axis=0) > 0
    # The identity alone leaves outputs past the last input at 0.
    wider = {"Conv2DTranspose, wider": 8 / 32, "groups": 8 / 12, "transposed": 8 / 12}
    share = wider.get(layer, 1.0) if name == "rectangular_identity" else 1.0
    assert varies.mean() == pytest.approx(share)


@pytest.mark.parametrize("name", ["lee_qr", "zer_o", "rectangular_identity"])
@pytest.mark.parametrize("layer", ["query", "attention output"])
def test_a_square_projection_of_attention_is_an_isometry(name, layer):
    (kernel,) = separate(built(layer, name)[0])
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(16), atol=1e-6)


def test_both_directions_are_drawn():
    both = layers.Bidirectional(layers.LSTM(6, kernel_initializer="lee_qr"))
    both.build((None, 5, 16))
    for one in (both.forward_layer, both.backward_layer):
        assert np.linalg.matrix_rank(keras.ops.convert_to_numpy(one.cell.kernel)) == 16


def test_the_scale_is_that_of_the_fan_in_of_the_query():
    """Not of features times heads, by which it would be too small by sqrt(2)."""
    attention = layers.MultiHeadAttention(
        8, 64, kernel_initializer=keras_inits.GSM("first", seed=0)
    )
    attention.build((None, 5, 256), (None, 5, 256))
    kernel = keras.ops.convert_to_numpy(attention.query_dense.kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 256), rel=0.02)


class Block(keras.Model):
    """Builds its layers when it is called, in Keras' absence of values."""

    def __init__(self, initializer):
        super().__init__()
        self.attention = layers.MultiHeadAttention(2, 8, kernel_initializer=initializer)
        self.out = layers.Conv1DTranspose(4, 2, kernel_initializer=initializer)

    def call(self, inputs):
        return self.out(self.attention(inputs, inputs))


def test_layers_that_are_built_within_a_model():
    block = Block("rectangular_identity")
    block(keras.Input((5, 16)))
    query = keras.ops.convert_to_numpy(block.attention.query_dense.kernel)
    np.testing.assert_array_equal(query.reshape(16, 16), np.eye(16))
    kernel = keras.ops.convert_to_numpy(block.out.kernel)
    np.testing.assert_array_equal(kernel[0], np.eye(4, 16))


def test_a_layer_of_a_users_says_what_was_guessed():
    class Mine(keras.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(
                shape=(3, input_shape[-1], 4), initializer=lee_qr, name="heads"
            )

    lee_qr = keras_inits.LeeQR()
    with pytest.warns(UserWarning, match=r"LeeQR takes the kernel 'heads' of Mine for"):
        Mine().build((None, 6))


def test_an_initializer_keeps_its_seed_in_a_layer():
    initializer = keras_inits.RandomEP()
    one, other = (built("query", initializer)[0] for _ in range(2))
    np.testing.assert_array_equal(one.kernel, other.kernel)
    assert initializer.layout is None and one.kernel_initializer is initializer
