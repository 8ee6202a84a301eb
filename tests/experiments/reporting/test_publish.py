"""Tests of reports that are made from the ledger alone."""

import csv
import dataclasses

import pytest

from experiments import registry
from experiments.engine.ledger import Ledger
from experiments.experiment import Options
from experiments.lee2024.cells import Cell
from experiments.lee2024.protocol import METHODS, Protocol
from experiments.reporting.report import Table
from keras_inits.population import ENGINE

VALUES = ("dataset", "activation", "hidden", "samples_per_class", "method", "epochs")


def publish(experiment, preset, results, *size):
    publication = registry.find(experiment).publication(preset, *size)
    shown, written = publication.write(results)
    return [part for part in shown if isinstance(part, Table)], written


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(written):
    assert all(path.stat().st_size for path in written)
    return [path.name for path in written]


def test_a_table_of_runs_that_were_recorded_by_hand(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    record(ledger, Cell("mnist"), "proposed", [86.0, 88.0, 87.0])
    record(ledger, Cell("fashion_mnist", "gelu"), "rai", [34.25])
    shown, written = publish("lee-table2", "desk", tmp_path)
    claims, mnist, fashion, by_method = shown
    assert [len(table.rows) for table in (mnist, fashion, by_method)] == [5, 5, 5]
    # Of one method only that it trains can be judged, and of one row of ten.
    ((_, measured, held),) = claims.rows
    assert held == "open" and "(1 of 6 rows have been run)" in measured
    assert mnist.rows[-1][:2] == ["relu", "87.0 ± 1.0\n86.7 (+0.3) ✓"]
    assert names(written) == [
        "curves.png",
        "report.md",
        "lee-table2.csv",
    ]
    assert {path.parent for path in written} == {tmp_path / "lee-table2"}
    rows = rows_of(written[-1])
    mnist = ["mnist", "relu", "10-6x120", "all", "proposed", "10"]
    gelu = ["fashion_mnist", "gelu", "10-6x120", "all", "rai", "10"]
    ends = [row for row in rows if row["epoch"] == "9"]
    assert [[row[name] for name in VALUES] for row in ends] == [*[mnist] * 3, gelu]
    assert [(row["seed"], row["val_accuracy"]) for row in ends] == [
        ("0", "0.86"),
        ("1", "0.88"),
        ("2", "0.87"),
        ("0", "0.3425"),
    ]
    assert len(rows) == 4 * 10 and rows[0]["protocol.epsilon"] == "0.1"
    text = written[1].read_text("utf-8")
    assert "# lee-table2: 120 hidden layers" in text
    assert "1 of 1 published numbers lie inside" in text
    assert "`python -m experiments run lee-table2 --preset desk`" in text
    assert "Seeds 0 to 9." in text and "Preset desk; 4 of 1400 runs." in text
    assert "epsilon = 0.1" in text and f"scaling = {Protocol().scaling}" in text
    versions = ledger.curves()[0]["versions"]
    assert f"keras {versions['keras']}" in text and "commit " in text


def test_the_order_is_shown_where_all_methods_were_run(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for method in METHODS:
        record(ledger, Cell("mnist"), method, [86.0, 88.0])
    shown, _ = publish("lee-table2", "paper", tmp_path)
    titles = [table.title for table in shown]
    assert titles[3:] == ["Published numbers, by method", "Who wins each row"]


def test_epochs_and_seeds_are_those_asked_for(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    options = Options(activation=["relu"], epochs=1)
    (cell,) = registry.find("lee-table2").select("smoke", options)
    record(ledger, cell, "he", [20.0, 30.0, 40.0])
    _, written = publish("lee-table2", "smoke", tmp_path, 3, 1)
    rows = rows_of(written[-1])
    assert [(r["epochs"], r["val_accuracy"]) for r in rows] == [
        ("1", "0.2"),
        ("1", "0.3"),
        ("1", "0.4"),
    ]
    text = written[1].read_text("utf-8")
    assert "--preset smoke --seeds 3 --epochs 1`" in text
    # Fewer than the preset's narrow what is trained, not what is shown.
    _, written = publish("lee-table2", "smoke", tmp_path, 1, 1)
    assert len(written[-1].read_text("utf-8").splitlines()) == 1 + 2


def test_the_protocol_is_that_of_the_cells(tmp_path, record):
    protocol = Protocol(scaling="standard")
    table2 = registry.find("lee-table2")
    cells = [
        dataclasses.replace(cell, protocols=(protocol,))
        for cell in table2.select("smoke")
    ]
    record(Ledger(tmp_path / "ledger.sqlite"), cells[-1], "he", [20.0], protocol)
    other = dataclasses.replace(table2, cells={"smoke": cells})
    _, written = other.publication("smoke").write(tmp_path)
    assert "scaling = standard" in written[1].read_text("utf-8")
    assert {row["protocol.scaling"] for row in rows_of(written[-1])} == {"standard"}


@pytest.mark.parametrize("experiment", ["lee-table1", "lee-table2", "lee-fig4"])
def test_the_csv_alone_makes_the_same_report(experiment, tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cells = registry.find(experiment).select("smoke")
    for number, cell in enumerate(cells):
        for method in METHODS:
            accuracies = [100 / 3 + number, 200 / 3 - number]
            for protocol in cell.protocols:
                record(ledger, cell, method, accuracies, protocol)
    shown, written = publish(experiment, "smoke", tmp_path)
    before = {path: path.read_bytes() for path in written}
    alone = tmp_path / "alone" / experiment
    alone.mkdir(parents=True)
    (alone / f"{experiment}.csv").write_bytes(before[written[-1]])
    again, files = publish(experiment, "smoke", tmp_path / "alone")
    assert again == shown
    assert [path.name for path in files] == [path.name for path in written[:-1]]
    for path in written:
        assert (alone / path.name).read_bytes() == before[path]


@pytest.mark.parametrize("engine", [{}, {"engine": ENGINE - 1}])
def test_runs_of_another_engine_are_not_used(engine, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    run = Cell("mnist").description("proposed", 0, Protocol())
    del run["engine"]
    ids = [ledger.begin(run | engine)]
    for epoch in range(10):
        ledger.record(ids, epoch, {"val_accuracy": [0.5]})
    with pytest.raises(FileNotFoundError, match="no finished runs"):
        publish("lee-table2", "desk", tmp_path)


def test_figure_3_of_runs_that_were_recorded_by_hand(tmp_path, record):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell in registry.find("lee-fig3").select("smoke"):
        if cell.widths != (4,):
            record(ledger, cell, "proposed", [80.0, 90.0])
            record(ledger, cell, "he", [10.0, 90.0])
    (claims, table, trained), written = publish("lee-fig3", "smoke", tmp_path)
    assert "trains at all depths" in claims.rows[0][0] and claims.rows[0][2] == "open"
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
        "lee-fig3.csv",
    ]


@pytest.mark.parametrize("experiment", ["lee-fig4", "lee-fig5"])
def test_heat_maps_of_runs_that_were_recorded_by_hand(tmp_path, record, experiment):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for cell, accuracy in zip(
        registry.find(experiment).select("smoke"), [30, 20, 40, 50], strict=True
    ):
        record(ledger, cell, "proposed", [accuracy, accuracy + 2])
    record(ledger, cell, "he", [10.0])
    _, written = publish(experiment, "smoke", tmp_path)
    assert names(written)[0] == "heat-maps.png" and len(written) == 3
    text = written[1].read_text("utf-8")
    assert "each method: proposed 21.0 at 2 and 4; he 10.0 at 4 and 4." in text


def test_what_is_computed_needs_no_ledger(tmp_path):
    (table,), written = publish("lee-fig2", "desk", tmp_path)
    assert len(table.rows) == 6
    assert names(written) == ["entries.png", "report.md"]
    assert not (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize("experiment", ["lee-table1", "lee-fig3", "lee-tabular"])
def test_without_runs_there_is_no_report(tmp_path, record, experiment):
    message = f"experiments run {experiment} --preset smoke"
    with pytest.raises(FileNotFoundError, match=message):
        publish(experiment, "smoke", tmp_path)
    assert not any(tmp_path.iterdir())
    # Nor with runs that are not finished, or of another size.
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cell = registry.find(experiment).select("smoke")[0]
    record(ledger, dataclasses.replace(cell, epochs=1), "he", [50.0])
    ledger.begin(cell.description("he", 0, Protocol()))
    with pytest.raises(FileNotFoundError, match=message):
        publish(experiment, "smoke", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("lee-table3", "desk"), "lee-table2"), (("lee-fig1", "dsk"), "'desk'")],
)
def test_unknown_names_are_refused(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        publish(*arguments, tmp_path)
