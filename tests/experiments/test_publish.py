"""Tests of reports that are made from the ledger alone."""

import csv

import pytest

from experiments import catalogue
from experiments.ledger import Ledger
from experiments.lee import METHODS, Cell, Protocol
from experiments.publish import publish
from keras_inits.population import ENGINE

HEADER = (
    "experiment,preset,dataset,activation,hidden,samples_per_class,method,epochs,"
    "seed,val_accuracy"
)


def names(written):
    assert all(path.stat().st_size for path in written)
    return [path.name for path in written]


def test_a_table_of_runs_that_were_recorded_by_hand(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    record(ledger, Cell("mnist"), "proposed", [86.0, 88.0, 87.0])
    record(ledger, Cell("fashion_mnist", "gelu"), "rai", [34.25])
    shown, written = publish("lee-table2", "desk", tmp_path)
    assert [len(table.rows) for table in shown] == [5, 5]
    assert shown[0].rows[-1][:2] == ["relu", "87.0 ± 1.0\n86.7 (+0.3) ✓"]
    assert names(written) == [
        "curves.png",
        "report.md",
        "report.html",
        "lee-table2.csv",
    ]
    assert {path.parent for path in written} == {tmp_path / "lee-table2"}
    lines = written[-1].read_text("utf-8").splitlines()
    assert lines == [
        HEADER,
        "lee-table2,desk,mnist,relu,10-6x120,all,proposed,10,0,86.00",
        "lee-table2,desk,mnist,relu,10-6x120,all,proposed,10,1,88.00",
        "lee-table2,desk,mnist,relu,10-6x120,all,proposed,10,2,87.00",
        "lee-table2,desk,fmnist,gelu,10-6x120,all,rai,10,0,34.25",
    ]
    text = written[1].read_text("utf-8")
    assert "# lee-table2: 120 hidden layers" in text
    assert "1 of 1 published numbers lie inside" in text
    assert "`python -m experiments run lee-table2 --preset desk`" in text
    assert "Preset desk, seeds 0 to 9; 4 results." in text
    assert "epsilon = 0.1" in text and f"scaling = {Protocol().scaling}" in text
    versions = ledger.curves()[0]["versions"]
    assert f"keras {versions['keras']}" in text and "commit " in text


def test_the_order_is_shown_where_all_methods_were_run(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for method in METHODS:
        record(ledger, Cell("mnist"), method, [86.0, 88.0])
    shown, _ = publish("lee-table2", "paper", tmp_path)
    assert [table.title for table in shown][2:] == ["Who wins each row"]


def test_epochs_seeds_and_protocol_are_those_asked_for(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    (cell,) = catalogue.cells("lee-table2", "smoke", activations=["relu"], epochs=1)
    protocol = Protocol(scaling="standard")
    record(ledger, cell, "he", [20.0, 30.0, 40.0], protocol)
    _, written = publish("lee-table2", "smoke", tmp_path, 3, 1, protocol)
    with open(written[-1], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["epochs"], r["val_accuracy"]) for r in rows] == [
        ("1", "20.00"),
        ("1", "30.00"),
        ("1", "40.00"),
    ]
    text = written[1].read_text("utf-8")
    assert (
        "--preset smoke --seeds 3 --epochs 1`" in text and "scaling = standard" in text
    )
    # Fewer than the preset's narrow what is trained, not what is shown.
    _, written = publish("lee-table2", "smoke", tmp_path, 1, 1, protocol)
    assert len(written[-1].read_text("utf-8").splitlines()) == 1 + 2


@pytest.mark.parametrize("engine", [{}, {"engine": ENGINE - 1}])
def test_runs_of_another_engine_are_not_used(engine, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    run = Cell("mnist").run("proposed", 0, Protocol())
    del run["engine"]
    ids = [ledger.begin(run | engine)]
    for epoch in range(10):
        ledger.record(ids, epoch, {"val_accuracy": [0.5]})
    with pytest.raises(FileNotFoundError, match="no finished runs"):
        publish("lee-table2", "desk", tmp_path)


def test_figure_3_of_runs_that_were_recorded_by_hand(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell in catalogue.cells("lee-fig3", "smoke"):
        if cell.widths != (4,):
            record(ledger, cell, "proposed", [80.0, 90.0])
            record(ledger, cell, "he", [10.0, 90.0])
    (table, trained), written = publish("lee-fig3", "smoke", tmp_path)
    assert [row[:2] for row in table.rows] == [
        ["digits, depth 1, 10 units a layer", "85.0 ± 7.1"],
        ["digits, depth 5, 10 units a layer", "85.0 ± 7.1"],
        ["digits, depth 1, 4 units a layer", ""],
        ["digits, depth 5, 4 units a layer", ""],
        ["digits, depth 10, 10 and 6 units a layer", "85.0 ± 7.1"],
    ]
    he = 1 + METHODS.index("he")
    assert [(row[1], row[he]) for row in trained.rows] == [
        *[("2", "1")] * 2,
        *[("", "")] * 2,
        ("2", "1"),
    ]
    assert names(written) == [
        "depth.png",
        "epochs.png",
        "report.md",
        "report.html",
        "lee-fig3.csv",
    ]


@pytest.mark.parametrize("experiment", ["lee-fig4", "lee-fig5"])
def test_heat_maps_of_runs_that_were_recorded_by_hand(tmp_path, record, experiment):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell, accuracy in zip(
        catalogue.cells(experiment, "smoke"), [30, 20, 40, 50], strict=True
    ):
        record(ledger, cell, "proposed", [accuracy, accuracy + 2])
    record(ledger, cell, "he", [10.0])
    _, written = publish(experiment, "smoke", tmp_path)
    assert names(written)[0] == "heat-maps.png" and len(written) == 4
    text = written[1].read_text("utf-8")
    assert "each method: proposed 21.0 at 2 and 4; he 10.0 at 4 and 4." in text


def test_what_is_computed_needs_no_ledger(tmp_path):
    (table,), written = publish("lee-fig2", "desk", tmp_path)
    assert len(table.rows) == 6
    assert names(written) == ["entries.png", "report.md", "report.html"]
    assert not (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize("experiment", ["lee-table1", "lee-fig3", "lee-tabular"])
def test_without_runs_there_is_no_report(tmp_path, record, experiment):
    message = f"experiments run {experiment} --preset smoke"
    with pytest.raises(FileNotFoundError, match=message):
        publish(experiment, "smoke", tmp_path)
    assert not any(tmp_path.iterdir())
    # Nor with runs that are not finished, or of another size.
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell = catalogue.cells(experiment, "smoke")[0]
    record(ledger, cell.at(1), "he", [50.0])
    ledger.begin(cell.run("he", 0, Protocol()))
    with pytest.raises(FileNotFoundError, match=message):
        publish(experiment, "smoke", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("lee-table3", "desk"), "lee-table2"), (("lee-fig1", "dsk"), "'desk'")],
)
def test_unknown_names_are_refused(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        publish(*arguments, tmp_path)
