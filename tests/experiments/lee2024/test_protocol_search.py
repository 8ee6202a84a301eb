"""Tests of the search for the protocol nearest to the published numbers."""

import csv
import dataclasses
import itertools
import json

import numpy as np
import pytest
import scipy.stats

from experiments import registry
from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.lee2024 import cells as lee
from experiments.lee2024 import protocol_search
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.lee2024.protocol_comparison import Comparison, Number, cells, halves
from experiments.lee2024.protocol_search import FORMER, SPACE

PLANTED = Protocol(
    scaling="standard",
    output="same_if_only",
    draws="one",
    signs="householder",
    xavier="glorot_normal",
    he="he_normal",
    zero_scale="notebook",
    zero_transpose=False,
    gsm="middle",
)


def protocols():
    for values in itertools.product(*SPACE.values()):
        yield Protocol(**dict(zip(SPACE, values, strict=True)))


def off(protocol, method, depth):
    """Returns how many fields, of those that matter here, are not the planted ones."""
    nearest = PLANTED.of(method, depth)
    fields = protocol.of(method, depth)
    names = fields.keys() | nearest.keys()
    return sum(fields.get(name) != nearest.get(name) for name in names)


def test_the_space_has_the_present_choice_and_the_former():
    for protocol in (Protocol(), FORMER):
        fields = dataclasses.asdict(protocol)
        for name, values in SPACE.items():
            assert fields[name] in values and len(set(values)) == len(values) > 1


# The cells and their halves


def test_the_cells_are_rows_of_both_tables():
    tables = [*lee.table1(), *lee.table1(epochs=[10]), *lee.table2()]
    assert set(cells()) <= set(tables) and len(set(cells())) == len(cells())
    numbers = Comparison(cells(), 1, {}).numbers
    assert len(numbers) == 12 * 2 * 8 + 4 * 8 + 6 * 8
    printed = {
        (n.table, n.cell.dataset, n.cell.hidden, n.cell.samples_per_class, n.epochs): n
        for n in numbers
        if n.method == "proposed" and n.cell.activation == "relu"
    }
    assert printed["Table 1", "mnist", "16", 4, 100].published == 52.9
    assert printed["Table 2", "mnist", "10-6x120", None, 10].published == 86.7


def test_the_halves_share_no_cell_and_have_half_of_each_kind():
    choosing, held_out = halves(cells())
    assert sorted([*choosing, *held_out], key=repr) == sorted(cells(), key=repr)
    for half in (choosing, held_out):
        hidden = [cell.hidden for cell in half]
        assert [hidden.count(each) for each in ("0", "16", "10-6x120")] == [4, 4, 3]
    assert halves(cells()) == (choosing, held_out)


# The distance


CELL = Cell("digits", depth=1, widths=(4,), seeds=2)
OTHERS = [Protocol(), Protocol(he="he_normal"), Protocol(draws="one")]


def compare(ledger):
    cell = dataclasses.replace(CELL, protocols=tuple(OTHERS))
    results = frame.read([cell], LedgerSource(ledger))
    curves = {
        run: {epoch: 100 * value for epoch, value in curve.items()}
        for run, curve in results.curves("val_accuracy").items()
    }
    comparison = Comparison([CELL], 2, curves)
    comparison.numbers = [Number("Table 1", CELL, 10, "he", 50.0)]
    return comparison


def test_a_difference_counts_less_where_seeds_differ(record):
    ledger = Ledger(":memory:")
    record(ledger, CELL, "he", [51.0, 52.0])  # sd 0.707
    record(ledger, CELL, "he", [51.5, 51.5], Protocol(he="he_normal"))
    record(ledger, CELL, "he", [20.0, 20.0], Protocol(draws="one"))
    comparison = compare(ledger)
    width = 0.5 + 1.96 * 0.5**0.5 * 0.6**0.5
    assert comparison.distance(Protocol()) == pytest.approx(1.5 / width)
    assert comparison.distance(Protocol(he="he_normal")) == pytest.approx(1.5 / 0.5)
    assert comparison.distance(Protocol(draws="one")) == 5.0


def test_by_likelihood_a_wide_spread_costs(record):
    ledger = Ledger(":memory:")
    record(ledger, CELL, "he", [50.0, 53.0])  # 1.5 off, sd 2.12
    record(ledger, CELL, "he", [49.9, 50.1], Protocol(he="he_normal"))
    record(ledger, CELL, "he", [20.0, 80.0], Protocol(draws="one"))
    comparison = compare(ledger)
    scale = 0.5 / 1.96 + 4.5**0.5 * 0.6**0.5
    # The density of t, but for what does not depend on ours.
    density = scipy.stats.t.logpdf(1.5, 4, scale=scale)
    constant = scipy.stats.t.logpdf(0.0, 4)
    assert comparison.surprise(Protocol()) == pytest.approx(constant - density)
    noisy, exact = Protocol(draws="one"), Protocol(he="he_normal")
    assert comparison.distance(noisy) == comparison.distance(exact) == 0.0
    assert comparison.surprise(noisy) > comparison.surprise(exact) + 3


