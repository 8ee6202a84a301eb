"""GSM keeps a ReLU network linear, whatever its depth and widths."""

import keras
import numpy as np
import pytest

from keras_inits import GSM

EVEN, ODD, MIXED = [8] * 9, [7] * 9, [8, 7, 3, 12, 5, 5, 10, 9, 2]


def kernel(shape, *args, dtype="float64", **kwargs):
    return keras.ops.convert_to_numpy(GSM(*args, **kwargs)(shape, dtype=dtype))


def network(widths, submatrix, inputs=6, outputs=4):
    """Returns a ReLU network of NumPy, ten layers deep for nine widths."""
    sizes = [inputs, *widths, outputs]
    positions = ["first", *["middle"] * (len(widths) - 1), "last"]
    kernels = [
        kernel(shape, position, submatrix, seed=seed)
        for seed, (shape, position) in enumerate(
            zip(zip(sizes[:-1], sizes[1:], strict=True), positions, strict=True)
        )
    ]

    def predict(x):
        for matrix in kernels[:-1]:
            x = np.maximum(x @ matrix, 0)
        return x @ kernels[-1]

    return predict


@pytest.mark.parametrize("submatrix", ["he_normal", "orthogonal"])
@pytest.mark.parametrize("widths", [EVEN, ODD, MIXED], ids=["even", "odd", "mixed"])
def test_ten_layers_are_linear(widths, submatrix):
    predict = network(widths, submatrix)
    x, y = np.random.default_rng(0).normal(size=(2, 20, 6))
    linear = 2 * predict(x) - 3 * predict(y)
    largest = np.abs(linear).max()
    assert largest > 0
    np.testing.assert_allclose(predict(2 * x - 3 * y), linear, atol=1e-12 * largest)


@pytest.mark.parametrize("width", [12, 13])
def test_orthogonal_submatrices_make_an_isometry(width):
    predict = network([width] * 9, "orthogonal", inputs=6, outputs=6)
    # The rows of the Jacobian of a linear map are its values at the unit vectors.
    values = np.linalg.svd(predict(np.eye(6)), compute_uv=False)
    np.testing.assert_allclose(values, 1, rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_convolutions_are_linear(rank):
    convolution = getattr(keras.layers, f"Conv{rank}D")
    positions = [("first", 5), ("middle", 6), ("last", 3)]
    layers = [
        convolution(
            channels,
            3,
            padding="same",
            activation=None if position == "last" else "relu",
            kernel_initializer=GSM(position, seed=seed),
        )
        for seed, (position, channels) in enumerate(positions)
    ]
    model = keras.Sequential([keras.Input((*[6] * rank, 2)), *layers])
    x, y = np.random.default_rng(0).normal(size=(2, 1, *[6] * rank, 2)).astype("f4")
    at_x, at_y, at_sum = map(keras.ops.convert_to_numpy, map(model, (x, y, x + y)))
    assert np.abs(at_sum).max() > 0.1
    np.testing.assert_allclose(at_sum, at_x + at_y, atol=1e-5)


def test_the_blocks():
    first = kernel((5, 8), "first", seed=1)
    np.testing.assert_array_equal(first[:, 4:], -first[:, :4])
    last = kernel((8, 5), "last", seed=1)
    np.testing.assert_array_equal(last[4:], -last[:4])
    middle = kernel((6, 8), seed=1)
    w0 = middle[:3, :4]
    np.testing.assert_array_equal(middle, np.block([[w0, -w0], [-w0, w0]]))


def test_the_blocks_of_odd_axes():
    ours = kernel((7, 9), seed=1)
    w0, alone = ours[:3, :4], ours[:3, 8:]
    unused = np.zeros((1, 9))
    expected = np.block([[w0, -w0, alone], [-w0, w0, -alone], [unused]])
    np.testing.assert_array_equal(ours, expected)
    assert not np.isin(alone, w0).any()


@pytest.mark.parametrize("position", ["first", "middle", "last"])
@pytest.mark.parametrize("shape", [(501, 401), (3, 3, 61, 201)], ids=str)
def test_he_normal_has_the_variance_of_the_whole_kernel(position, shape):
    ours = kernel(shape, position, seed=2)
    fan_in = np.prod(shape[:-1])
    used = ours[..., :-1, :] if position != "first" else ours
    # Fifty thousand independent entries or more.
    assert used.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.02)
    assert abs(used.mean()) < 0.02 * used.std()
    alone, others = used[..., -1].ravel(), used[..., 0].ravel()
    assert alone.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.2)
    assert abs(np.corrcoef(alone, others)[0, 1]) < 0.3


