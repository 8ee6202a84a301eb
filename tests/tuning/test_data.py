"""All that `fit` takes, the tuner takes, and its trials are plain populations on it."""

import keras
import numpy as np
import pytest
from keras import ops
from keras_tuner import oracles

from keras_inits import InitializerHyperModel, Population, PopulationTuner, SeedBatches

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).astype("float32")
Y = RANDOM.integers(0, 3, 60)
SIZES = X[:, :1] * 2
MEMBERS = [{"initializer": "he_normal", "seed": seed} for seed in (0, 1)]
CROSSENTROPY = "sparse_categorical_crossentropy"


def one_output(initializer):
    layer = keras.layers.Dense(3, "softmax", kernel_initializer=initializer)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", CROSSENTROPY, weighted_metrics=["accuracy"])
    return model


def two_outputs(initializer):
    inputs = {
        "left": keras.Input((4,), name="left"),
        "right": keras.Input((1,), name="right"),
    }
    joined = keras.layers.Concatenate()([*inputs.values()])
    kind = keras.layers.Dense(3, "softmax", kernel_initializer=initializer, name="kind")
    size = keras.layers.Dense(1, kernel_initializer=initializer, name="size")
    model = keras.Model(inputs, {"kind": kind(joined), "size": size(joined)})
    model.compile("sgd", {"kind": CROSSENTROPY, "size": "mse"})
    return model


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return X[20 * index : 20 * index + 20], Y[20 * index : 20 * index + 20]


def generator():
    while True:
        yield from Batches()


PAIR = {"left": X, "right": SIZES}
TARGETS = {"kind": Y, "size": SIZES}


@pytest.mark.parametrize(
    ("build", "data", "data_order"),
    [
        (
            one_output,
            lambda: {
                "x": ops.array(X),
                "y": ops.array(Y),
                "class_weight": {0: 1.0, 1: 2.0, 2: 3.0},
            },
            "seed",
        ),
        (one_output, lambda: {"y": Y, "sample_weight": np.arange(60.0)}, "seed"),
        (two_outputs, lambda: {"x": PAIR, "y": TARGETS}, "seed"),
        (one_output, lambda: {"x": Batches(), "shuffle": False}, "shared"),
        (one_output, lambda: {"x": SeedBatches(X, Y, [0, 1])}, "shared"),
        (
            one_output,
            lambda: {"x": generator(), "steps_per_epoch": 3, "shuffle": False},
            "shared",
        ),
    ],
)
def test_a_trial_is_a_plain_population(build, data, data_order, tmp_path):
    fit = {"epochs": 2, "verbose": 0}
    population = Population(build, MEMBERS)
    population.fit(**{"x": X, **fit, **data(), "data_order": data_order})
    tuner = PopulationTuner(
        oracles.GridSearchOracle("loss"),
        InitializerHyperModel(build, ["he_normal"]),
        seeds=2,
        directory=tmp_path,
    )
    tuner.search(**{"x": X, **fit, **data()})
    (result,) = tuner.results()
    for name, values in population.member_logs.items():
        own = list(result["metrics"][name].values())
        np.testing.assert_allclose(own, values[-1], rtol=1e-5)
    (model,) = tuner.get_best_models()
    best = int(np.argmin(population.member_logs["loss"][-1]))
    for own, expected in zip(
        model.get_weights(), population.member(best).get_weights(), strict=True
    ):
        np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="It is for TensorFlow."
)
def test_a_data_set_of_tensorflow(tmp_path):
    import tensorflow as tf

    batches = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    fit = {"epochs": 2, "verbose": 0, "shuffle": False}
    weights = {"class_weight": {0: 1.0, 1: 2.0, 2: 3.0}}
    population = Population(one_output, MEMBERS)
    population.fit(X, Y, 20, **fit, **weights)
    tuner = PopulationTuner(
        oracles.GridSearchOracle("val_loss"),
        InitializerHyperModel(one_output, ["he_normal"]),
        seeds=2,
        directory=tmp_path,
    )
    tuner.search(batches, validation_data=batches, **fit, **weights)
    (result,) = tuner.results()
    own = list(result["metrics"]["loss"].values())
    np.testing.assert_allclose(own, population.member_logs["loss"][-1], rtol=1e-5)


def test_arguments_of_fit_may_be_given_by_their_place(tmp_path):
    tuner = PopulationTuner(
        oracles.GridSearchOracle("loss"),
        InitializerHyperModel(one_output, ["he_normal"]),
        seeds=2,
        directory=tmp_path,
    )
    tuner.search(X, Y, 60, 3, 0)
    (trial,) = tuner.oracle.trials.values()
    assert trial.metrics.get_history("loss")[0].step == 2
