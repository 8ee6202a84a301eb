"""Where the inputs and outputs of a kernel are, in each of Keras' layers."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits.inspection.kernel_layout import kernel_layout, matrix_layout


def einsum(equation, output):
    return lambda: layers.EinsumDense(equation, output)


# A layer, the shape of its inputs, and of each kernel how many it is and of what shape.
ROWS = {
    "Dense": (lambda: layers.Dense(5), (7,), {"kernel": (1, (7, 5))}),
    "Conv1D": (lambda: layers.Conv1D(5, 3), (9, 7), {"kernel": (1, (3, 7, 5))}),
    "Conv2D": (
        lambda: layers.Conv2D(6, 3, groups=2),
        (9, 9, 4),
        {"kernel": (2, (3, 3, 2, 3))},
    ),
    "Conv1DTranspose": (
        lambda: layers.Conv1DTranspose(5, 3),
        (9, 7),
        {"kernel": (1, (3, 7, 5))},
    ),
    "Conv2DTranspose": (
        lambda: layers.Conv2DTranspose(5, (3, 2)),
        (9, 9, 7),
        {"kernel": (1, (3, 2, 7, 5))},
    ),
    "Conv3DTranspose": (
        lambda: layers.Conv3DTranspose(5, 3),
        (4, 4, 4, 7),
        {"kernel": (1, (3, 3, 3, 7, 5))},
    ),
    "DepthwiseConv1D": (
        lambda: layers.DepthwiseConv1D(3, depth_multiplier=2),
        (9, 4),
        {"kernel": (4, (3, 1, 2))},
    ),
    "DepthwiseConv2D": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
        (9, 9, 4),
        {"kernel": (4, (3, 3, 1, 2))},
    ),
    # A size of 1, by which the two could not be told apart.
    "SeparableConv2D": (
        lambda: layers.SeparableConv2D(6, 1, depth_multiplier=2),
        (9, 9, 4),
        {"depthwise_kernel": (4, (1, 1, 1, 2)), "pointwise_kernel": (1, (1, 1, 8, 6))},
    ),
    "query": (einsum("abc,cde->abde", (None, 2, 3)), (5, 4), {"kernel": (1, (4, 6))}),
    "attention output": (
        einsum("abcd,cde->abe", (None, 7)),
        (5, 2, 3),
        {"kernel": (1, (6, 7))},
    ),
    "transposed": (einsum("ab,cb->ac", (5,)), (7,), {"kernel": (1, (7, 5))}),
    "a matrix a place": (
        einsum("abc,bcd->abd", (3, 5)),
        (3, 4),
        {"kernel": (3, (4, 5))},
    ),
    "ellipsis": (einsum("...x,xy->...y", (5,)), (7,), {"kernel": (1, (7, 5))}),
    "Embedding": (lambda: layers.Embedding(9, 4), (3,), {"embeddings": (1, (9, 4))}),
    # The gates are one matrix.
    "LSTM": (
        lambda: layers.LSTM(3).cell,
        (5,),
        {"kernel": (1, (5, 12)), "recurrent_kernel": (1, (3, 12))},
    ),
    "ConvLSTM2D": (
        lambda: layers.ConvLSTM2D(3, 2).cell,
        (8, 8, 5),
        {"kernel": (1, (2, 2, 5, 12)), "recurrent_kernel": (1, (2, 2, 3, 12))},
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_layout_of_every_kernel(row):
    make, inputs, expected = ROWS[row]
    layer = make()
    layer.build((None, *inputs))
    kernels = {w.name: w for w in layer.weights if len(w.shape) > 1}
    assert kernels.keys() == expected.keys()
    for name, kernel in kernels.items():
        layout = kernel_layout(layer, name, kernel.shape)
        assert (layout.num_kernels, layout.of_one) == expected[name]


LINEAR = [row for row in ROWS if row not in ("Embedding", "LSTM", "ConvLSTM2D")]


@pytest.mark.parametrize("row", [r for r in LINEAR if r != "SeparableConv2D"])
def test_an_output_depends_on_the_inputs_of_its_column(row):
    """One entry of one kernel joins one input to one output, and no others."""
    make, inputs, _ = ROWS[row]
    layer = make()
    layer.build((None, *inputs))
    kernel = next(w for w in layer.weights if len(w.shape) > 1)
    layout = kernel_layout(layer, kernel.name, kernel.shape)
    *taps, rows, columns = layout.of_one
    x = np.random.default_rng(0).normal(size=(2, *inputs)).astype("float32")
    for group in range(layout.num_kernels):
        ones = np.zeros((layout.num_kernels, *layout.of_one), "float32")
        ones[(group, *[0] * len(taps), rows - 1, columns - 1)] = 1
        joined = layout.join(list(ones), kernel.shape)
        # What `join` places, the layer reads there: as many units answer as it says.
        layer.set_weights([joined, *layer.get_weights()[1:]])
        reacts = np.abs(keras.ops.convert_to_numpy(layer(x))) > 0
        per_unit = reacts.any(axis=tuple(range(reacts.ndim - 1)))
        assert 0 < per_unit.sum() <= max(1, layout.num_kernels)


def test_a_layer_that_does_not_tell():
    class Mine(keras.Layer):
        pass

    assert kernel_layout(Mine(), "kernel", (4, 3)) == matrix_layout((4, 3))
    assert kernel_layout(Mine(), "kernel", (2, 4, 3)) is None
    assert kernel_layout(layers.EinsumDense("ab,bc->ac", 3), "other", (4,)) is None
