"""Tests of networks that are born dead, and of those that collapse."""

import itertools

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.stats

from experiments import registry
from experiments.engine import frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.experiment import Options
from experiments.poli2024 import born_dead, collapse, rai_report
from experiments.poli2024.born_dead import bounds, dead
from experiments.reporting.report import Table

NETWORKS = 2000


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_few_layers_are_known_exactly(width):
    one = 0.5**width
    assert bounds(width, 1) == (0, 0)
    # A ray that lives alone, from all units of one sign, dies by `one`.
    alone, both = 2 * one, 1 - 2 * one
    low, high = bounds(width, 2)
    assert low == pytest.approx(alone * one + both * one**2)
    assert high == pytest.approx(alone * one + both * one)
    # A single unit has one ray, and then nothing is left to chance.
    if width == 1:
        assert bounds(1, 5) == pytest.approx((1 - 0.5**4, 1 - 0.5**4))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_networks_that_are_drawn_are_between_the_bounds(width):
    counts = dead("he", width, 20, NETWORKS, 1)["dead_networks"]
    for layers, part in enumerate(counts, 1):
        low, high = bounds(width, layers)
        noise = 4 * np.sqrt(0.25 / NETWORKS)
        assert low - noise <= part <= high + noise
    assert all(a <= b for a, b in itertools.pairwise(counts))
    assert counts[-1] > 0.3


def test_a_network_is_dead_where_keras_returns_a_constant():
    """The same kernels in a Keras network of the same depth."""
    count, depth, width = 40, 4, 2
    x = np.linspace(-born_dead.DOMAIN, born_dead.DOMAIN, 51)[:, None]
    for index, method in enumerate(born_dead.METHODS):
        seeds = np.random.SeedSequence((7, index, width)).generate_state(depth)
        layers = [
            born_dead._draw(method, width if layer else 1, width, count, seed)
            for layer, seed in enumerate(seeds.tolist())
        ]
        constant, silent = [], []
        for network in range(count):
            model = keras.Sequential(
                [keras.Input((1,))]
                + [keras.layers.Dense(width, "relu") for _ in range(depth)]
            )
            for layer, (kernels, biases) in zip(model.layers, layers, strict=True):
                layer.set_weights([kernels[network], biases[network, 0]])
            outputs = np.asarray(model(x))
            constant.append(np.ptp(outputs, axis=0).max() <= 1e-6 * outputs.max())
            signals = itertools.accumulate(
                model.layers, lambda signal, layer: layer(signal), initial=x
            )
            active = [np.asarray(signal).any(axis=0) for signal in [*signals][1:]]
            silent.append(1 - np.mean(active))
        counts = dead(method, width, depth, count, 7)
        part = counts["dead_networks"][-1]
        assert part == np.mean(constant)
        assert method == "rai" or 0 < part < 1
        assert counts["dead_units"][-1] == pytest.approx(np.mean(silent))
        assert counts["dead_units_sd"][-1] == pytest.approx(np.std(silent, ddof=1))


def test_methods_and_widths_draw_other_numbers(monkeypatch):
    seeds = []
    draw = born_dead._draw

    def listening(method, inputs, width, networks, seed):
        seeds.append(seed)
        return draw(method, inputs, width, networks, seed)

    monkeypatch.setattr(born_dead, "_draw", listening)
    for method in born_dead.METHODS:
        for width in (2, 3):
            dead(method, width, 3, 2, 0)
    assert len(set(seeds)) == len(seeds) == 12


def test_rai_has_fewer_that_are_dead():
    he, rai = (dead(method, 2, 10, 500, 0) for method in born_dead.METHODS)
    for quantity in ("dead_networks", "dead_units"):
        assert rai[quantity][-1] < he[quantity][-1] - 0.2


def test_a_cell_has_a_row_a_layer_and_knows_its_methods():
    ledger = Ledger(":memory:")
    cell = born_dead.Cell(2, 6, 50)
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    for run in cell.describe():
        counts = dead(run["method"], 2, 6, 50, 0)
        for name, of in counts.items():
            assert [row[name] for row in ledger.curve(run)] == of.tolist()
    with pytest.raises(ValueError, match="method=glorot"):
        born_dead.Cell(2, methods=("glorot",))
    with pytest.raises(ValueError, match="method=glorot"):
        collapse.Cell("|x|", methods=("glorot",))


# Collapse


