"""Tests of the search for the protocol nearest to the published numbers."""

import dataclasses
import itertools

import keras_tuner
import pytest

from experiments import lee, protocol_search, tables
from experiments.ledger import Ledger
from experiments.lee import METHODS, Cell, Protocol
from experiments.protocol_search import SPACE, ProtocolTuner

PLANTED = Protocol(
    scaling="standard",
    output="glorot_uniform",
    signs="gram_schmidt",
    he="he_uniform",
    zero_transpose=True,
    gsm="middle",
)


def protocols():
    for values in itertools.product(*SPACE.values()):
        yield Protocol(**dict(zip(SPACE, values, strict=True)))


def test_the_space_has_the_present_choice():
    fields = dataclasses.asdict(Protocol())
    for name, values in SPACE.items():
        assert fields[name] in values and len(set(values)) == len(values) > 1


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of a search over runs that are in the ledger already."""
    folder = tmp_path_factory.mktemp("search")
    ledger = Ledger(folder / "ledger.sqlite")
    numbers = tables.published("lee-table1")
    runs = {}
    for cell in lee.table1(epochs=[10], wide_epochs=[10]):
        if cell.hidden == "512" or (cell.hidden == "16" and not cell.samples_per_class):
            continue
        for method in METHODS:
            theirs = tables.printed(numbers, cell, 10, method)
            nearest = PLANTED.of(method)
            for of in {repr(p.of(method)): p for p in protocols()}.values():
                off = sum(v != nearest[name] for name, v in of.of(method).items())
                run = ledger.begin(cell.run(method, 0, of))
                runs[run] = (theirs + 2 * off) / 100
    for epoch in range(10):
        ledger.record(list(runs), epoch, {"val_accuracy": list(runs.values())})
    # Of Table 2 there is a number under the planted protocol, two points off.
    run = ledger.begin(Cell("mnist").run("proposed", 0, PLANTED))
    for epoch in range(10):
        ledger.record([run], epoch, {"val_accuracy": [0.887]})
    markdown, _ = protocol_search.search(1, folder)
    return markdown.read_text("utf-8")


def test_the_planted_protocol_is_found(report):
    # 14 cells with 8 methods each.
    assert "Nearest of 384 protocols: " in report
    for name in SPACE:
        assert f"{name} = {getattr(PLANTED, name)}" in report.splitlines()[2]
    assert "Its distance is 0.00 over 112 numbers of Table 1" in report
    assert "On Table 2, which it was not chosen on, its distance is 2.00" in report


def test_each_choice_has_a_row(report):
    rows = [line.split(" | ") for line in report.splitlines() if " = " in line[:40]]
    rows = {row[0].strip("| "): [cell.strip(" |") for cell in row[1:]] for row in rows}
    for name, values in SPACE.items():
        for value in values:
            nearest, alone, judged, mark = rows[f"{name} = {value}"]
            planted = value == getattr(PLANTED, name)
            assert (mark == "nearest") == planted
            assert (float(nearest) == 0) == (float(alone) == 0) == planted
            # The run of Table 2 is the same under what concerns other methods.
            concerns = name in ("scaling", "output", "signs")
            assert judged == ("" if concerns and not planted else "2.00 (1)")


def test_a_difference_counts_less_where_seeds_differ(tmp_path, record):
    ledger = Ledger(":memory:")
    cell = Cell("digits", depth=1, widths=(4,), epochs=10)
    published = [{"dataset": "digits", "method": "he", "val_accuracy": "50.0"}]
    record(ledger, cell, "he", [54.0, 56.0])  # Mean 55, sd 1.414.
    record(ledger, cell, "he", [53.0], Protocol(he="he_uniform"))
    record(ledger, cell, "zero", [90.0, 90.0])  # Of which nothing is published.
    tuner = ProtocolTuner(
        [cell],
        published,
        2,
        ledger,
        keras_tuner.oracles.GridSearchOracle(keras_tuner.Objective("distance", "min")),
        directory=str(tmp_path),
        project_name="search",
    )
    assert tuner.distance(Protocol()) == (pytest.approx(5 / (1 + 2**0.5)), 1)
    assert tuner.distance(Protocol(he="he_uniform")) == (pytest.approx(3), 1)
    assert tuner.distance(Protocol(scaling="raw")) == (float("inf"), 0)
