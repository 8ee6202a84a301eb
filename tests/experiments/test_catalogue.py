"""Tests of what there is to run, and at what size."""

import pytest

from experiments import catalogue, datasets, lee, networks

TRAINED = [name for name, e in catalogue.EXPERIMENTS.items() if e.cells]


def test_every_table_and_figure_is_there():
    figures = [f"lee-fig{number}" for number in range(1, 6)]
    names = ["lee-table1", "lee-table2", *figures, "lee-tabular"]
    assert list(catalogue.EXPERIMENTS) == names
    assert set(names) - set(TRAINED) == {"lee-fig1", "lee-fig2"}


@pytest.mark.parametrize("preset", catalogue.PRESETS)
@pytest.mark.parametrize("experiment", catalogue.EXPERIMENTS)
def test_every_cell_can_be_run(experiment, preset):
    cells = catalogue.cells(experiment, preset)
    assert bool(cells) == (experiment in TRAINED)
    for cell in cells:
        assert cell.dataset in datasets.names()
        networks.check_activation(cell.activation)
        assert cell.epochs >= 1 and set(cell.reported) <= set(range(cell.epochs + 1))
    # One label is one network, or the ledger would take one for the other.
    networks_by_label = {c.hidden: (c.depth, c.widths * bool(c.depth)) for c in cells}
    assert {c.hidden for c in cells} == set(networks_by_label)
    assert len({*networks_by_label.values()}) == len(networks_by_label)
    assert catalogue.seeds(experiment, preset) >= 2


def test_smoke_needs_no_download():
    for experiment in TRAINED:
        cells = catalogue.cells(experiment, "smoke")
        assert {cell.dataset for cell in cells} <= set(datasets.EMBEDDED)


def test_the_paper_has_all_that_it_prints_at_ten_seeds():
    numbers = {name: len(catalogue.cells(name, "paper")) for name in TRAINED}
    assert numbers == {
        "lee-table1": 24,
        "lee-table2": 10,
        "lee-fig3": 32,
        "lee-fig4": 81,
        "lee-fig5": 81,
        "lee-tabular": 2,
    }
    assert {catalogue.seeds(name, "paper") for name in TRAINED} == {10}
    assert catalogue.cells("lee-table1", "paper") == lee.table1()


def test_cells_are_narrowed():
    def found(**options):
        cells = catalogue.cells("lee-table2", "desk", **options)
        return [(cell.dataset, cell.activation, cell.epochs) for cell in cells]

    assert len(found()) == 10
    assert found(datasets=["mnist"], activations=["relu", "gelu"]) == [
        ("mnist", "gelu", 10),
        ("mnist", "relu", 10),
    ]
    assert found(activations=["relu"], epochs=3) == [
        ("mnist", "relu", 3),
        ("fashion_mnist", "relu", 3),
    ]
    assert found(hidden=["10-6x120"]) == found(epochs=0) == found()
    (cell,) = catalogue.cells("lee-fig4", "smoke", hidden=["2-4"])
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
        catalogue.cells(*arguments)
