"""LeeQR against the printed matrices, LAPACK, and exact arithmetic."""

from decimal import Decimal, localcontext

import keras
import numpy as np
import pytest

from keras_inits import LeeQR

SIGNS = ("householder", "gram_schmidt")

# Examples 1 and 2 of the paper: epsilon and the matrix that it prints.
PRINTED = [
    (0.01, [[-0.0829, 0.9097], [0.9081, -0.0993], [0.4106, 0.4032]]),
    (
        0.01,
        [
            [0.6241, -0.3762, 0.6213],
            [-0.3754, 0.6242, 0.6217],
            [0.6213, 0.6209, -0.3816],
            [0.2890, 0.2887, 0.2862],
        ],
    ),
    (
        0.0001,
        [
            [0.8581, -0.1419, -0.1419, -0.1419, 0.3581],
            [-0.1419, 0.8581, -0.1419, -0.1419, 0.3581],
            [-0.1419, -0.1419, 0.8581, -0.1419, 0.3581],
            [-0.1419, -0.1419, -0.1419, 0.8581, 0.3581],
            [0.3581, 0.3581, 0.3581, 0.3581, -0.6419],
            [0.1581, 0.1581, 0.1581, 0.1581, 0.1581],
            [0.1581, 0.1581, 0.1581, 0.1581, 0.1581],
            [0.1581, 0.1581, 0.1581, 0.1581, 0.1581],
        ],
    ),
    (
        0.1,
        [
            [0.8618, -0.1415, -0.1413, -0.1413, 0.3524],
            [-0.1341, 0.8626, -0.1374, -0.1374, 0.3563],
            [-0.1342, -0.1373, 0.8626, -0.1374, 0.3563],
            [-0.1342, -0.1373, -0.1373, 0.8626, 0.3563],
            [0.3559, 0.3528, 0.3528, 0.3528, -0.6533],
            [0.1598, 0.1567, 0.1567, 0.1567, 0.1506],
            [0.1598, 0.1567, 0.1567, 0.1567, 0.1506],
            [0.1598, 0.1567, 0.1567, 0.1567, 0.1506],
        ],
    ),
]


def kernel(shape, *args, dtype="float64", **kwargs):
    tensor = LeeQR(*args, **kwargs)(shape, dtype=dtype)
    return keras.ops.convert_to_numpy(tensor).astype("float64")


def by_lapack(rows, columns, epsilon, signs):
    def q(size):
        q, r = np.linalg.qr(np.ones((size, size)) + epsilon * np.eye(size))
        return q * np.sign(np.diag(r)) if signs == "gram_schmidt" else q

    rank = min(rows, columns)
    return q(rows)[:, :rank] @ q(columns)[:, :rank].T


def by_exact_arithmetic(rows, columns, epsilon):
    """Gram-Schmidt as in theorem 1, in more digits than any epsilon can cost."""

    def q(size):
        basis = []
        for j in range(size):
            u = [1 + Decimal(epsilon) * (i == j) for i in range(size)]
            for e in basis:
                along = sum(x * y for x, y in zip(e, u, strict=True))
                u = [x - along * y for x, y in zip(u, e, strict=True)]
            norm = sum(x * x for x in u).sqrt()
            basis.append([x / norm for x in u])
        return basis

    with localcontext() as context:
        context.prec = 1500
        pairs = list(zip(q(rows), q(columns), strict=False))
        return np.array(
            [
                [float(sum(u[i] * v[j] for u, v in pairs)) for j in range(columns)]
                for i in range(rows)
            ]
        )


def isometry_error(matrix):
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows > columns else matrix @ matrix.T
    return np.abs(gram - np.eye(len(gram))).max()


@pytest.mark.parametrize(("epsilon", "printed"), PRINTED)
def test_the_printed_matrices(epsilon, printed):
    ours = kernel(np.shape(printed), epsilon)
    # Half a unit of the last digit, and a little as the paper's own is rounded.
    np.testing.assert_allclose(ours, printed, atol=0.5001e-4)


def test_the_kernel_is_the_papers_matrix_transposed():
    epsilon, printed = PRINTED[0]
    np.testing.assert_allclose(
        kernel((2, 3), epsilon), np.transpose(printed), atol=0.5001e-4
    )


@pytest.mark.filterwarnings("ignore:LeeQR with signs='householder'")
@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("epsilon", [1e-8, 1e-4, 0.01, 0.1, 1.0, 10.0])
def test_against_lapack(epsilon, signs):
    # LAPACK sees ones and ones + epsilon, a difference that it knows to 1e-16.
    tolerance = 1e-14 + 1e-15 / epsilon
    sizes = (1, 2, 3, 4, 7, 16, 33, 64)
    for rows in sizes:
        for columns in sizes:
            np.testing.assert_allclose(
                kernel((rows, columns), epsilon, signs),
                by_lapack(rows, columns, epsilon, signs),
                atol=10 * tolerance,
                err_msg=f"{rows} x {columns}",
            )


