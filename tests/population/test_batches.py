"""Every seed has an order of its own, which its members share."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_inits import Population, SeedBatches
from keras_inits.population.batches import split_per_seed

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.integers(0, 3, 40)
MEMBERS = [
    {"initializer": "he_normal", "seed": 8},
    {"initializer": "he_normal", "seed": 1},
    {"initializer": "glorot_uniform", "seed": 1},
]


def dense(initializer="he_normal", *more):
    hidden = layers.Dense(5, "relu", kernel_initializer=initializer)
    out = layers.Dense(3, "softmax")
    return keras.Sequential([keras.Input((6,)), hidden, *more, out])


def normalized(initializer):
    return dense(initializer, layers.LayerNormalization())


def compiled(**more):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    return {"optimizer": optimizer, "loss": "sparse_categorical_crossentropy", **more}


def certainty(y, outputs):
    return ops.max(outputs)


def order(seed, epoch):
    """Returns the samples of an epoch in the order in which a seed sees them."""
    batches = SeedBatches(np.arange(40), np.arange(40), [seed], batch_size=7)
    batches.start_epoch(epoch)
    assert len(batches) == 6
    return np.concatenate([batches[step][1][:, 0] for step in range(6)])


def test_order_depends_on_seed_and_epoch_alone():
    orders = [order(seed, epoch) for seed in (1, 8) for epoch in (0, 1)]
    assert len({tuple(samples) for samples in orders}) == 4
    assert all(sorted(samples) == list(range(40)) for samples in orders)
    batches = SeedBatches(X, np.arange(40), [8, 3, 1], batch_size=40)
    for epoch in (5, 1, 0, 1):
        batches.start_epoch(epoch)
        inputs, targets = batches[0]
        for place, seed in enumerate([8, 3, 1]):
            assert np.array_equal(targets[:, place], order(seed, epoch))
        assert np.array_equal(inputs["per_seed"], X[targets])


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="It is for TensorFlow."
)
@pytest.mark.parametrize("drop_remainder", [False, True])
def test_tensorflow_gathers_the_same_batches(drop_remainder):
    batches = SeedBatches(
        X, Y, [8, 1], np.arange(26).reshape(2, 13), 5, drop_remainder=drop_remainder
    )
    dataset = batches.to_tensorflow()
    for epoch in (0, 3):
        batches.start_epoch(epoch)
        made = list(dataset.as_numpy_iterator())
        assert len(made) == len(batches) == int(dataset.cardinality())
        for step, (inputs, targets) in enumerate(made):
            assert np.array_equal(inputs["per_seed"], batches[step][0]["per_seed"])
            assert np.array_equal(targets, batches[step][1])


def test_no_shuffling():
    batches = SeedBatches(X, Y, [1, 8], batch_size=16, shuffle=False)
    batches.start_epoch(1)
    inputs, targets = batches[2]
    assert np.array_equal(inputs["per_seed"], np.stack([X[32:], X[32:]], axis=1))
    assert np.array_equal(targets, np.stack([Y[32:], Y[32:]], axis=1))


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(16, [16, 16]), (40, [40]), (20, [20, 20]), (41, [40])],
)
def test_the_last_smaller_batch_may_be_dropped(batch_size, sizes):
    batches = SeedBatches(
        X, np.arange(40), [1, 8], batch_size=batch_size, drop_remainder=True
    )
    assert [len(batches[step][1]) for step in range(len(batches))] == sizes
    seen = []
    for epoch in range(2):
        batches.start_epoch(epoch)
        seen.append(np.concatenate([batches[s][1] for s in range(len(batches))]))
        # It is the beginning of the same order.
        for place, seed in enumerate([1, 8]):
            samples = order(seed, epoch)[: len(seen[-1])]
            assert np.array_equal(seen[-1][:, place], samples)
    assert set(seen[0][:, 0]) != set(seen[1][:, 0]) or sum(sizes) == 40


def test_own_order(monkeypatch, apart, assert_trained_as):
    # In two parts, of which the second begins with another seed than the first.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "2")

    def in_order(seed, epochs=3):
        samples = np.concatenate([order(seed, epoch) for epoch in range(epochs)])
        return X[samples], Y[samples]

    population = Population(dense, MEMBERS)
    population.compile(**compiled())
    population.fit(X, Y, 8, 1, data_order="seed", verbose=0)
    population.fit(X, Y, 8, 3, data_order="seed", initial_epoch=1, verbose=0)
    assert population.member_logs["loss"].shape == (2, 3)
    assert_trained_as(population, apart(population, compiled, in_order, batch_size=8))


def test_hold_out():
    train, held_out = split_per_seed(40, [1, 8], 0.15)
    assert train.shape == (2, 34) and held_out.shape == (2, 6)
    for samples in np.concatenate([train, held_out], axis=1):
        assert sorted(samples) == list(range(40))
    assert set(held_out[0]) != set(held_out[1])
    assert np.array_equal(split_per_seed(40, [8], 0.15)[1][0], held_out[1])
    # Neither part is merely the beginning or the end of the first epoch's order.
    assert set(held_out[1]) not in (set(order(8, 0)[:6]), set(order(8, 0)[-6:]))


@pytest.mark.parametrize(
    ("build", "metrics"),
    [(dense, ["accuracy", certainty]), (normalized, ["accuracy"])],
)
def test_every_seed_is_validated_on_its_hold_out(build, metrics):
    population = Population(build, MEMBERS)
    population.compile(**compiled(metrics=metrics))
    arguments = {"data_order": "seed", "validation_split": 0.25, "verbose": 0}
    population.fit(X, Y, 8, **arguments, validation_batch_size=10)
    _, held_out = split_per_seed(40, population.seeds, 0.25)
    for index, place in enumerate([0, 1, 1]):
        x, y = X[held_out[place]], Y[held_out[place]]
        outputs = ops.convert_to_numpy(population.member(index)(x))
        expected = {
            "val_loss": -np.log(outputs[np.arange(10), y]).mean(),
            "val_accuracy": (outputs.argmax(axis=1) == y).mean(),
            "val_certainty": outputs.max(),
        }
        for name in ("loss", *metrics):
            name = f"val_{getattr(name, '__name__', name)}"
            own = population.member_logs[name][0, index]
            assert own == pytest.approx(expected[name], rel=1e-5)
    # Nothing else sees what every seed holds out.
    spoilt = X.copy()
    spoilt[np.intersect1d(*held_out)] += 9
    other = Population(build, MEMBERS)
    other.compile(**compiled(metrics=metrics))
    other.fit(spoilt, Y, 8, **arguments, validation_batch_size=10)
    own, others = population.member_logs, other.member_logs
    assert others["loss"] == pytest.approx(own["loss"], rel=1e-5)
    assert np.all(np.abs(others["val_loss"] - own["val_loss"]) > 1e-3)


def test_validation_data_are_shared_and_go_before_a_split():
    population = Population(dense, MEMBERS)
    population.compile(**compiled(run_eagerly=True))
    population.fit(
        X,
        Y,
        data_order="seed",
        validation_data=(X[:8], Y[:8]),
        validation_split=0.5,
        verbose=0,
    )
    evaluated = population.evaluate(X[:8], Y[:8], verbose=0)
    np.testing.assert_allclose(
        population.member_logs["val_loss"].mean(), evaluated, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_order": "random"}, "'shared' or 'seed'.*data_order=random"),
        ({"validation_split": 0.99}, "samples on both sides.*0.99 of 40"),
        ({"validation_split": 0.01}, "samples on both sides"),
        ({"sample_weight": np.ones(40)}, "does not take weights"),
        ({"class_weight": {0: 1, 1: 1, 2: 2}}, "does not take weights"),
        ({"x": X[:9]}, r"same number of samples.*\(9, 6\), y.shape=\(40,\)"),
        ({"batch_size": -1}, "positive integer. Received: -1"),
        ({"steps_per_epoch": 2}, "steps_per_epoch"),
    ],
)
def test_fit_refuses(arguments, message):
    population = Population(dense, MEMBERS)
    population.compile(**compiled())
    with pytest.raises(ValueError, match=message):
        population.fit(**{"x": X, "y": Y, "data_order": "seed", **arguments})


def test_members_need_seeds():
    population = Population(dense, [{"seed": 1}, {}])
    population.compile(**compiled())
    with pytest.raises(ValueError, match="need a seed in every member"):
        population.fit(X, Y, data_order="seed")


@pytest.mark.parametrize("seeds", [[1, 8], [8], [8, 1, 2]])
def test_batches_of_other_seeds(seeds):
    population = Population(dense, MEMBERS)
    population.compile(**compiled())
    batches = SeedBatches(X, Y, seeds)
    for arguments in ({"x": batches}, {"x": X, "y": Y, "validation_data": batches}):
        with pytest.raises(ValueError, match=r"seeds of the population, \[8, 1\]"):
            population.fit(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": 1.0}, r"x.shape=\(\)"),
        ({"seeds": []}, "distinct, one at least"),
        ({"seeds": [1, 1]}, "distinct, one at least"),
        ({"samples": [[0, 1]]}, "each of the 2 seeds"),
        ({"samples": [[0, 1], [2]]}, r"lengths \[1, 2\]"),
        ({"samples": [[], []]}, r"lengths \[0\]"),
        ({"batch_size": 2.5}, "positive integer. Received: 2.5"),
    ],
)
def test_batches_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        SeedBatches(**{"x": X, "y": Y, "seeds": [1, 8], **arguments})
