"""Tests of what there is to run, and at what size."""

import dataclasses

import pytest

from experiments import lee2024, registry
from experiments.engine import datasets, frame, networks
from experiments.experiment import PRESETS, Options
from experiments.lee2024 import cells as lee

# Those that are a table or a figure of the paper.
LEE = [
    experiment.name
    for experiment in lee2024.EXPERIMENTS
    if experiment.command == f"run {experiment.name}"
    and experiment.name != "lee-plain-fit"
]
TRAINED = [name for name in LEE if registry.find(name).cells]


def test_every_table_and_figure_is_there():
    figures = [f"lee-fig{number}" for number in range(1, 6)]
    names = ["lee-table1", "lee-table2", *figures, "lee-tabular"]
    assert names == LEE
    assert set(names) - set(TRAINED) == {"lee-fig1", "lee-fig2"}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("experiment", LEE)
def test_every_cell_can_be_run(experiment, preset):
    cells = registry.find(experiment).select(preset)
    assert bool(cells) == (experiment in TRAINED)
    for cell in cells:
        assert cell.dataset in datasets.names()
        networks.check_activation(cell.activation)
        assert cell.epochs >= 1 and set(cell.reported) <= set(range(cell.epochs + 1))
    # One label is one network, or the ledger would take one for the other.
    networks_by_label = {c.hidden: (c.depth, c.widths * bool(c.depth)) for c in cells}
    assert {c.hidden for c in cells} == set(networks_by_label)
    assert len({*networks_by_label.values()}) == len(networks_by_label)
    assert all(cell.seeds >= 2 for cell in cells)


def test_smoke_needs_no_download():
    for experiment in TRAINED:
        cells = registry.find(experiment).select("smoke")
        assert {cell.dataset for cell in cells} <= set(datasets.EMBEDDED)


def test_the_paper_has_all_that_it_prints_at_ten_seeds():
    numbers = {name: len(registry.find(name).select("paper")) for name in TRAINED}
    assert numbers == {
        "lee-table1": 24,
        "lee-table2": 10,
        "lee-fig3": 32,
        "lee-fig4": 81,
        "lee-fig5": 81,
        "lee-tabular": 3,
    }
    seeds = {
        cell.seeds for name in TRAINED for cell in registry.find(name).select("paper")
    }
    assert seeds == {10}
    assert registry.find("lee-table1").select("paper") == lee.table1()


def test_plain_fit_has_twelve_numbers_of_both_tables():
    cells = [number.cell for number in registry.find("lee-plain-fit").select("desk")]
    assert [cell.table for cell in cells] == [1] * 6 + [2] * 6
    rows = registry.find("lee-table1").select("desk")
    rows += registry.find("lee-table2").select("desk")
    known = {str(run) for row in rows for run in row.describe()}
    # Their populations are those of the tables.
    assert all(str(run) in known for cell in cells for run in cell.describe())


def test_cells_are_narrowed():
    def found(**options):
        cells = registry.find("lee-table2").select("desk", Options(**options))
        return [(cell.dataset, cell.activation, cell.epochs) for cell in cells]

    assert len(found()) == 10
    assert found(dataset=["mnist"], activation=["relu", "gelu"]) == [
        ("mnist", "gelu", 10),
        ("mnist", "relu", 10),
    ]
    assert found(activation=["relu"], epochs=3) == [
        ("mnist", "relu", 3),
        ("fashion_mnist", "relu", 3),
    ]
    assert found(hidden=["10-6x120"]) == found(epochs=0) == found()
    (cell,) = registry.find("lee-fig4").select("smoke", Options(hidden=["2-4"]))
    assert cell.widths == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lee-table", "smoke"), "Unknown experiment.*'lee-table.'.*lee-table"),
        (("lee-table2", "smok"), "Unknown preset.*'smoke'.*preset=smok"),
        (("lee-table2", "desk", ["minst"]), "'mnist'.*dataset=minst"),
        # A cell must be of this experiment at this preset.
        (("lee-table2", "desk", ["digits"]), "Unknown dataset.*dataset=digits"),
        (("lee-table2", "desk", (), ["rellu"]), "'relu'.*activation=rellu"),
        (("lee-table2", "desk", (), (), ["10-6x12"]), "'10-6x120'.*hidden=10-6x12"),
    ],
)
def test_what_there_is_not_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        name, preset, *narrowed = arguments
        registry.find(name).select(preset, Options(*narrowed))


def test_the_cells_of_a_search_are_narrowed_by_table():
    search = registry.find("lee-protocol")
    (first,) = {cell.table for cell in search.select("desk", Options(table=[1]))}
    assert first == 1
    both = search.select("desk", Options(table=[1, 2], seeds=1))
    assert both == [dataclasses.replace(c, seeds=1) for c in search.select("desk")]
    assert len({cell.table for cell in both}) == 2


def test_every_experiment_is_run_by_a_command_of_its_own():
    commands = [experiment.command for experiment in registry.ALL.values()]
    assert len(set(commands)) == len(commands)
    known = {command: registry.of_command(command) for command in ("search", "score")}
    assert list(known["search"]) == ["lee-protocol", "deep-narrow"]
    assert known["score"]["diagnose"] is registry.find("diagnose-score")


def test_run_all_can_be_run_at_every_preset():
    for name, experiment in registry.of_command("run").items():
        for preset in PRESETS:
            assert bool(experiment.select(preset)) == bool(experiment.cells), name


def test_every_cell_of_everything_describes_its_runs():
    for experiment in registry.ALL.values():
        for preset in experiment.cells:
            for cell in experiment.select(preset):
                assert cell.name and cell.rows_per_run >= 1
                assert all(frame.key(run) for run in cell.describe())
