import io
import json

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_inits import diagnose
from keras_inits.utils.table import ResultTable

HIDDEN = 12


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return (x[:200] / 16).astype("float32"), y[:200]


def network(initializer, depth=HIDDEN, optimizer="adam", width=16, activation="relu"):
    keras.utils.set_random_seed(0)
    hidden = [
        keras.layers.Dense(width, activation, kernel_initializer=initializer)
        for _ in range(depth)
    ]
    model = keras.Sequential(
        [keras.Input((64,)), *hidden, keras.layers.Dense(10, "softmax")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def normal(sd):
    return keras.initializers.RandomNormal(stddev=sd, seed=1)


def quick(model, digits, **kwargs):
    return diagnose(model, *digits, advice=False, **kwargs)


def test_large_weights_explode(digits):
    found = quick(network(normal(1.0), 24), digits)
    # By Adam it comes to an accuracy of 0.4, though the loss stays above 10,000.
    assert found.will_train
    found = found.at(0.01, "sgd")
    assert not found.will_train and not found.uncertain
    assert found.issues[0].startswith("the loss is nan within 200 steps")
    assert any("signals explode" in issue for issue in found.issues)
    # Of ReLU units of independent weights of variance 1 it is sqrt(16 / 2).
    assert found.gain == pytest.approx(8**0.5, rel=0.3)


def test_small_weights_vanish(digits):
    found = quick(network(normal(0.01)), digits)
    assert not found.will_train
    assert "too little reaches the kernels" in " ".join(found.issues)
    assert found.gain < 0.1
    assert found.layers[0].gradient_norm < 1e-15


@pytest.mark.parametrize("optimizer", ["adam", keras.optimizers.SGD(0.1)])
def test_a_sane_network_trains(digits, optimizer):
    found = quick(network("he_normal", 2, optimizer, 32), digits)
    assert found.will_train, found
    assert "will train." in str(found)


def test_a_layer_that_is_born_dead(digits):
    model = network("he_normal", 2, width=32)
    model.layers[1].bias.assign(np.full(32, -100.0))
    found = quick(model, digits)
    assert not found.will_train
    assert f"100 % of the units of {model.layers[1].name} are born dead." in (
        found.remarks
    )
    assert found.layers[1].dead == 1


def test_a_rate_that_is_too_high(digits):
    found = quick(network("he_normal", 2, keras.optimizers.SGD(0.1), 32), digits)
    limit = found.stable_learning_rate
    assert found.will_train and 0.1 < 7 * limit
    issues = found.at(100 * limit).issues
    assert any("is 1e+02 times the stable one" in issue for issue in issues)
    assert not found.at(1e-9).will_train
    assert found.learning_rate == pytest.approx(0.1)


def test_what_is_said_of_other_optimizers(digits):
    model = network("he_normal", 1)
    adam = quick(model, digits)
    assert "does not hold for Adam" in " ".join(adam.remarks)
    rate = keras.optimizers.Adagrad(0.1)
    model.compile(rate, "sparse_categorical_crossentropy")
    other = quick(model, digits)
    assert "What rate Adagrad can take is not known here." in other.remarks
    assert np.isnan(other.stable_learning_rate) and other.will_train
    # Its steps are taken all the same.
    assert not other.at(1e-7).will_train and not other.at(1e5).will_train


def test_other_initializers_are_measured(digits):
    model = network(normal(0.01), 8)
    before = model.get_weights()
    found = diagnose(model, *digits)
    assert not found.will_train
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    by_name = {redraw.initializer: redraw for redraw in found.alternatives}
    assert list(by_name) == ["lee_qr", "he_normal", "he_uniform"]
    # Drawn anew as it says, that is what is measured.
    again = quick(network("he_normal", 8), digits)
    assert by_name["he_normal"].gain == pytest.approx(again.gain, rel=0.4)
    assert by_name["lee_qr"].will_train
    assert "with 'lee_qr' the gain is" in str(found)


def test_gains_against_arrays():
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]
    )
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 3))
    found = diagnose(model, x, y, advice=False, curvature=True)
    (first, bias, second, other) = model.get_weights()
    hidden = np.tanh(x @ first + bias)
    slope = 2 * (hidden @ second + other - y) / y.size
    back = slope @ second.T
    rms = [np.sqrt(np.mean(a**2)) for a in (x, hidden, slope, back)]
    one, two = found.layers
    assert one.signal_gain == pytest.approx(rms[1] / rms[0], rel=1e-4)
    sd = hidden.std(axis=0), x.std(axis=0)
    expected = np.sqrt(np.mean(sd[0] ** 2) / np.mean(sd[1] ** 2))
    assert one.varying_gain == pytest.approx(expected, rel=1e-4)
    assert two.gradient_gain == pytest.approx(rms[3] / rms[2], rel=1e-4)
    expected = np.linalg.norm(x.T @ (back * (1 - hidden**2)))
    assert one.gradient_norm == pytest.approx(expected, rel=1e-4)
    assert two.weight_sd == pytest.approx(second.std(), rel=1e-4)
    # The loss is quadratic in the last layer.
    features = np.hstack([hidden, np.ones((40, 1))])
    expected = np.linalg.eigvalsh(2 * features.T @ features / y.size)[-1]
    assert two.curvature == pytest.approx(expected, rel=1e-3)


