"""Every seed has an order of its own, which its members share."""

import keras
import numpy as np
import pytest
from keras import layers, ops

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


def test_own_order(monkeypatch, order, apart, assert_trained_as):
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
