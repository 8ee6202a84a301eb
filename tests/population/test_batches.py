"""Every seed has an order of its own, which its members share."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops, tree

from keras_inits import Population, SeedBatches
from keras_inits.inspection.batches import take
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


def several(initializer):
    """Two inputs by name, and a list of two outputs."""
    sizes = {"left": 6, "right": 2}
    inputs = {name: keras.Input((size,), name=name) for name, size in sizes.items()}
    joined = layers.Concatenate()([*inputs.values()])
    hidden = layers.Dense(5, "tanh", kernel_initializer=initializer)(joined)
    heads = layers.Dense(3, "softmax", name="kind"), layers.Dense(1, name="size")
    return keras.Model(inputs, [head(hidden) for head in heads])


def by_name(initializer):
    model = several(initializer)
    outputs = dict(zip(model.output_names, model.outputs, strict=True))
    return keras.Model(model.input, outputs)


CROSSENTROPY = "sparse_categorical_crossentropy"


def compiled(**more):
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    return {"optimizer": optimizer, "loss": CROSSENTROPY, **more}


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


# In each array the values of a sample are its index.
leaves = st.builds(
    lambda shape, dtype: np.broadcast_to(
        np.arange(13, dtype=dtype).reshape(13, *np.ones_like(shape)), (13, *shape)
    ),
    st.lists(st.integers(1, 3), max_size=2),
    st.sampled_from(["uint8", "int64", "float32"]),
)
structures = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.tuples(inner, inner)
        | st.fixed_dictionaries({"one": inner, "other": inner})
    ),
    max_leaves=4,
)


@settings(max_examples=30)
@given(structures, structures, st.booleans(), st.booleans())
def test_every_array_of_a_structure_is_batched_alike(x, y, weighted, drop_remainder):
    samples = [[2, 4, 6, 8, 0, 10, 12], [1, 1, 3, 5, 7, 9, 11]]
    weights = {"sample_weight": np.arange(13.0)} if weighted else {}
    batches = SeedBatches(
        x, y, [8, 1], samples, 3, drop_remainder=drop_remainder, **weights
    )
    batches.start_epoch(2)
    orders = [
        np.random.default_rng((seed, 2)).permutation(indices)
        for seed, indices in zip([8, 1], samples, strict=True)
    ]
    for step in range(len(batches)):
        batch = batches[step]
        assert len(batch) == 2 + weighted
        tree.assert_same_structure(batch[0], {"per_seed": x})
        for own, given_data in ((batch[0]["per_seed"], x), (batch[1], y)):
            tree.assert_same_structure(own, given_data)
            for array, whole in zip(*map(tree.flatten, (own, given_data)), strict=True):
                assert array.dtype == whole.dtype
                assert array.shape == (len(array), 2, *whole.shape[1:])
        for array in tree.flatten(batch):
            for place, samples_of_seed in enumerate(orders):
                expected = samples_of_seed[3 * step : 3 * step + 3]
                seen = array[:, place].reshape(len(array), -1)
                assert (seen == expected[:, None]).all()
    if keras.backend.backend() == "tensorflow":
        made = list(batches.to_tensorflow().as_numpy_iterator())
        assert len(made) == len(batches) == 3 - drop_remainder
        for step, batch in enumerate(made):
            expected = tree.lists_to_tuples(batches[step])
            tree.map_structure(np.testing.assert_array_equal, batch, expected)


def test_numbers_are_read_as_plain_fit_reads_them():
    x = {"floats": X.astype("float64"), "bytes": np.ones((40, 2), "uint8")}
    batch = SeedBatches(x, Y, [1], sample_weight=np.ones(40))[0]
    dtypes = tree.map_structure(lambda array: str(array.dtype), batch)
    inputs = {"floats": "float32", "bytes": "uint8"}
    assert dtypes == ({"per_seed": inputs}, "int64", "float32")


def test_no_targets():
    batches = SeedBatches(X, None, [8, 1], batch_size=40)
    assert batches[0].keys() == {"per_seed"}
    (made,) = batches.to_tensorflow().as_numpy_iterator()
    assert np.array_equal(made["per_seed"], batches[0]["per_seed"])


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


KINDS = np.eye(3)[Y]
WEIGHTS = RANDOM.random(40)
PAIR = {"left": X, "right": RANDOM.normal(size=(40, 2))}
SIZES = RANDOM.normal(size=(40, 1))
MIXED = {"loss": [CROSSENTROPY, "mse"], "weighted_metrics": [["accuracy"], ["mae"]]}
NAMED = {
    "loss": {"kind": CROSSENTROPY, "size": "mse"},
    "weighted_metrics": {"kind": ["accuracy"], "size": ["mae"]},
}


@pytest.mark.parametrize(
    ("build", "arguments", "x", "y", "weights"),
    [
        (dense, {}, X, Y, {"sample_weight": WEIGHTS}),
        (dense, {}, X, Y[:, None], {"sample_weight": WEIGHTS[:, None]}),
        # A class that is not named has weight 1.
        (dense, {}, X, Y, {"class_weight": {0: 0.2, 1: 3.0}}),
        (dense, {}, X, Y[:, None], {"class_weight": {0: 0.2, 2: 3.0}}),
        (
            dense,
            {"loss": "categorical_crossentropy"},
            X,
            KINDS,
            {"class_weight": {0: 0.2, 1: 3.0}},
        ),
        (several, MIXED, PAIR, [Y, SIZES], {}),
        (several, MIXED, PAIR, [Y, SIZES], {"sample_weight": WEIGHTS}),
        (several, MIXED, PAIR, (Y, SIZES), {"sample_weight": (None, WEIGHTS)}),
        (
            by_name,
            NAMED,
            PAIR,
            {"kind": Y, "size": SIZES},
            {"sample_weight": {"kind": WEIGHTS, "size": 2 * WEIGHTS[::-1]}},
        ),
    ],
)
def test_structures_and_weights_are_those_of_plain_fit(build, arguments, x, y, weights):
    members = MEMBERS[1:2] + MEMBERS[:1]
    arguments = {"weighted_metrics": ["accuracy"]} | arguments
    population = Population(build, members)
    population.compile(**compiled(**arguments))
    population.fit(
        x, y, 7, data_order="seed", validation_split=0.25, verbose=0, **weights
    )

    def at(indices, data):
        return take(data, indices)

    for index, member in enumerate(members):
        seed = member["seed"]
        ((train,), (held_out,)) = split_per_seed(40, [seed], 0.25)
        train = np.random.default_rng((seed, 0)).permutation(train)
        alone = population.member(index)
        keras.utils.set_random_seed(seed)
        alone.set_weights(build(member["initializer"]).get_weights())
        alone.compile(**compiled(**arguments))
        given = weights.get("sample_weight")
        logs = alone.fit(
            *at(train, (x, y)),
            7,
            sample_weight=at(train, given),
            class_weight=weights.get("class_weight"),
            validation_data=at(held_out, (x, y, given)),
            shuffle=False,
            verbose=0,
        ).history
        for own, expected in zip(
            population.member(index).get_weights(), alone.get_weights(), strict=True
        ):
            np.testing.assert_allclose(own, expected, rtol=0, atol=1e-5)
        own = population.member_logs
        assert {"loss", "val_loss"} < own.keys() <= logs.keys()
        for name, values in own.items():
            np.testing.assert_allclose(values[:, index], logs[name], rtol=1e-5)


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
        (
            {"sample_weight": np.ones(40), "class_weight": {0: 2}},
            "`class_weight` and `sample_weight` at the same time",
        ),
        ({"y": [Y, Y], "class_weight": {0: 2}}, "Models with a single output"),
        ({"y": [Y, Y], "sample_weight": [Y]}, "two structures did not match"),
        ({"y": [Y, Y], "sample_weight": np.ones((40, 2))}, "one scalar score per"),
        ({"x": X[:9]}, r"same number of samples.*\(9, 6\), y.shape=\(40,\)"),
        (
            {"x": {"a": X, "b": X[:9]}, "sample_weight": np.ones(8)},
            r"x.shape={'a': \(40, 6\), 'b': \(9, 6\)}, y.shape=\(40,\), "
            r"sample_weight.shape=\(8,\)",
        ),
        ({"x": [[1.0, 2.0]]}, r"must be arrays.*x.shape=\[\[\(\), \(\)\]\]"),
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


def test_weights_of_classes_belong_to_the_batches():
    population = Population(dense, MEMBERS)
    population.compile(**compiled())
    batches = SeedBatches(X, Y, population.seeds)
    with pytest.raises(ValueError, match=r"of `SeedBatches`.*class_weight={0: 2}"):
        population.fit(batches, class_weight={0: 2})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": 1.0}, r"x.shape=\(\)"),
        ({"seeds": []}, "distinct, one at least"),
        ({"seeds": [1, 1]}, "distinct, one at least"),
        ({"samples": [[0, 1]]}, "each of the 2 seeds"),
        ({"samples": [[0, 1], [2]]}, r"lengths \[1, 2\]"),
        ({"samples": [[], []]}, r"lengths \[0\]"),
        ({"samples": [[0, 1], [2, 40]]}, "indices of 40 samples.*from 0 to 40"),
        ({"samples": [[0, 1], [2, -1]]}, "indices of 40 samples.*from -1 to 2"),
        ({"x": X[:0], "y": Y[:0]}, r"one at least.*x.shape=\(0, 6\)"),
        ({"batch_size": 2.5}, "positive integer. Received: 2.5"),
    ],
)
def test_batches_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        SeedBatches(**{"x": X, "y": Y, "seeds": [1, 8], **arguments})
