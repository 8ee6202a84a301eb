import keras
import numpy as np
import pytest
from sklearn.datasets import load_iris

from keras_inits import calibration


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    return ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32"), y


def loss(model, x, y):
    outputs = keras.ops.convert_to_numpy(model(x))
    return -np.mean(np.log(outputs[np.arange(len(y)), y]))


def test_it_beats_a_random_last_layer_before_training(iris, dense):
    x, y = iris
    losses, accuracies = [], []
    for _ in range(10):
        model = dense(16, 3, activation="tanh", inputs=4, last="softmax")
        before, hidden = loss(model, x, y), model.layers[0].get_weights()
        report = calibration.lagrangian_lr(model, x, y)
        losses.append((before, loss(model, x, y)))
        predicted = keras.ops.convert_to_numpy(model(x)).argmax(axis=1)
        accuracies.append(np.mean(predicted == y))
        for old, new in zip(hidden, model.layers[0].get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
        row = report.rows[0]
        assert row.after["mean squared error"] < row.before["mean squared error"]
        np.testing.assert_allclose(
            np.sum(model.layers[1].get_weights()[0] ** 2, axis=0),
            row.before["squared norm"],
            rtol=1e-5,
        )
        assert report.note == "reconstructed" and "(reconstructed)" in str(report)
    # It fits squared errors. That cross-entropy falls too is so on average: before, it
    # is 1.2 with a deviation of 0.3, after, 0.55 with one of 0.01.
    before, after = np.mean(losses, axis=0)
    assert after < 0.8 * before
    assert np.mean(accuracies) > 0.75


@pytest.mark.parametrize("squared_norm", [0.1, 2.0, 500.0])
def test_no_weights_of_that_length_fit_better(squared_norm, x, dense):
    rng = np.random.default_rng(0)
    y = np.sin(x[:, :2]) + 2
    model = dense(3, 2, activation="tanh")
    calibration.lagrangian_lr(model, x, y, squared_norm)
    features = keras.ops.convert_to_numpy(model.layers[0](x))
    kernel, bias = model.layers[1].get_weights()
    np.testing.assert_allclose(np.sum(kernel**2, axis=0), squared_norm, rtol=1e-5)
    error = np.mean((features @ kernel + bias - y) ** 2, axis=0)
    others = rng.normal(size=(20000, 3))
    others *= np.sqrt(squared_norm) / np.linalg.norm(others, axis=1, keepdims=True)
    # The best bias centres the residuals.
    outputs = (features - features.mean(axis=0)) @ others.T
    for unit in range(2):
        target = y[:, unit, None] - y[:, unit].mean()
        least = np.mean((outputs - target) ** 2, axis=0).min()
        assert error[unit] <= least * (1 + 1e-5)
        assert error[unit] == pytest.approx(least, rel=0.05)


@pytest.mark.parametrize(
    ("units", "last", "make", "expected"),
    [
        (3, None, lambda y: y, 2 * np.eye(3) - 1),
        (3, "softmax", lambda y: np.eye(3)[y], 2 * np.eye(3) - 1),
        (3, None, lambda y: np.eye(3)[y], np.eye(3)),
        (1, "sigmoid", lambda y: y == 1, [[-1], [1], [-1]]),
        (1, None, lambda y: 1.5 * y, [[0], [1.5], [3]]),
    ],
)
def test_what_the_logits_are_fitted_to(units, last, make, expected, dense):
    y = np.tile([0, 1, 2], 20)
    x = np.eye(3, dtype="float32")[y]
    model = dense(units, inputs=3, last=last)
    # Without a bound on the weights the fit would be exact: this is that length.
    expected = np.array(expected, "float64")
    centred = expected - expected.mean(axis=0)
    for unit in range(units):
        norm = np.sum(centred[:, unit] ** 2)
        calibration.lagrangian_lr(model, x, make(y), squared_norm=norm)
        kernel, bias = model.layers[0].get_weights()
        np.testing.assert_allclose(
            (np.eye(3) @ kernel + bias)[:, unit], expected[:, unit], atol=1e-4
        )


def test_a_dataset_holds_its_targets(iris, dense):
    tf = pytest.importorskip("tensorflow")
    x, y = iris
    model = dense(8, 3, inputs=4, last="softmax")
    start = model.get_weights()
    calibration.lagrangian_lr(model, x, y)
    expected = model.get_weights()
    model.set_weights(start)
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(40)
    calibration.lagrangian_lr(model, dataset)
    for a, b in zip(expected, model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    with pytest.raises(ValueError, match="yields its targets itself"):
        calibration.lagrangian_lr(model, dataset, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "needs targets"),
        (np.full(150, 3), "from 0 to 2"),
        (np.full(150, -1), "from 0 to 2"),
        (np.zeros((150, 2)), r"\(samples, 3\).*shape \(150, 2\)"),
        (np.full((150, 3), np.nan), "NaN"),
        (np.zeros((149, 3)), r"sizes=\[149, 150\]"),
    ],
    ids=["none", "high", "low", "shape", "NaN", "size"],
)
def test_targets_that_cannot_do(y, message, iris, dense, weights_of):
    model = dense(8, 3, inputs=4, last="softmax")
    before = weights_of(model)
    with pytest.raises(ValueError, match=message):
        calibration.lagrangian_lr(model, iris[0], y)
    for old, new in zip(before, weights_of(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_last_layers_that_cannot_do(x, dense):
    with pytest.raises(ValueError, match="its activation is relu"):
        calibration.lagrangian_lr(dense(8, 1, last="relu"), x, x[:, 0])
    recurrent = keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(4),
            keras.layers.Reshape((2, 2)),
            keras.layers.LSTM(1),
        ]
    )
    with pytest.raises(ValueError, match="LSTM is not Dense"):
        calibration.lagrangian_lr(recurrent, x, x[:, 0])
    with pytest.raises(ValueError, match="squared_norm=-1"):
        calibration.lagrangian_lr(dense(1), x, x[:, 0], squared_norm=-1)
