"""A population trains its members as each of them would train alone."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from keras_inits import Population
from keras_inits.inspection import keras_private

MEMBERS = [
    {"initializer": "he_normal", "seed": 0},
    {"initializer": "he_normal", "seed": 1},
    {"initializer": "glorot_uniform", "seed": 0},
]
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, 40)
LOSS = "sparse_categorical_crossentropy"
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.01),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
}
JAX = importlib.util.find_spec("jax") is not None


@pytest.fixture(scope="module", autouse=True)
def tests_on_jax(request, tmp_path_factory):
    """Runs some tests on JAX in a process of its own, beside those on TensorFlow."""
    if not JAX or all(item.name != "test_jax" for item in request.session.items):
        yield
        return
    some = "20_steps and (dense-adam or lstm-adam) or own_order or masks_in_training"
    files = [
        __file__,
        *(Path(__file__).with_name(f"test_{of}.py") for of in ("batches", "steps")),
    ]
    output = tmp_path_factory.mktemp("jax") / "output.txt"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", some]
            + files,
            cwd=Path(__file__).parents[2],
            env=os.environ | {"KERAS_BACKEND": "jax"},
            stdout=file,
            stderr=file,
        )
        yield process, output
        process.kill()
        process.wait()


def draw(*shape):
    return RANDOM.normal(size=(40, *shape)).astype("float32")


def sequential(shape, *hidden):
    return keras.Sequential([keras.Input(shape), *hidden, layers.Dense(3, "softmax")])


def dense(initializer):
    return sequential(
        (6,),
        layers.Dense(5, "relu", kernel_initializer=initializer),
        layers.Dense(4, "tanh", kernel_initializer=initializer),
    )


def convolution(initializer):
    # A bias ahead of BatchNormalization would have a gradient of rounding errors alone,
    # which Adam turns into whole steps.
    return sequential(
        (6, 6, 2),
        layers.Conv2D(4, 3, use_bias=False, kernel_initializer=initializer),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Flatten(),
    )


def dropout(initializer, rate=0.0):
    hidden = layers.Dense(5, "relu", kernel_initializer=initializer)
    return sequential((6,), hidden, layers.Dropout(rate))


def dropout_half(initializer):
    return dropout(initializer, 0.5)


def lstm(initializer, unroll=False):
    layer = layers.LSTM(4, kernel_initializer=initializer, unroll=unroll)
    return sequential((4, 2), layer)


def unrolled_lstm(initializer):
    return lstm(initializer, unroll=True)


def several(initializer):
    one, other = keras.Input((6,), name="one"), keras.Input((2,), name="other")
    hidden = layers.Dense(5, "relu", kernel_initializer=initializer)(one)
    joint = layers.Concatenate()([hidden, other])
    classes = layers.Dense(3, "softmax", name="classes")(joint)
    value = layers.Dense(1, name="value")(joint)
    return keras.Model({"one": one, "other": other}, [classes, value])


DATA = {
    dense: draw(6),
    convolution: draw(6, 6, 2),
    dropout: draw(6),
    dropout_half: draw(6),
    lstm: draw(4, 2),
}


@pytest.mark.parametrize(
    ("build", "optimizer", "threads"),
    [
        (dense, "adam", "2"),
        (dense, "momentum", "1"),
        (convolution, "momentum", "1"),
        (dropout_half, "momentum", "2"),
        (lstm, "adam", "2"),
    ],
)
def test_weights_after_20_steps(
    build, optimizer, threads, monkeypatch, assert_as_apart
):
    def compiled():
        return {"optimizer": OPTIMIZERS[optimizer](), "loss": LOSS}

    # With one thread an operation, a population is evaluated in parts side by side.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", threads)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")
    population = Population(build, MEMBERS)
    if keras.backend.backend() == "tensorflow":
        assert len(population._state.forward.parts) == (2 if threads == "1" else 1)
    assert_as_apart(population, compiled, DATA[build], LABELS, batch_size=8, epochs=4)


def test_several_inputs_and_outputs(assert_as_apart):
    def compiled():
        return {
            "optimizer": OPTIMIZERS["adam"](),
            "loss": {"value": "mse", "classes": LOSS},
            "loss_weights": {"value": 0.5, "classes": 1.0},
            "metrics": {"value": "mae", "classes": "accuracy"},
        }

    x, y = {"one": draw(6), "other": draw(2)}, {"classes": LABELS, "value": draw(1)}
    population = Population(several, MEMBERS)
    assert_as_apart(population, compiled, x, y, batch_size=8, epochs=4)
    assert {"classes_accuracy", "value_mae"} < population.member_logs.keys()
    classes, value = population.predict(x, verbose=0)
    assert classes.shape == (40, 3, 3) and value.shape == (40, 3, 1)


@pytest.mark.skipif(not JAX, reason="JAX is not installed.")
def test_jax(tests_on_jax):
    process, output = tests_on_jax
    assert process.wait(timeout=600) == 0, output.read_text()
    assert "4 passed" in output.read_text()


def test_every_member_drops_units_of_its_own():
    build = dropout_half
    population = Population(
        build, [{"initializer": "ones", "seed": s} for s in (0, 1, 0)]
    )
    one, other, again = np.moveaxis(population(DATA[build], training=True), 1, 0)
    # Members of one seed differ by rounding, where their place among others decides it.
    assert not np.allclose(one, other) and np.allclose(one, again, 1e-5)
    calm = np.moveaxis(population(DATA[build], training=False), 1, 0)
    assert np.allclose(calm[0], calm[2], 1e-5) and not np.allclose(calm[0], one)


@pytest.mark.parametrize("build", [dense, dropout])
def test_a_member_that_diverges_leaves_the_others_alone(build):
    population = Population(build, MEMBERS)
    population.compile(keras.optimizers.SGD(0.1, global_clipnorm=0.1), LOSS)
    start, ends, losses = population.get_weights(), [], []
    for scale in (1, np.nan):  # all of its weights, since ReLU may take NaN for 0
        weights = [matrix.copy() for matrix in start]
        for matrix in weights:
            if matrix.dtype == "float32":
                matrix[1] *= scale
        population.set_weights(weights)
        history = population.fit(DATA[build], LABELS, 8, shuffle=False, verbose=0)
        ends.append(population.get_weights())
        losses.append(population.member_logs["loss"][0])
    assert np.isnan(history.history["loss"]).all()
    assert np.isnan(losses[1]).tolist() == [False, True, False]
    assert np.isnan(ends[1][0][1]).any()
    for fine, beside, begin in zip(*ends, start, strict=True):
        assert np.array_equal(fine[[0, 2]], beside[[0, 2]])
        assert np.all(np.abs(fine - begin).max(axis=1) > 1e-3)


def test_member_is_an_ordinary_model(tmp_path):
    population = Population(dense, MEMBERS)
    population.compile("adam", LOSS)
    population.fit(DATA[dense], LABELS, verbose=0)
    outputs = population.predict(DATA[dense], verbose=0)
    assert outputs.shape == (40, 3, 3)
    member = population.member(2)
    assert type(member) is keras.Sequential
    member.save(tmp_path / "member.keras")
    loaded = keras.models.load_model(tmp_path / "member.keras")
    for model in (member, loaded):
        alone = model.predict(DATA[dense], verbose=0)
        np.testing.assert_allclose(alone, outputs[:, 2], atol=1e-6)


def test_what_a_population_tells_of_itself():
    population = Population(dense, MEMBERS, name="crowd")
    assert population.name == "crowd"
    assert population.seeds == [0, 1]
    assert population.members == MEMBERS
    population.members[0]["seed"] = 7
    assert population.members == MEMBERS
    assert population.member_logs == {}
    assert population.count_params() == 3 * population.member(0).count_params()


def test_compiled_build():
    def build(initializer, rate=0.1):
        model = dense(initializer)
        model.compile(keras.optimizers.SGD(rate), LOSS, metrics=["accuracy"])
        return model

    population = Population(build, MEMBERS)
    assert type(population.optimizer) is keras.optimizers.SGD
    assert float(population.optimizer.learning_rate) == np.float32(0.1)
    population.fit(DATA[dense], LABELS, epochs=2, verbose=0)
    assert population.member_logs["accuracy"].shape == (2, 3)
    with pytest.raises(ValueError, match=r"compiled alike.* member 1 .*'rate': 0\.2"):
        Population(build, [MEMBERS[0], MEMBERS[1] | {"rate": 0.2}])


MIXING = {
    "Adafactor": "norms over each variable",
    "Lamb": "norms over each variable",
    "Muon": "as one matrix",
    "LossScaleOptimizer": "where one gradient overflows",
}


@pytest.mark.parametrize("name", MIXING)
def test_optimizer_that_mixes_members(name):
    inner = [keras.optimizers.Adam()] if name == "LossScaleOptimizer" else []
    optimizer = getattr(keras.optimizers, name)(*inner)
    with pytest.raises(ValueError, match=f"{name} .*{MIXING[name]}.*Accepted: SGD"):
        Population(dense, MEMBERS).compile(optimizer, LOSS)


def test_optimizer_that_may_mix_members():
    class Mine(keras.optimizers.SGD):
        pass

    population = Population(dense, MEMBERS)
    with pytest.warns(UserWarning, match="Mine is taken to treat entries one by one"):
        population.compile(Mine(), LOSS)


def test_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        population = Population(dense, MEMBERS)
        # One scale for the losses of all would join their fates.
        with pytest.raises(ValueError, match=r"mixed_float16.*auto_scale_loss=True"):
            population.compile("adam", LOSS)
        population.compile("adam", LOSS, auto_scale_loss=False)
        outputs = population(DATA[dense])
        assert outputs.dtype == "float16"
        for index in range(3):
            alone = population.member(index)(DATA[dense])
            np.testing.assert_allclose(outputs[:, index], alone, atol=2e-3)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="JAX compiles loops."
)
@pytest.mark.parametrize(
    ("build", "name"), [(lstm, "LSTM"), (convolution, "Conv2D")], ids=["lstm", "conv"]
)
def test_loops_that_are_to_be_compiled(build, name):
    population = Population(build, MEMBERS)
    reason = f"a {name}|Before TensorFlow 2.21"
    with pytest.raises(ValueError, match=f"({reason}).*must be False"):
        population.compile("sgd", LOSS, jit_compile=True)
    population.compile("sgd", LOSS)  # `"auto"` compiles them where there is a GPU.
    assert not population.jit_compile
    if keras_private.has_exact_xla():
        Population(unrolled_lstm, MEMBERS).compile("sgd", LOSS, jit_compile=True)


def test_no_loss():
    population = Population(dense, MEMBERS)
    population.compile("adam")
    with pytest.raises(ValueError, match="Provide a `loss`"):
        population.fit(DATA[dense], LABELS, verbose=0)
