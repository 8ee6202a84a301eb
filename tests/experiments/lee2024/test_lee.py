"""Tests of what is run again from Lee et al. (2024)."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from experiments.lee2024 import cells as lee
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS, Protocol
from keras_inits import GSM, LeeQR, Population, RectangularIdentity, ZerO
from keras_inits.population import ENGINE

ACTIVATIONS = ["tanh", "sigmoid", "selu", "gelu", "relu"]
RANDOM = {"orthogonal", "xavier", "he", "rai", "gsm"}
# All that the search may choose is said: tests do not hang on what it finds.
BASE = Protocol(
    scaling="unit",
    output="same",
    draws="independent",
    signs="householder",
    xavier="glorot_normal",
    he="he_normal",
    zero_scale="paper",
    zero_transpose=False,
    gsm="positions",
)
# Each field with another value than that, and the methods that it concerns.
FIELDS = [
    ("scaling", "raw", METHODS),
    ("output", "glorot_uniform", METHODS),
    ("draws", "one", ["orthogonal", "xavier", "he", "rai", "gsm"]),
    ("epsilon", 0.2, ["proposed"]),
    ("signs", "gram_schmidt", ["proposed"]),
    ("xavier", "glorot_uniform", ["xavier"]),
    ("he", "he_uniform", ["he"]),
    ("zero_scale", "notebook", ["zero"]),
    ("zero_transpose", True, ["zero"]),
    ("gsm", "middle", ["gsm"]),
    ("gsm", "he_submatrix", ["gsm"]),
    ("learning_rate", 0.01, METHODS),
    ("batch_size", 32, METHODS),
    ("drop_remainder", True, METHODS),
    ("held_out", 0.2, METHODS),
]


def build(method, protocol=BASE, hidden=(10, 6), features=4, seed=0):  # noqa: B008
    keras.utils.set_random_seed(seed)
    return build_unseeded(method, protocol, hidden, features)


def build_unseeded(method, protocol, hidden=(10, 6), features=4):
    return protocol.build(method, features, 3, hidden, "relu")


def equal(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


# Cells


def test_table_1_has_a_cell_for_each_row_of_the_paper():
    cells = lee.table1()
    rows = [(c.dataset, c.hidden, c.samples_per_class) for c in cells]
    assert len(set(rows)) == len(rows)
    assert set(rows) == {
        (dataset, hidden, samples)
        for dataset in ("mnist", "fashion_mnist")
        for hidden in ("0", "512", "16")
        for samples in (None, 4, 2, 1)
    }
    assert {(c.activation, c.epochs, c.reported) for c in cells} == {
        ("relu", 100, (10, 100))
    }


def test_wide_networks_on_all_samples_may_be_trained_for_less():
    cells = lee.table1(wide_epochs=[10])
    short = [c for c in cells if c.epochs == 10]
    assert {(c.hidden, c.samples_per_class) for c in short} == {("512", None)}
    assert {c.reported for c in short} == {(10,)} and len(short) == 2


def test_table_2_has_a_cell_for_each_row_of_the_paper():
    cells = lee.table2()
    rows = [(cell.dataset, cell.activation) for cell in cells]
    assert rows == [(d, a) for d in ("mnist", "fashion_mnist") for a in ACTIVATIONS]
    for cell in cells:
        assert (cell.depth, cell.widths) == (120, (10, 6))
        assert (cell.epochs, cell.samples_per_class) == (10, None)


def test_figure_3_has_one_width_at_seven_depths_and_two_in_turn_at_four():
    cells = lee.figure3()
    assert len({(c.dataset, c.hidden) for c in cells}) == len(cells) == 32
    deepest = [c.hidden for c in cells if c.depth >= 100]
    assert deepest == ["10x100", "4x100"] * 2 + ["10-6x120"]
    assert {c.dataset for c in cells if len(c.widths) > 1} == {"mnist"}


def test_figures_4_and_5_have_all_pairs_of_widths():
    cells = lee.two_layers("mnist", range(2, 11), 10)
    assert [c.widths for c in cells] == [
        (first, second) for first in range(2, 11) for second in range(2, 11)
    ]
    assert {(c.depth, c.epochs) for c in cells} == {(2, 10)}


def test_section_4_4_has_wine_and_iris():
    assert [(c.dataset, c.hidden, c.epochs) for c in lee.tabular()] == [
        ("wine_quality", "10-6x120", 200),
        ("wine_quality/red", "10-6x120", 200),
        ("iris", "10-6x200", 100),
    ]


@pytest.mark.parametrize(
    ("depth", "widths", "label"),
    [
        (0, (0,), "0"),
        (1, (512,), "512"),
        (2, (10, 6), "10-6"),
        (120, (10, 6), "10-6x120"),
        (100, (4,), "4x100"),
        (1, (10, 6), "10-6x1"),
    ],
)
def test_labels_of_hidden_layers(depth, widths, label):
    assert Cell("mnist", depth=depth, widths=widths).hidden == label


@pytest.mark.parametrize(
    ("reported", "epochs", "expected"),
    [((), 3, ()), ((10, 100), 20, (10, 20)), ((10, 100), 10, (10,))],
)
def test_other_epochs(reported, epochs, expected):
    cell = dataclasses.replace(
        Cell("mnist", epochs=100, reported=reported), epochs=epochs
    )
    assert (cell.epochs, cell.reported) == (epochs, expected)


# Descriptions of runs


def test_a_run_says_all_that_makes_it_one():
    cell = Cell("fashion_mnist", samples_per_class=4)
    run = cell.description("proposed", 3, dataclasses.replace(BASE, epsilon=0.2))
    assert run == json.loads(json.dumps(run))
    protocol = run.pop("protocol")
    assert run == {
        "dataset": "fashion_mnist",
        "activation": "relu",
        "hidden": "10-6x120",
        "samples_per_class": 4,
        "method": "proposed",
        "epochs": 10,
        "seed": 3,
        "engine": ENGINE,
    }
    assert protocol["epsilon"] == 0.2 and protocol["scaling"] == "unit"
    # What is reported of a training does not make it another.
    again = dataclasses.replace(cell, reported=(5, 10))
    assert again.description("he", 0, BASE) == cell.description("he", 0, BASE)


def test_every_field_of_the_protocol_is_tested():
    fields = [field.name for field in dataclasses.fields(Protocol)]
    assert list(dict.fromkeys(name for name, *_ in FIELDS)) == fields


@pytest.mark.parametrize(("name", "value", "methods"), FIELDS)
def test_a_field_makes_other_runs_of_the_methods_that_it_concerns(name, value, methods):
    other = dataclasses.replace(BASE, **{name: value})
    cell = Cell("mnist")
    changed = [
        method
        for method in METHODS
        if cell.description(method, 0, other) != cell.description(method, 0, BASE)
    ]
    assert changed == list(methods)


def test_a_protocol_is_described_by_what_it_comes_to():
    output = {
        (each, depth): dataclasses.replace(BASE, output=each).of("he", depth)["output"]
        for each in ("same", "glorot_uniform", "same_if_only")
        for depth in (0, 1, 120)
    }
    methods_own = {key for key, value in output.items() if value == "same"}
    assert methods_own == {("same", depth) for depth in (0, 1, 120)} | {
        ("same_if_only", 0)
    }
    assert set(output.values()) == {"same", "glorot_uniform"}
    # One layer has one draw, and is Keras' default under all methods or under none.
    one, other = (
        dataclasses.replace(BASE, draws="one"),
        dataclasses.replace(BASE, he="he_uniform"),
    )
    assert one.of("he", 0) == BASE.of("he", 0) != other.of("he", 0)
    one, other = (
        dataclasses.replace(p, output="glorot_uniform").of("he", 0)
        for p in (one, other)
    )
    assert one == other


# Networks


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("proposed", LeeQR(0.1, "householder")),
        ("orthogonal", keras.initializers.Orthogonal()),
        ("xavier", keras.initializers.GlorotNormal()),
        ("he", keras.initializers.HeNormal()),
        ("zero", ZerO("paper", transpose=False)),
        ("identity", RectangularIdentity()),
    ],
)
def test_each_method_is_its_initializer(method, expected):
    model = build(method)
    assert [layer.units for layer in model.layers] == [10, 6, 3]
    for layer in model.layers:
        given = layer.kernel_initializer
        assert type(given) is type(expected)
        ours, theirs = given.get_config(), expected.get_config()
        assert ours | {"seed": None} == theirs | {"seed": None}


@pytest.mark.parametrize("method", METHODS)
def test_a_network_depends_on_the_random_seed_alone(method):
    model = build(method, hidden=(6, 6, 6))
    assert equal(model, build(method, hidden=(6, 6, 6)))
    other = build(method, hidden=(6, 6, 6), seed=1)
    assert equal(model, other) == (method not in RANDOM)
    # Nor have two layers of one shape the same random kernel.
    one, two = (layer.kernel.numpy() for layer in model.layers[1:3])
    assert np.array_equal(one, two) == (method not in RANDOM)
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


@pytest.mark.parametrize("method", METHODS)
def test_biases_start_at_zero_but_for_rai(method):
    for layer in build(method).layers:
        nonzero = np.count_nonzero(layer.bias.numpy())
        assert nonzero == (layer.units if method == "rai" else 0)


@pytest.mark.parametrize("method", METHODS)
def test_the_last_layer_may_be_the_same_for_all_methods(method):
    same, other = (
        build(method),
        build(method, dataclasses.replace(BASE, output="glorot_uniform")),
    )
    last = other.layers[-1]
    assert type(last.kernel_initializer) is keras.initializers.GlorotUniform
    kernel, limit = last.kernel.numpy(), (6 / (6 + 3)) ** 0.5
    assert 0.3 * limit < np.abs(kernel).max() <= limit
    assert len(np.unique(kernel)) == kernel.size
    assert not last.bias.numpy().any()
    if method not in RANDOM:
        for one, two in zip(same.layers[:-1], other.layers[:-1], strict=True):
            assert np.array_equal(one.kernel.numpy(), two.kernel.numpy())
    if method == "rai":
        assert all(layer.bias.numpy().all() for layer in other.layers[:-1])


@pytest.mark.parametrize(
    ("name", "value", "method"),
    [(name, value, m[0]) for name, value, m in FIELDS if len(m) == 1],
)
def test_what_the_paper_leaves_open_of_a_method_changes_its_network(
    name, value, method
):
    other = dataclasses.replace(BASE, **{name: value})
    assert not equal(build(method), build(method, other))


@pytest.mark.parametrize("method", METHODS)
def test_one_draw_serves_all_layers_of_a_shape(method):
    one = dataclasses.replace(BASE, draws="one")
    model = build(method, one, hidden=(6, 6, 6, 6))
    # GSM has the form of each position, and of each form a draw.
    first, *middle = (layer.get_weights() for layer in model.layers[1:-1])
    for weights in middle:
        assert all(map(np.array_equal, first, weights))
    assert equal(model, build(method, one, hidden=(6, 6, 6, 6)))
    other = build(method, one, hidden=(6, 6, 6, 6), seed=1)
    assert equal(model, other) == (method not in RANDOM)
    alone = build(method, hidden=(6, 6, 6, 6))
    assert equal(model, alone) == (method not in RANDOM)


def test_one_draw_is_what_keras_makes_of_one_initializer():
    keras.utils.set_random_seed(3)
    initializer = keras.initializers.HeNormal()
    layers = [
        keras.layers.Dense(units, kernel_initializer=initializer)
        for units in (10, 6, 10, 6, 3)
    ]
    plain = keras.Sequential([keras.Input((4,)), *layers])
    assert equal(
        plain,
        build("he", dataclasses.replace(BASE, draws="one"), (10, 6, 10, 6), seed=3),
    )


@pytest.mark.parametrize("draws", ["independent", "one"])
@pytest.mark.parametrize("method", METHODS)
def test_a_population_starts_from_these_networks(method, draws):
    protocol = dataclasses.replace(BASE, draws=draws)
    population = Population(
        lambda protocol: build_unseeded(method, protocol),
        [{"protocol": protocol, "seed": seed} for seed in (0, 1, 2)],
    )
    for index in range(3):
        assert equal(population.member(index), build(method, protocol, seed=index))


def test_the_last_layer_may_be_the_methods_only_where_it_is_the_only_one():
    protocol = dataclasses.replace(BASE, output="same_if_only")
    for hidden, same in [((), "same"), ((6,), "glorot_uniform")]:
        for method in METHODS:
            assert equal(
                build(method, protocol, hidden),
                build(method, dataclasses.replace(BASE, output=same), hidden),
            )


@pytest.mark.parametrize(
    ("hidden", "positions"),
    [
        ((), None),
        ((6,), ["first", "last"]),
        ((6, 8), ["first", "middle", "last"]),
        ((6, 8, 6), ["first", "middle", "middle", "last"]),
    ],
)
def test_gsm_has_the_form_of_each_position(hidden, positions):
    model = build("gsm", hidden=hidden)
    given = [layer.kernel_initializer for layer in model.layers]
    if positions is None:  # Without pairs it is its submatrix.
        assert [type(each) for each in given] == [keras.initializers.HeNormal]
    else:
        assert [each.position for each in given] == positions
    # ReLU then leaves the network linear, up to its softmax.
    logits = keras.Sequential(model.layers)
    logits.layers[-1].activation = keras.activations.linear
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    there, back = logits(x).numpy(), logits(-x).numpy()
    assert np.abs(there).max() > 0.01
    np.testing.assert_allclose(there, -back, atol=1e-5)


def test_gsm_may_have_a_submatrix_from_he():
    protocol = dataclasses.replace(BASE, gsm="he_submatrix", he="he_uniform")
    model = build("gsm", protocol, hidden=(200, 100), features=400)
    for layer in model.layers[:2]:
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        rows, columns = (size // 2 for size in kernel.shape)
        np.testing.assert_array_equal(kernel[:rows, columns:], -kernel[:rows, :columns])
        assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / rows), rel=1e-2)
    # Then alone does it depend on what He is.
    assert protocol.of("gsm", 2)["he"] == "he_uniform"
    assert "he" not in dataclasses.replace(protocol, gsm="middle").of("gsm", 2)


def test_gsm_without_pairs_is_he():
    protocol = dataclasses.replace(BASE, gsm="he_submatrix", he="he_uniform")
    (layer,) = build("gsm", protocol, hidden=(), features=400).layers
    assert isinstance(layer.kernel_initializer, keras.initializers.HeUniform)
    # A description tells it from networks that started from pairs.
    assert protocol.of("gsm", 0)["gsm"] == "he"
    assert protocol.of("gsm", 1)["gsm"] == "he_submatrix"
    assert "gsm" not in dataclasses.replace(protocol, output="glorot_uniform").of(
        "gsm", 0
    )


@pytest.mark.parametrize("hidden", [(), (6,), (6, 8), (6, 8, 6)])
def test_gsm_may_have_the_form_of_the_middle_throughout(hidden):
    model = build("gsm", dataclasses.replace(BASE, gsm="middle"), hidden)
    given = [layer.kernel_initializer for layer in model.layers]
    assert {(type(each), each.position) for each in given} == {(GSM, "middle")}
    for layer in model.layers:
        inputs = layer.kernel.shape[0]
        kernel = layer.kernel.numpy()
        assert np.array_equal(kernel[: inputs // 2], -kernel[inputs // 2 :])


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("propsed", "Did you mean 'proposed'.*method=propsed"),
        ("qqqq", "Accepted: proposed, .*method=qqqq"),
    ],
)
def test_an_unknown_method_is_refused(method, message):
    with pytest.raises(ValueError, match=message):
        build(method)
