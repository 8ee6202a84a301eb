"""Logs are those of separate fits, whatever the data and the metrics."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from keras_inits import Population

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.integers(0, 2, 40)
MEMBERS = [
    {"initializer": "he_normal", "seed": 0},
    {"initializer": "he_normal", "seed": 1},
    {"initializer": "glorot_uniform", "seed": 0},
]


def dense(initializer):
    hidden = layers.Dense(5, "tanh", kernel_initializer=initializer)
    return keras.Sequential([keras.Input((6,)), hidden, layers.Dense(1, "sigmoid")])


def certainty(y, outputs):
    """A number for a whole batch, as a user may write it."""
    return ops.max(outputs) - ops.min(outputs)


def adam(**more):
    optimizer = keras.optimizers.Adam(0.02)
    return {"optimizer": optimizer, "loss": "binary_crossentropy", **more}


def test_weights_of_samples_and_validation(assert_as_apart):
    def compiled():
        auc = keras.metrics.AUC(20, name="auc")
        return adam(metrics=["accuracy", auc], weighted_metrics=["mae"])

    population = Population(dense, MEMBERS)
    weights = RANDOM.uniform(0.1, 2, 40)
    # Of the 30 samples to train on, 16 make the first batch and 14 the second.
    batches = {"batch_size": 16, "epochs": 2, "validation_split": 0.25}
    assert_as_apart(population, compiled, X, Y, sample_weight=weights, **batches)
    names = {"loss", "accuracy", "auc", "mae"}
    assert population.member_logs.keys() == names | {f"val_{name}" for name in names}
    last = {name: population.member_logs[f"val_{name}"][-1].mean() for name in names}
    held_out = {"x": X[30:], "y": Y[30:], "sample_weight": weights[30:]}
    # Older Keras returns tensors.
    logs = population.evaluate(**held_out, return_dict=True, verbose=0)
    evaluated = {name: float(value) for name, value in logs.items()}
    assert evaluated == pytest.approx(last, rel=1e-5)
    values = [float(value) for value in population.evaluate(**held_out, verbose=0)]
    assert sorted(values) == sorted(evaluated.values())
    assert values[0] == evaluated["loss"]


def test_weights_of_classes_endless_data_and_metrics_of_a_user(assert_as_apart):
    def compiled():
        return adam(metrics=["accuracy", certainty])

    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8).repeat()
    arguments = {"steps_per_epoch": 7, "epochs": 3, "class_weight": {0: 0.2, 1: 3.0}}
    population = Population(dense, MEMBERS)
    assert_as_apart(population, compiled, dataset, **arguments)


def test_metric_along_the_batch():
    def compiled():
        along = keras.metrics.CosineSimilarity(axis=0)
        return adam(metrics=[along], run_eagerly=True)

    population = Population(dense, MEMBERS)
    population.compile(**compiled())
    population.evaluate(X, Y, batch_size=40, verbose=0)
    scores = population.member_metrics.result()
    for index in range(3):
        member = population.member(index)
        member.compile(**compiled())
        alone = member.evaluate(X, Y, batch_size=40, return_dict=True, verbose=0)
        own = {name: float(values[index]) for name, values in scores.items()}
        alone = {name: float(value) for name, value in alone.items()}
        assert own == pytest.approx(alone, rel=1e-5)


def test_metrics_that_are_means(assert_as_apart):
    def compiled():
        return adam(metrics=["accuracy", "mae"])

    population = Population(dense, MEMBERS)
    assert_as_apart(population, compiled, X, Y, batch_size=16, epochs=2)


def test_logs_of_a_population_compiled_again():
    population = Population(dense, MEMBERS)
    for metrics in (["accuracy"], ["mae", "mse"]):
        population.compile("sgd", "binary_crossentropy", metrics=metrics)
        logs = population.evaluate(X, Y, return_dict=True, verbose=0)
        assert logs.keys() == {"loss", *metrics}
