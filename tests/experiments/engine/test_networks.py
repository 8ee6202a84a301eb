"""Tests of the papers' architectures."""

import keras
import pytest

from experiments.engine import networks


@pytest.mark.parametrize(
    ("depth", "widths", "expected"),
    [
        (0, (10, 6), ()),
        (1, (10, 6), (10,)),
        (4, (10, 6), (10, 6, 10, 6)),
        (5, (3, 2, 1), (3, 2, 1, 3, 2)),
    ],
)
def test_widths_take_turns(depth, widths, expected):
    assert networks.alternating(depth, widths) == expected


def test_a_negative_depth_is_refused():
    with pytest.raises(ValueError, match="`depth` must not be negative.*depth=-1"):
        networks.alternating(-1)


def test_feedforward_is_what_was_asked_for():
    each = ["zer_o", "zer_o", "he_normal"]
    model = networks.feedforward(7, 3, (10, 6), each, "tanh")
    assert [layer.units for layer in model.layers] == [10, 6, 3]
    activations = [layer.activation.__name__ for layer in model.layers]
    assert activations == ["tanh", "tanh", "softmax"]
    names = [type(layer.kernel_initializer).__name__ for layer in model.layers]
    assert names == ["ZerO", "ZerO", "HeNormal"]
    assert all(not layer.bias.numpy().any() for layer in model.layers)
    assert model(keras.ops.ones((2, 7))).shape == (2, 3)


@pytest.mark.parametrize("hidden", [(), (10,), (10, 6)])
def test_one_initializer_is_that_of_every_layer(hidden):
    model = networks.feedforward(7, 3, hidden, "zer_o")
    names = [type(layer.kernel_initializer).__name__ for layer in model.layers]
    assert names == ["ZerO"] * (len(hidden) + 1)


@pytest.mark.parametrize("number", [1, 3])
def test_a_list_has_an_initializer_for_each_layer(number):
    with pytest.raises(ValueError, match="zip"):
        networks.feedforward(7, 3, (10,), ["zer_o"] * number)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "selu", "gelu", "relu"])
def test_activations_of_the_papers_are_known(name):
    networks.check_activation(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rellu", "Did you mean 'relu'.*activation=rellu"),
        ("get", "Unknown activation"),
        ("qqqq", "Accepted: .*tanh.*activation=qqqq"),
    ],
)
def test_an_unknown_activation_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        networks.feedforward(7, 3, (10,), "zer_o", name)