@pytest.mark.parametrize("rows", [3, 4, 12])
def test_an_orthogonal_submatrix_is_semi_orthogonal(rows):
    ours = kernel((2 * rows, 9), submatrix="orthogonal", seed=3)
    values = np.linalg.svd(ours[:rows, :4], compute_uv=False)
    np.testing.assert_allclose(values, 1, rtol=1e-12)
    assert np.linalg.norm(ours[:rows, 8]) == pytest.approx(1, rel=1e-12)


def test_an_orthogonal_convolution_is_so_over_its_taps():
    ours = kernel((3, 3, 4, 8), submatrix="orthogonal", seed=3)
    matrix = ours[:, :, :2, :4].reshape(-1, 4)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_an_initializer_draws_the_submatrix_in_its_own_shape(position):
    shape = (400, 300)
    rows = shape[0] // (1 if position == "first" else 2)
    columns = shape[1] // (1 if position == "last" else 2)
    he = keras.initializers.HeUniform()
    ours = kernel(shape, position, submatrix=he, seed=7)
    w0 = ours[:rows, :columns]
    assert np.abs(w0).max() == pytest.approx(np.sqrt(6 / rows), rel=1e-3)
    assert w0.std() == pytest.approx(np.sqrt(2 / rows), rel=0.02)
    if position != "last":
        np.testing.assert_array_equal(ours[:, columns:], -ours[:, :columns])
    if position != "first":
        np.testing.assert_array_equal(ours[rows:], -ours[:rows])
    # The seed is that of GSM.
    again = kernel(shape, position, submatrix=keras.initializers.HeUniform(), seed=7)
    np.testing.assert_array_equal(again, ours)
    other = kernel(shape, position, submatrix=he, seed=8)
    assert not np.array_equal(other, ours)


def test_an_initializer_for_the_submatrix_is_in_the_config():
    ours = GSM(submatrix=keras.initializers.TruncatedNormal(stddev=0.3), seed=1)
    again = keras.initializers.deserialize(keras.initializers.serialize(ours))
    assert again.submatrix.stddev == 0.3
    np.testing.assert_array_equal(again((6, 4)), ours((6, 4)))
    constant = GSM(submatrix=keras.initializers.Constant(2.0))((4, 4))
    np.testing.assert_array_equal(np.abs(constant), np.full((4, 4), 2.0))


def test_taps_differ():
    ours = kernel((3, 4, 4), seed=4)
    assert not np.array_equal(ours[0], ours[1])


def test_a_single_output_is_fed_by_pairs():
    middle = kernel((6, 1), seed=5)
    np.testing.assert_array_equal(middle[3:], -middle[:3])
    assert np.all(middle)


@pytest.mark.parametrize("position", ["middle", "last"])
@pytest.mark.parametrize("shape", [(1, 4), (3, 3, 1, 4)])
def test_a_single_input_is_no_pair(shape, position):
    with pytest.raises(ValueError, match="two inputs.*position='first'.*Received: sha"):
        kernel(shape, position)
    assert np.all(kernel(shape, "first"))


@pytest.mark.parametrize(
    ("position", "refused", "accepted"),
    [
        ("first", (4, 5), (5, 4)),
        ("middle", (4, 5), (4, 6)),
        ("middle", (5, 4), (6, 4)),
        ("last", (5, 4), (4, 5)),
    ],
)
def test_odd_axes_may_be_refused(position, refused, accepted):
    with pytest.raises(ValueError, match="even numbers.*odd='pad'.*Received: shape="):
        kernel(refused, position, odd="raise")
    padded, strict = (
        kernel(accepted, position, odd=odd, seed=6) for odd in ("pad", "raise")
    )
    np.testing.assert_array_equal(padded, strict)


@pytest.mark.parametrize("name", ["position", "submatrix", "odd"])
@pytest.mark.parametrize("value", ["head", "", None, 1, ["first"]])
def test_unknown_choices_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be one of .*Received: {name}"):
        GSM(**{name: value})