def test_rai_sets_biases_of_all_layers():
    of = collapse.TARGETS["|x + y|, |x - y|"]
    he, rai = (collapse.build(of, method, 3) for method in born_dead.METHODS)
    assert he.output_shape == (None, 2) and len(he.layers) == of.depth + 1
    assert not any(layer.bias.numpy().any() for layer in he.layers)
    assert all(layer.bias.numpy().any() for layer in rai.layers)


def test_the_spread_of_a_dead_network_is_none(tmp_path):
    cell = collapse.Cell("|x|", 11, 12)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    of = collapse.TARGETS["|x|"]
    x = np.linspace(-born_dead.DOMAIN, born_dead.DOMAIN, 200)[:, None]
    for run in cell.describe():
        keras.utils.set_random_seed(run["seed"])
        model = collapse.build(of, run["method"], run["seed"])
        hidden = keras.Sequential(model.layers[:-1])
        born = np.ptp(np.asarray(hidden(x)), axis=0).max() == 0
        curve = ledger.curve(run)
        assert [row["epoch"] for row in curve if "loss" in row] == list(range(11))
        # After every tenth epoch, and the last.
        spread = {row["epoch"]: row["spread"] for row in curve if "spread" in row}
        assert list(spread) == [9, 10]
        if born:  # It can learn the mean, and nothing else.
            assert max(spread.values()) < 1e-4
    spreads = [ledger.curve(run)[-1]["spread"] for run in cell.describe()]
    assert min(spreads) < 1e-4 < 0.01 < max(spreads)


DEPTH, SEEDS = 60, 200
CELLS = [
    *(born_dead.Cell(width, DEPTH, 400) for width in (2, 4, 8)),
    *(collapse.Cell(target, 20, SEEDS) for target in ("|x|", "x sin 5x")),
]
COLLAPSED = {"he": 184, "rai": 58}
"""Seeds that do, of either target; those of RAI are among those of He."""


def counted(cells=CELLS):
    """Returns rows in which all that is said is true."""
    rows = []
    for run in [run for cell in cells for run in cell.describe()]:
        if run["kind"] == "collapse":
            spread = 0.0 if run["seed"] < COLLAPSED[run["method"]] else 1.0
            rows += [run | {"epoch": epoch, "spread": spread} for epoch in (9, 19)]
            continue
        for layer in range(DEPTH):
            low, high = bounds(run["width"], layer + 1)
            part = (low + high) / 2 if run["method"] == "he" else low / 3
            units = {"dead_units": 0.5, "dead_units_sd": 0.1}
            rows.append(run | {"epoch": layer, "dead_networks": part} | units)
    return rows


def reported(rows, folder, cells=CELLS):
    """Returns of each claim whether it held, by its first words, and all parts."""
    runs = [run for cell in cells for run in cell.describe()]
    names = list(dict.fromkeys(name for run in runs for name in run))
    about = [{name: row.get(name) for name in names} for row in rows]
    table = pd.DataFrame(
        [of | row | {"versions": "none"} for of, row in zip(about, rows, strict=True)],
        index=pd.Index([frame.key(of) for of in about], name="run"),
        columns=[*names, "epoch", *registry.find("poli-rai").quantities, "versions"],
    )
    parts = rai_report.report(Results(cells, table, len(runs)), folder)
    tables = {part.title: part for part in parts if isinstance(part, Table)}
    claims = tables.get("What Lu et al. and the letter say")
    held = {row[0]: row[-1] for row in claims.rows} if claims else {}
    return held, tables, parts


def found(held, words):
    (value,) = [value for claim, value in held.items() if words in claim]
    return value


def test_claims_follow_what_was_counted(tmp_path):
    held, tables, parts = reported(counted(), tmp_path)
    assert len(held) == 7 and set(held.values()) == {"yes"}
    assert (tmp_path / "born-dead.png").exists()
    born = tables["Born dead (%), networks and units of all layers"]
    assert born.rows[0][0] == "2 units, 1 layer"
    collapsed = tables["Collapsed when trained"].rows
    published = {(r[0], r[1]): (r[2], r[3][:4], r[4]) for r in collapsed}
    assert published["|x|", "he"] == ("92.0", "92.0", "91.9")
    assert published["|x|", "rai"] == ("29.0", "29.0", "29.2")
    assert published["x sin 5x", "he"][-1] == ""
    assert "200 networks of each method" in parts[-1]


