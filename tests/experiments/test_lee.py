"""Tests of what is run again from Lee et al. (2024)."""

import collections
import json

import keras
import pytest

from experiments import lee, tables
from keras_inits import LeeQR, RectangularIdentity, ZerO

ACTIVATIONS = ["tanh", "sigmoid", "selu", "gelu", "relu"]


def test_table_2_has_a_cell_for_each_row_of_the_paper():
    cells = lee.table2()
    rows = [(cell.dataset, cell.activation) for cell in cells]
    assert rows == [(d, a) for d in ("mnist", "fashion_mnist") for a in ACTIVATIONS]
    for cell in cells:
        assert cell.hidden == (10, 6) * 60
        assert (cell.epochs, cell.samples_per_class) == (10, None)


def test_a_run_says_all_that_makes_it_one():
    (cell,) = lee.table2(["fashion_mnist"], ["relu"])
    run = cell.run("proposed", 3, lee.Protocol(epsilon=0.2))
    assert run == json.loads(json.dumps(run))
    assert (run["dataset"], run["hidden"]) == ("fashion_mnist", "10-6x120")
    assert (run["method"], run["seed"]) == ("proposed", 3)
    assert run["protocol"]["epsilon"] == 0.2
    assert run["protocol"]["scaling"] == "unit"
    others = [
        cell.run("he", 3, lee.Protocol()),
        cell.run("proposed", 4, lee.Protocol()),
    ]
    assert run not in others


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("proposed", LeeQR(0.1, "householder")),
        ("orthogonal", keras.initializers.Orthogonal()),
        ("xavier", keras.initializers.GlorotUniform()),
        ("he", keras.initializers.HeNormal()),
        ("zero", ZerO("paper", transpose=True)),
        ("identity", RectangularIdentity()),
    ],
)
def test_each_method_is_its_initializer(method, expected):
    given = keras.initializers.get(lee.Protocol().initializer(method))
    assert type(given) is type(expected)
    assert given.get_config() == expected.get_config()


def test_what_the_paper_leaves_open_is_an_argument():
    protocol = lee.Protocol(
        epsilon=0.5, signs="gram_schmidt", xavier="glorot_normal", he="he_uniform"
    )
    made = protocol.initializer("proposed")
    assert (made.epsilon, made.signs) == (0.5, "gram_schmidt")
    assert protocol.initializer("xavier") == "glorot_normal"
    assert protocol.initializer("he") == "he_uniform"


@pytest.mark.parametrize("method", sorted({*lee.METHODS} - {*lee.AVAILABLE}))
def test_a_method_that_is_not_there_yet_is_refused(method):
    with pytest.raises(ValueError, match=f"cannot be run.*Received: method={method}"):
        lee.Protocol().initializer(method)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("propsed", "Did you mean 'proposed'.*method=propsed"),
        ("qqqq", "Accepted: proposed, .*method=qqqq"),
    ],
)
def test_an_unknown_method_is_refused(method, message):
    with pytest.raises(ValueError, match=message):
        lee.check_methods([method])


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="Did you mean 'relu'"):
        lee.table2(activations=["rellu"])


# The published numbers


@pytest.fixture(scope="module")
def printed():
    return {
        (row["dataset"], row["activation"], row["method"]): float(row["val_accuracy"])
        for row in tables.published("lee-table2")
    }


def test_each_cell_is_printed_once(printed):
    assert len(tables.published("lee-table2")) == len(printed) == 80
    counts = collections.Counter(key[:2] for key in printed)
    assert counts == {
        (d, a): 8 for d in ("mnist", "fashion_mnist") for a in ACTIVATIONS
    }
    assert {key[2] for key in printed} == set(lee.METHODS)
    assert all(0 < value < 100 for value in printed.values())


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("mnist relu proposed", 86.7),
        ("mnist relu zero", 82.9),
        ("mnist relu rai", 11.3),
        ("mnist tanh identity", 27.0),
        ("fashion_mnist gelu rai", 34.0),
        ("fashion_mnist relu gsm", 8.6),
    ],
)
def test_published_values(cell, value, printed):
    assert printed[tuple(cell.split())] == value