@pytest.mark.parametrize("seeds", [0, 1])
def test_all_that_is_compared_must_be_there(record, seeds):
    ledger = Ledger(":memory:")
    record(ledger, CELL, "he", [51.0] * seeds)
    with pytest.raises(ValueError, match=f"without .*'seed': {seeds}"):
        compare(ledger).distance(Protocol())


def test_shares_are_those_of_resamples(monkeypatch):
    """Of two cells each wants another scale of inputs; all else makes no difference."""
    pair = [Cell("mnist", depth=0), Cell("fashion_mnist", depth=0)]
    comparison = Comparison(pair, 1, {})
    comparison.numbers = [Number("Table 1", cell, 10, "he", 50.0) for cell in pair]
    wanted = ["raw", "unit"]
    monkeypatch.setattr(
        comparison,
        "distances",
        lambda p: np.array([float(p.scaling != scaling) for scaling in wanted]),
    )
    shares = protocol_search.shares(comparison, list(protocols()))
    # A quarter of resamples has one cell twice; in half of them both are equally near.
    assert shares["scaling", "raw"] == pytest.approx(0.5, abs=0.03)
    assert shares["scaling", "unit"] == pytest.approx(0.5, abs=0.03)
    assert shares["scaling", "standard"] == 0
    assert shares["gsm", "middle"] == pytest.approx(1 / 3)


# The search


SEARCHED = SPACE | {
    # An eighth of the protocols.
    name: (getattr(PLANTED, name),)
    for name in ("signs", "xavier", "he")
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of a search over runs that are in the ledger already."""
    with pytest.MonkeyPatch.context() as patch:
        for name, values in SEARCHED.items():
            patch.setitem(SPACE, name, values)
        return search(tmp_path_factory)


def search(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    ledger = Ledger(folder / "ledger.sqlite")
    choosing, held_out = halves(cells())
    for cell in cells():
        numbers = Comparison([cell], 1, {}).numbers
        runs = {}
        for protocol, number in itertools.product(protocols(), numbers):
            run = cell.description(number.method, 0, protocol)
            by_epoch = runs.setdefault(json.dumps(run), (run, {}))[1]
            wrong = off(protocol, number.method, cell.depth)
            # In the half held out the planted protocol is a quarter of a point off.
            points = wrong + 0.25 * (cell in held_out)
            by_epoch[number.epochs] = (number.published + points) / 100
        ids = [ledger.begin(run) for run, _ in runs.values()]
        for epoch in range(cell.epochs):
            known = [by_epoch.get(epoch + 1, 0.0) for _, by_epoch in runs.values()]
            ledger.record(ids, epoch, {"val_accuracy": known})
    experiment = dataclasses.replace(
        registry.find("lee-protocol"), cells={"desk": protocol_search.search_cells(1)}
    )
    _, written = experiment.publication("desk").write(folder)
    return folder / "lee-protocol", written


def test_the_planted_protocol_is_found(searched):
    folder, _ = searched
    report = (folder / "report.md").read_text("utf-8")
    first = report.splitlines()[2]
    assert first.startswith("Nearest of 216 protocols: ")
    for name in SPACE:
        assert f"{name} = {getattr(PLANTED, name)}" in first
    assert "its distance is 0.00 (136 numbers)" in first
    assert "it is 0.50 (136 numbers)" in first
    assert "The numbers decide scaling, output, draws, signs, xavier" in report


def test_each_choice_has_a_row(searched):
    folder, _ = searched
    report = (folder / "report.md").read_text("utf-8")
    rows = {
        cells[0]: cells[1:]
        for line in report.splitlines()
        if (cells := [cell.strip() for cell in line.strip("|").split("|")])
    }
    for name, values in SEARCHED.items():
        for value in values:
            share, nearest, alone, elsewhere, mark = rows[f"{name} = {value}"]
            planted = value == getattr(PLANTED, name)
            assert (mark == "chosen") == planted
            assert (share == "100%") == (share != "0%") == planted
            assert (float(nearest) == 0) == (float(alone) == 0) == planted
            assert (float(elsewhere) == 0.5) == planted
    # On the side held out nothing is nearer.
    assert rows["nearest to the held-out half itself: chosen"] == ["0.00", "0.50", "1"]


def test_zero_has_a_row_for_each_orientation_and_table(searched):
    folder, _ = searched
    report = (folder / "report.md").read_text("utf-8")
    assert "Table 1 to zero_transpose = False and in Table 2 to zero" in report
    assert "the tables agree on its orientation" in report
    assert "| zero_transpose = False, zero_scale = notebook | 0.00 | 0.50 |" in report


def test_the_csv_has_every_number(searched):
    folder, written = searched
    assert {path.name for path in written} == {
        "numbers.png",
        "report.md",
        "numbers.csv",
        "lee-protocol.csv",
    }
    with open(folder / "numbers.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 272 and {row["method"] for row in rows} == set(METHODS)
    for row in rows:
        gap = float(row["mean"]) - float(row["published"])
        held_out = row["half"] == "held out"
        assert gap == pytest.approx(0.25 * held_out, abs=0.006)
        assert float(row["distance"]) == pytest.approx(0.5 * held_out, abs=0.01)
