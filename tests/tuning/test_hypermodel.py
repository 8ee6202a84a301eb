"""The search space of initializers and their arguments."""

import keras
import keras_tuner
import numpy as np
import pytest

from keras_inits import InitializerHyperModel


def build(initializer, depth=1):
    hidden = [
        keras.layers.Dense(4, "relu", kernel_initializer=initializer)
        for _ in range(depth)
    ]
    return keras.Sequential([keras.Input((6,)), *hidden, keras.layers.Dense(3)])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("he_normal", {"initializer"}),
        ("zer_o", {"initializer"}),
        ("rectangular_identity", {"initializer"}),
        ("lee_qr", {"initializer", "epsilon", "signs"}),
    ],
)
def test_arguments_are_hyperparameters_only_where_they_are_taken(name, expected):
    hp = keras_tuner.HyperParameters()
    names = ["he_normal", "zer_o", "rectangular_identity", "lee_qr"]
    made = InitializerHyperModel(build, names, signs=["householder", "gram_schmidt"])
    hp.Fixed("initializer", name)
    made.build(hp)
    active = {part.name for part in hp.space if hp.is_active(part)}
    assert active == set(hp.values) == expected


def test_the_values_reach_the_initializer():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("epsilon", 0.5)
    hp.Fixed("signs", "gram_schmidt")
    made = InitializerHyperModel(build, ["lee_qr"], signs=["householder"])
    given = made.build(hp).layers[0].kernel_initializer
    assert (given.epsilon, given.signs) == (0.5, "gram_schmidt")


def test_epsilon_is_sampled_on_a_log_scale_between_its_ends():
    hp = keras_tuner.HyperParameters()
    InitializerHyperModel(build, ["lee_qr"], (1e-3, 10)).build(hp)
    (epsilon,) = (part for part in hp.space if part.name == "epsilon")
    assert (epsilon.min_value, epsilon.max_value) == (1e-3, 10)
    assert epsilon.sampling == "log"


def test_a_random_initializer_draws_another_kernel_for_each_layer():
    model = InitializerHyperModel(lambda i: build(i, depth=3), ["he_normal"]).build(
        keras_tuner.HyperParameters()
    )
    second, third = (layer.get_weights()[0] for layer in model.layers[1:3])
    assert not np.array_equal(second, third)


def test_build_may_take_hyperparameters_of_its_own():
    def own(initializer, hp):
        return build(initializer, hp.Int("depth", 3, 4))

    hp = keras_tuner.HyperParameters()
    model = InitializerHyperModel(own, ["lee_qr"]).build(hp)
    assert len(model.layers) == 4
    assert set(hp.values) == {"initializer", "epsilon", "depth"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initializers": ["lee_rq"]}, "Did you mean 'lee_qr'.*identifier=lee_rq"),
        ({"initializers": []}, r"`initializers` must be.*initializers=\[\]"),
        ({"initializers": "lee_qr"}, "`initializers` must be.*initializers='lee_qr'"),
        ({"epsilon": (1.0, 1e-4)}, "`epsilon` must be"),
        ({"epsilon": (0.0, 1.0)}, "`epsilon` must be"),
        ({"epsilon": (0.1, float("inf"))}, "`epsilon` must be"),
        ({"epsilon": [0.1, float("nan")]}, "`epsilon` must be"),
        ({"epsilon": [0.1, -1]}, r"`epsilon` must be.*epsilon=\[0.1, -1\]"),
        ({"epsilon": []}, "`epsilon` must be"),
        ({"epsilon": 0.1}, "`epsilon` must be.*epsilon=0.1"),
        ({"epsilon": "0.1"}, "`epsilon` must be"),
        ({"epsilon": ["a"]}, "`epsilon` must be"),
        ({"epsilon": None}, "`epsilon` must be"),
        ({"signs": ["houseolder"]}, "`signs` must be.*signs=houseolder"),
    ],
)
def test_bad_spaces_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        InitializerHyperModel(build, **{"initializers": ["lee_qr"], **arguments})