def test_claims_are_refuted(tmp_path):
    other = {"he": "rai", "rai": "he"}
    rows = [row | {"method": other[row["method"]]} for row in counted()]
    held, *_ = reported(rows, tmp_path)
    for words in ("between the bounds", "prevents", "on |x|", "on x sin 5x"):
        assert found(held, words) == "no"
    # The widest die as the narrowest did; units hardly ever, and networks neither.
    widths = {2: 8, 4: 4, 8: 2}
    rows = [
        row | {"width": widths[row["width"]], "dead_units": 0.05}
        for row in counted()
        if row["kind"] == "born dead"
    ]
    held, *_ = reported(rows, tmp_path)
    for words in ("in the end", "sooner", "neurons"):
        assert found(held, words) == "no"


def test_what_chance_may_do_decides_nothing(tmp_path):
    rows = counted()
    for row in rows:
        if row["kind"] == "born dead":
            # All widths as the one of 4; 99 % is as likely as not with so few.
            low, high = bounds(4, row["epoch"] + 1)
            row["dead_networks"] = (low + high) / 2
            row["dead_units"], row["dead_units_sd"] = 0.101, 0.5
            if row["epoch"] == DEPTH - 1:
                row["dead_networks"] = 0.9925
        else:
            row["spread"] = float(row["seed"] % 7 > (row["method"] == "rai"))
    rows = [row for row in rows if row["kind"] == "born dead" or row["seed"] < 14]
    cells = [*CELLS[:3], *(collapse.Cell(c.target, 20, 14) for c in CELLS[3:])]
    held, *_ = reported(rows, tmp_path, cells)
    for words in ("in the end", "sooner", "prevents", "neurons", "on |x|"):
        assert found(held, words) == "open"


def test_bounds_are_judged_at_all_points_at_once(tmp_path):
    """A point that is off by what one of many is by chance is not outside."""
    for part, expected in ((0.11, "yes"), (0.05, "no")):
        rows = counted()
        for row in rows:
            about = (row["kind"], row["method"], row["width"], row["epoch"])
            if about == ("born dead", "he", 2, 1):
                row["dead_networks"] = part
        held, *_ = reported(rows, tmp_path)
        assert found(held, "between the bounds") == expected
    low, _ = bounds(2, 2)
    alone = scipy.stats.binomtest(round(0.11 * 400), 400).proportion_ci(0.95)
    assert alone.high < low


@pytest.mark.parametrize(
    ("left", "claims"),
    [
        (lambda row: row["method"] == "he", 4),
        (lambda row: row["method"] == "rai", 0),
        (lambda row: row.get("target") != "|x|", 6),
        (lambda row: row["kind"] == "collapse", 2),
        (lambda row: row["kind"] == "born dead", 5),
        # One run is not finished; another has not begun.
        (lambda row: row["width"] != 8 or row["epoch"] < 30, 7),
        (lambda row: row.get("seed") != 3 or row["kind"] == "born dead", 5),
        (lambda row: (row["method"], row["width"]) != ("rai", 4), 6),
        (lambda row: False, 0),
    ],
)
def test_a_part_of_the_runs_is_reported(tmp_path, left, claims):
    held, tables, parts = reported([row for row in counted() if left(row)], tmp_path)
    assert len(held) == claims and isinstance(parts[-1], str)
    for table in tables.values():
        assert {len(row) for row in table.rows} == {len(table.columns)}


def test_networks_that_are_not_followed_to_the_end_are_left_out(tmp_path):
    rows = [row for row in counted() if row["width"] != 8 or row["epoch"] < 30]
    _, tables, _ = reported(rows, tmp_path)
    born = tables["Born dead (%), networks and units of all layers"]
    assert {row[0].split(" units")[0] for row in born.rows} == {"2", "4"}


def test_nothing_dies_where_nothing_is_drawn_dead(tmp_path):
    rows = [row for row in counted() if row["kind"] == "born dead"]
    for row in rows:
        row["dead_networks"], row["dead_units_sd"] = 0.0, 0.0
    held, *_ = reported(rows, tmp_path)
    assert found(held, "sooner") == found(held, "prevents") == "open"
    assert found(held, "neurons") == "yes"


@pytest.mark.parametrize("methods", [("he", "rai"), ("he",)])
def test_smoke_is_reported(tmp_path, methods):
    experiment = registry.find("poli-rai")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell in experiment.select("smoke", Options(methods=methods)):
        cell.train(cell.describe(), ledger)
    cells = experiment.select("smoke")
    results = frame.read(cells, LedgerSource(ledger, experiment.quantities))
    assert results.finished == len(methods) * 5
    parts = rai_report.report(results, tmp_path)
    assert len(parts[0].rows) == (6 if len(methods) == 2 else 4)