@pytest.mark.parametrize("epsilon", [1e-300, 1e-12, 1e-8, 0.1, 1.0, 1e6, 1e300])
def test_exact_for_every_epsilon(epsilon):
    for shape in [(1, 4), (4, 1), (2, 7), (6, 5)]:
        exact = by_exact_arithmetic(*shape, epsilon)
        ours = kernel(shape, epsilon, "gram_schmidt")
        np.testing.assert_allclose(ours, exact, rtol=0, atol=1e-15)


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("epsilon", [0, 1e-12, 1e-8, 0.1, 1e6, 1e300])
def test_an_isometry_in_single_precision(epsilon, signs):
    for shape in [(784, 10), (6, 10), (10, 6), (300, 299), (64, 512)]:
        matrix = kernel(shape, epsilon, signs, dtype="float32")
        assert isometry_error(matrix) < 1e-6
        matrix = kernel(shape, epsilon, signs)
        assert isometry_error(matrix) < 1e-12


@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_zero_is_the_limit(shape):
    expected = np.eye(*shape) + 1 / np.sqrt(15)
    expected[:3, :3] -= 1 / 3
    ours = kernel(shape, 0, "gram_schmidt")
    np.testing.assert_allclose(ours, expected, atol=1e-15)
    np.testing.assert_allclose(
        kernel(shape, 0), kernel(shape, 1e-15), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("epsilon", [0, 1e-8, 0.1, 1e300])
@pytest.mark.parametrize("signs", SIGNS)
def test_the_identity_where_the_width_is_kept(epsilon, signs):
    np.testing.assert_array_equal(kernel((5, 5), epsilon, signs), np.eye(5))


def test_the_mean_is_kept():
    x = np.random.default_rng(0).uniform(size=40)
    for outputs in (10, 30, 90):
        y = x @ kernel((40, outputs), 1e-6, "gram_schmidt")
        assert y.mean() == pytest.approx(np.sqrt(40 / outputs) * x.mean(), rel=1e-4)


def test_gain_multiplies():
    for shape in [(4, 3), (4, 4), (3, 3, 2, 5)]:
        np.testing.assert_allclose(
            kernel(shape, gain=-3), -3 * kernel(shape), rtol=1e-15
        )


def test_no_matrix_larger_than_the_kernel():
    # A QR would need the 2,000,000 x 2,000,000 matrix, 32 TB.
    assert isometry_error(kernel((2_000_000, 2))) < 1e-9


@pytest.mark.parametrize("taps", [(3,), (4,), (3, 3), (2, 3), (3, 1, 2)])
def test_a_convolution_kernel_holds_the_matrix_from_the_centre_outwards(taps):
    ours = kernel((*taps, 4, 5))
    matrix = kernel((4 * np.prod(taps), 5))
    centre = tuple((size - 1) // 2 for size in taps)
    np.testing.assert_array_equal(ours[centre], matrix[:4])
    rows = ours.reshape(-1, 5).tolist()
    assert sorted(rows) == sorted(matrix.tolist())


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_a_convolution_leaves_the_image_where_it_is(size):
    layer = keras.layers.Conv2D(
        3, size, padding="same", kernel_initializer=LeeQR(), use_bias=False
    )
    image = np.zeros((1, 9, 9, 3), "float32")
    image[0, 3, 5] = 1
    brightness = keras.ops.convert_to_numpy(layer(image)).sum(axis=-1)[0]
    assert np.unravel_index(brightness.argmax(), (9, 9)) == (3, 5)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 3, 2, 1)])
def test_a_unit_that_is_born_dead_is_announced(shape):
    with pytest.warns(UserWarning, match="born dead.*gram_schmidt.*Received: shape"):
        assert kernel(shape).max() < 0
    assert kernel(shape, signs="gram_schmidt").min() > 0
    assert kernel(shape, gain=-1).min() > 0


@pytest.mark.parametrize("name", ["epsilon", "gain"])
@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, 10**400, "0.1", None, True, 1j]
)
def test_a_number_must_be_finite_and_real(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be a finite number.*Received"):
        LeeQR(**{name: value})


def test_epsilon_must_not_be_negative():
    with pytest.raises(ValueError, match="at least 0. Received: epsilon=-1"):
        LeeQR(epsilon=-1)


def test_numpy_numbers_are_numbers():
    assert LeeQR(np.float32(0.5), gain=np.int64(2)).get_config() == {
        "epsilon": 0.5,
        "signs": "householder",
        "gain": 2.0,
    }


@pytest.mark.parametrize("signs", ["lapack", "", None, 1, ["householder"]])
def test_unknown_signs_are_refused(signs):
    with pytest.raises(ValueError, match="'householder', 'gram_schmidt'. Received: s"):
        LeeQR(signs=signs)