def test_layers_of_all_kinds():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.Conv1D(5, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SimpleRNN(4),
            layers.Dropout(0.5),
            layers.Dense(1, "sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy")
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 9, (50, 4)), rng.integers(0, 2, (50, 1))
    state = [keras.ops.convert_to_numpy(v) for v in model.variables]
    found = quick(model, (x, y))
    assert [bool(np.isfinite(row.signal_gain)) for row in found.layers] == [
        False,  # Its inputs are no numbers to take a mean of.
        *[True] * 5,
    ]
    for old, variable in zip(state, model.variables, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(variable))


def test_it_is_shown_and_kept(digits):
    found = quick(network("he_normal", 2), digits, steps=50)
    kept = json.loads(json.dumps(found.to_dict()))
    assert kept["steps"] == 50 and len(kept["layers"]) == 3
    assert kept["layers"][0]["curvature"] is None
    assert kept["will_train"] is found.will_train
    html = found._repr_html_()
    assert html.count("<tr>") == 4 and found.layers[0].layer in html
    rich = pytest.importorskip("rich.console")
    console = rich.Console(record=True, width=80, file=io.StringIO())
    console.print(quick(network("he_normal", 2), digits, steps=50, curvature=True))
    shown = console.export_text()
    assert "…" not in shown and "|H|" in shown
    # As in plain text, but that the names of layers may take two lines.
    assert all(word in str(found) for word in ("dense", "relu", "|g|", "0%"))


def test_html_is_escaped():
    table = ResultTable(["<a>"], [["x & y"]])
    assert "<th>&lt;a&gt;</th>" in table.to_html()
    assert "<td>x &amp; y</td>" in table.to_html()


def test_a_model_that_is_not_compiled(digits):
    bare = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, "softmax")])
    with pytest.raises(ValueError, match="compiled with a loss"):
        diagnose(bare, *digits)
    found = diagnose(bare, *digits, loss="sparse_categorical_crossentropy")
    assert found.step_rule.optimizer == "SGD"
    assert found.learning_rate == found.stable_learning_rate / 2


def test_errors(digits):
    x, y = digits
    model = network("he_normal", 1)
    bad = x.copy()
    bad[3, 3] = np.nan
    with pytest.raises(ValueError, match="data must be finite.*Received: x"):
        diagnose(model, bad, y)
    with pytest.raises(ValueError, match="as many as the samples"):
        diagnose(model, x, y[:-1], samples=50)
    with pytest.raises(ValueError, match="`steps` must be"):
        diagnose(model, x, y, steps=0)
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        diagnose(model, x, y, learning_rate=-1.0)
    with pytest.raises(ValueError, match="`batch_size` must be.*Received"):
        diagnose(model, x, y, batch_size=0)
    found = diagnose(model, x, y, steps=5, advice=False)
    for rate in (-1.0, np.nan, None, "fast"):
        with pytest.raises(ValueError, match="`learning_rate` must be"):
            found.at(rate)
    json.dumps(found.at(np.float32(0.01)).to_dict())
    assert "1 step of training, on a copy, takes the loss" in str(found)
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="must be built"):
        diagnose(unbuilt, x, y, loss="mse")
    model.compile("sgd", lambda y, outputs: keras.ops.log(-outputs[:, 0]))
    with pytest.raises(ValueError, match="loss of finite outputs must be a number"):
        diagnose(model, x, y)


def test_a_schedule_is_followed(digits):
    decay = keras.optimizers.schedules.ExponentialDecay
    built = {
        held: network("he_normal", 2, keras.optimizers.SGD(decay(0.2, 1, held)), 32)
        for held in (1.0, 0.1)
    }
    found = {held: quick(model, digits, steps=300) for held, model in built.items()}
    assert found[1.0].will_train and not found[0.1].will_train
    for held, diagnosis in found.items():
        assert diagnosis.learning_rate == pytest.approx(0.2)
        # At that rate, and no schedule, both train; it is so.
        assert diagnosis.at(0.2).will_train
        accuracy = built[held]
        accuracy.compile(
            keras.optimizers.SGD(decay(0.2, 1, held)),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = accuracy.fit(*digits, epochs=43, verbose=0).history
        assert (history["accuracy"][-1] > 0.6) == (held == 1.0)


def test_a_loss_that_overflows_is_no_error(digits):
    x, y = digits
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    found = diagnose(model, 1e25 * x, x[:, :1].astype("float32"), advice=False)
    assert not found.will_train
    assert "signals or gradients overflow" in " ".join(found.issues)
