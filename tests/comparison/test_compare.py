import io
import json

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_inits import GSM, available, compare, initialize

BAD = keras.initializers.RandomNormal(stddev=20.0)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return (x[:600] / 16).astype("float32"), y[:600]


def build(initializer, width=16, compiled=True):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(width, "relu", kernel_initializer=initializer),
            layers.Dense(width, "relu", kernel_initializer=initializer),
            layers.Dense(10, "softmax", kernel_initializer=initializer),
        ]
    )
    if compiled:
        model.compile(
            keras.optimizers.Adam(0.01),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    return model


@pytest.fixture(scope="module")
def compared(digits):
    initializers = {
        "bad": BAD,
        "he": "he_normal",
        "rai": "rai",
        "odd": GSM(odd="raise"),
        "yilmaz_poli": "yilmaz_poli",
    }

    def odd(initializer):
        return build(initializer, width=15)

    return compare(odd, *digits, initializers, seeds=2, steps=60)


def test_the_planted_bad_one_comes_last(compared):
    names = [row.name for row in compared.rows]
    assert set(names) == {"bad", "he", "rai", "yilmaz_poli"}
    assert names[-1] == "bad" and set(names[:2]) == {"he", "rai"}
    means = [np.mean(row.val_loss) for row in compared.rows]
    assert means == sorted(means)
    best = compared.rows[0]
    assert np.mean(best.val_accuracy) > 0.6
    assert len(best.val_loss) == len(best.dead) == 2
    assert best.val_loss[0] != best.val_loss[1]


def test_units_that_are_dead_and_rates(compared):
    by_name = {row.name: row for row in compared.rows}
    # Nearly all of its weights are negative.
    assert np.mean(by_name["yilmaz_poli"].dead) == 1
    assert np.mean(by_name["he"].dead) < 0.3
    rates = {name: row.stable_learning_rate for name, row in by_name.items()}
    assert 0.01 < rates["he"] < 10 and rates["bad"] < 0.1 * rates["he"]


def test_what_does_not_fit_is_listed(compared):
    assert list(compared.unfit) == ["odd"]
    assert "ValueError" in compared.unfit["odd"] and "odd" in compared.unfit["odd"]
    notes = {row.name: row.note for row in compared.rows}
    assert "is made for sigmoid only" in notes["yilmaz_poli"]
    assert notes["he"] == notes["rai"] == ""  # Not what NumPy says of TensorFlow.
    text = str(compared)
    assert "odd does not fit: ValueError" in text
    assert "yilmaz_poli: Layer" in text


def test_the_best_is_ready_for_build(compared, digits):
    model = build(compared.best)
    losses = model.fit(*digits, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_it_is_shown_and_kept(compared):
    kept = json.loads(json.dumps(compared.to_dict()))
    assert kept["rows"][0]["name"] == compared.rows[0].name
    assert compared._repr_html_().count("<tr>") == 5
    axes = compared.plot().axes[0]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [row.name for row in compared.rows]
    rich = pytest.importorskip("rich.console")
    console = rich.Console(record=True, width=120, file=io.StringIO())
    console.print(compared)
    assert "initializer" in console.export_text()


def test_members_are_what_build_and_initialize_give(digits):
    # After one step of a rate of zero, the losses are those of the first weights.
    def still(initializer):
        model = build(initializer, compiled=False)
        model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return model

    names = ["gsm", "orthogonal"]
    found = compare(still, *digits, names, 1, steps=1, stable_rate=False)
    held_out = np.random.default_rng(0).permutation(600)[:120]
    for row in found.rows:
        keras.utils.set_random_seed(0)
        model = still(row.name)
        if row.name == "gsm":
            initialize(model, "gsm")
        loss = model.evaluate(*(part[held_out] for part in digits), verbose=0)
        assert row.val_loss == pytest.approx((loss,), rel=1e-4)
        assert row.val_accuracy == () and np.isnan(row.stable_learning_rate)


def test_initializers_that_are_objects(digits):
    given = {
        "name": "he_normal",
        "object": keras.initializers.HeNormal(),
        "seeded": keras.initializers.HeNormal(seed=7),
    }

    def still(initializer):
        model = build(initializer, compiled=False)
        model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
        return model

    found = compare(still, *digits, given, 4, steps=1, stable_rate=False)
    losses = {row.name: np.array(row.val_loss) for row in found.rows}
    assert [len(set(losses[name])) for name in given] == [4, 4, 1]
    # Of one law: the means differ by less than their spread.
    spread = np.hypot(losses["name"].std(ddof=1), losses["object"].std(ddof=1))
    assert abs(losses["name"].mean() - losses["object"].mean()) < 2 * spread
    notes = {row.name: row.note for row in found.rows}
    assert notes["object"] == notes["name"] == ""
    assert "seeded with 7: the same draw for every seed" in notes["seeded"]
    held_out = np.random.default_rng(0).permutation(600)[:120]
    for seed, loss in enumerate(losses["object"]):
        keras.utils.set_random_seed(seed)
        model = still(keras.initializers.HeNormal())
        own = model.evaluate(*(part[held_out] for part in digits), verbose=0)
        assert loss == pytest.approx(own, rel=1e-4)


def test_a_loss_that_is_not_a_number_comes_last(digits):
    def wild(initializer):
        model = build(initializer)
        model.compile(keras.optimizers.SGD(0.01), "mse")
        return model

    x, y = digits
    huge = keras.initializers.Constant(1e30)
    found = compare(
        wild, x, np.eye(10)[y], {"huge": huge, "he": "he_normal"}, 1, steps=3
    )
    assert [row.name for row in found.rows] == ["he", "huge"]
    assert found.to_dict()["rows"][1]["val_loss"] == (None,)


def test_all_are_those_of_this_package_and_of_keras(digits):
    def few(initializer):
        if initializer not in ("glorot_uniform", "he_normal"):
            raise RuntimeError("not today")
        return build(initializer)

    found = compare(few, *digits, seeds=1, steps=2, stable_rate=False)
    assert {row.name for row in found.rows} == {"glorot_uniform", "he_normal"}
    assert set(found.unfit) >= {*available(), "orthogonal", "lecun_normal"}
    assert found.unfit["lee_qr"] == "RuntimeError: not today"


def test_a_build_that_ignores_its_argument(digits):
    with pytest.raises(ValueError, match="must use its argument.*same weights for all"):
        compare(lambda initializer: build("he_normal"), *digits, ["zeros", "lee_qr"])


def test_a_network_of_another_shape_is_listed(digits):
    def other(initializer):
        return build(initializer, 8 if initializer == "he_normal" else 16)

    names = ["he_normal", "he_uniform"]
    found = compare(other, *digits, names, 1, steps=2, stable_rate=False)
    assert "weights of other shapes" in found.unfit["he_normal"]
    assert found.best == "he_uniform"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initializers": ["he_normol"]}, "Unknown initializer. Did you mean"),
        ({"initializers": []}, "There must be an initializer"),
        ({"steps": 0}, "`steps` must be"),
        ({"validation_split": 1.0}, "`validation_split` must be"),
        ({"y": np.zeros(3)}, "of one number of samples"),
    ],
)
def test_bad_arguments(digits, arguments, message):
    given = {"x": digits[0], "y": digits[1]} | arguments
    with pytest.raises(ValueError, match=message):
        compare(build, **given)


def test_a_build_without_compile_or_a_string(digits):
    with pytest.raises(ValueError, match="must return a compiled Keras model"):
        compare(lambda initializer: build(initializer, compiled=False), *digits)
    with pytest.raises(TypeError, match="`initializers` must be 'all'"):
        compare(build, *digits, "he_normal")
