"""Batches in which every seed has samples and an order of its own."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import tree

from keras_inits import SeedBatches
from keras_inits.population.batches import split_per_seed

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 6)).astype("float32")
Y = RANDOM.integers(0, 3, 40)


def test_order_depends_on_seed_and_epoch_alone(order):
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
def test_the_last_smaller_batch_may_be_dropped(batch_size, sizes, order):
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


def test_hold_out(order):
    train, held_out = split_per_seed(40, [1, 8], 0.15)
    assert train.shape == (2, 34) and held_out.shape == (2, 6)
    for samples in np.concatenate([train, held_out], axis=1):
        assert sorted(samples) == list(range(40))
    assert set(held_out[0]) != set(held_out[1])
    assert np.array_equal(split_per_seed(40, [8], 0.15)[1][0], held_out[1])
    # Neither part is merely the beginning or the end of the first epoch's order.
    assert set(held_out[1]) not in (set(order(8, 0)[:6]), set(order(8, 0)[-6:]))


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
