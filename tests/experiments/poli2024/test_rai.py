"""Tests of networks that are born dead, and of those that collapse."""

import dataclasses
import itertools

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.poli2024 import born_dead, collapse, rai_report
from experiments.poli2024.born_dead import bounds, dead

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
    counts = [networks for networks, _ in dead("he", width, 20, NETWORKS, 1)]
    for layers, part in enumerate(counts, 1):
        low, high = bounds(width, layers)
        noise = 4 * np.sqrt(0.25 / NETWORKS)
        assert low - noise <= part <= high + noise
    assert all(a <= b for a, b in itertools.pairwise(counts))
    assert counts[-1] > 0.3


def test_a_network_is_dead_where_keras_returns_a_constant():
    """The same kernels in a Keras network of the same depth."""
    count, depth, width = 40, 4, 2
    seeds = np.random.SeedSequence(7).generate_state(depth).tolist()
    x = np.linspace(-born_dead.DOMAIN, born_dead.DOMAIN, 51)[:, None]
    for method in born_dead.METHODS:
        layers = [
            born_dead._draw(method, width if index else 1, width, count, seed)
            for index, seed in enumerate(seeds)
        ]
        constant = []
        for network in range(count):
            model = keras.Sequential(
                [keras.Input((1,))]
                + [keras.layers.Dense(width, "relu") for _ in range(depth)]
            )
            for layer, (kernels, biases) in zip(model.layers, layers, strict=True):
                layer.set_weights([kernels[network], biases[network, 0]])
            outputs = np.asarray(model(x))
            constant.append(np.ptp(outputs, axis=0).max() <= 1e-6 * outputs.max())
        part, _ = dead(method, width, depth, count, 7)[-1]
        assert part == np.mean(constant)
        assert method == "rai" or 0 < part < 1


def test_rai_has_fewer_that_are_dead():
    he, rai = (dead(method, 2, 10, 500, 0)[-1] for method in born_dead.METHODS)
    assert rai[0] < he[0] - 0.2 and rai[1] < he[1] - 0.2


def test_a_cell_has_a_row_a_layer_and_knows_its_methods():
    ledger = Ledger(":memory:")
    cell = born_dead.Cell("he", 2, 6, 50)
    cell.train(cell.describe(), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    rows = ledger.curve(cell.describe()[0])
    assert [row["dead_networks"] for row in rows] == [
        part for part, _ in dead("he", 2, 6, 50, 0)
    ]
    with pytest.raises(ValueError, match="method=glorot"):
        born_dead.Cell("glorot", 2)


# Collapse


def test_rai_sets_biases_of_all_layers():
    of = collapse.TARGETS["|x + y|, |x - y|"]
    he, rai = (collapse.build(of, method, 3) for method in born_dead.METHODS)
    assert he.output_shape == (None, 2) and len(he.layers) == of.depth + 1
    assert not any(layer.bias.numpy().any() for layer in he.layers)
    assert all(layer.bias.numpy().any() for layer in rai.layers)


def test_the_spread_of_a_dead_network_is_none(tmp_path):
    cell = collapse.Cell("|x|", 2, 12)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell.train(cell.describe(), ledger)
    of = collapse.TARGETS["|x|"]
    x = np.linspace(-born_dead.DOMAIN, born_dead.DOMAIN, 200)[:, None]
    for run in cell.describe():
        keras.utils.set_random_seed(run["seed"])
        model = collapse.build(of, run["method"], run["seed"])
        hidden = keras.Sequential(model.layers[:-1])
        born = np.ptp(np.asarray(hidden(x)), axis=0).max() == 0
        spread = [row["spread"] for row in ledger.curve(run)]
        if born:  # It can learn the mean, and nothing else.
            assert max(spread) < 1e-4
    spreads = [ledger.curve(run)[0]["spread"] for run in cell.describe()]
    assert min(spreads) < 1e-4 < 0.01 < max(spreads)


def test_claims_follow_what_was_counted(tmp_path):
    cells = [
        *(
            born_dead.Cell(method, width, 60, 400)
            for method in born_dead.METHODS
            for width in (2, 8)
        ),
        collapse.Cell("|x|", 1, 200),
    ]
    rows = []
    for cell in cells[:4]:
        for layers in range(1, 61):
            low, high = bounds(cell.width, layers)
            part = (low + high) / 2 if cell.method == "he" else low / 3
            row = {"epoch": layers - 1, "dead_networks": part, "dead_units": 0.5}
            rows.append(cell.describe()[0] | row | {"versions": "none"})
    for run in cells[4].describe():
        collapsed = run["seed"] < (184 if run["method"] == "he" else 58)
        row = {"epoch": 0, "spread": 0.0 if collapsed else 1.0, "versions": "none"}
        rows.append(run | row)

    def claims_of(changed):
        keys = [frame.key({k: str(r.get(k)) for k in ("method", "seed")}) for r in rows]
        table = pd.DataFrame(changed, index=pd.Index(keys, name="run"))
        claims, *parts = rai_report.report(Results(cells, table, len(rows)), tmp_path)
        return [row[-1] for row in claims.rows], parts

    held, (dead_table, picture, collapsed, _) = claims_of(rows)
    assert held == ["yes"] * 5 and picture.exists()
    assert dead_table.rows[0][0] == "2 units, 1 layers"
    published = {row[1]: (row[2][:4], row[3]) for row in collapsed.rows}
    assert published == {"he": ("92.0", "91.9"), "rai": ("29.0", "29.2")}
    # All three the other way round.
    other = {"he": "rai", "rai": "he"}
    held, _ = claims_of([row | {"method": other[row["method"]]} for row in rows])
    assert held[0] == held[2] == held[4] == "no"


def test_smoke_is_reported(tmp_path):
    cells = [
        *(born_dead.Cell(method, 2, 5, 20) for method in born_dead.METHODS),
        dataclasses.replace(collapse.Cell("|x|"), epochs=1, seeds=2),
    ]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell in cells:
        cell.train(cell.describe(), ledger)
    results = frame.read(cells, LedgerSource(ledger))
    claims, *_ = rai_report.report(results, tmp_path)
    assert len(claims.rows) == 5
