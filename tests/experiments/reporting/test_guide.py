"""Tests of the page that says which initializer to use."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.__main__ import app
from experiments.reporting.guide import Network, page

ROOT = Path(__file__).parents[3]
SEEDS = range(8)


def network(activation="relu", **levels):
    scores = {
        name: {seed: level + 0.1 * seed for seed in SEEDS}
        for name, level in levels.items()
    }
    return Network(activation, "3 x 4 units", "digits", scores, trained=20.0)


def rows(text, activation):
    """Returns the cells of the table of an activation."""
    part = text.partition(f"### {activation}\n")[2].partition("###")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_best_is_named_with_those_that_seeds_do_not_tell_from_it():
    one = network(lee_qr=80.0, he_normal=60.0, orthogonal=50.0)
    one.scores["zer_o"] = {seed: 79 + 3 * (seed % 2) for seed in SEEDS}
    # One that lacks seeds is not compared.
    one.scores["gsm"] = {0: 99.0}
    assert one.ranked == ["zer_o", "lee_qr", "he_normal", "orthogonal"]
    assert not one.told_apart("zer_o", "lee_qr") and one.told_apart(
        "zer_o", "he_normal"
    )
    ((*texts, run),) = rows(page({"lee-table2": [one]}), "relu")
    assert texts == [
        "3 x 4 units",
        "digits",
        "`zer_o`",
        "80.5 ± 1.6 accuracy (%), 8 seeds",
        "`lee_qr`",
        "`he_normal` 60.4 ± 0.2",
    ]
    assert run == "[lee-table2](../experiments/results/lee-table2/report.md)"


def test_less_may_be_better_and_stars_mark_what_no_source_names():
    scores = {
        name: {s: v + 0.01 * s for s in SEEDS}
        for name, v in {"he_normal": 0.2, "glorot_uniform": 0.5}.items()
    }
    one = Network("tanh", "2 x 4 units", "x", scores, "error", lower=True, digits=2)
    (texts,) = rows(page({"poli-tanh": [one]}), "tanh")
    assert texts[2:6] == [
        "`he_normal`\\*",
        "0.24 ± 0.02 error, 8 seeds",
        "",
        "`glorot_uniform` 0.54 ± 0.02",
    ]


def test_where_none_trains_none_is_recommended():
    (texts,) = rows(page({"x": [network("gelu", lee_qr=11.0, he_normal=10.0)]}), "gelu")
    assert texts[2:6] == ["none trains", "11.3 accuracy (%) at best", "", ""]


def test_three_seeds_tell_apart_what_differs_by_far():
    scores = {
        name: {seed: level + seed for seed in range(3)}
        for name, level in {"random_ep": 90.0, "he_normal": 41.0, "lsuv": 10.0}.items()
    }
    scores["ortho_ep"] = {0: 88.0, 1: 93.0, 2: 90.0}
    (texts,) = rows(
        page({"x": [Network("sigmoid", "", "", scores, trained=20)]}), "sigmoid"
    )
    assert texts[2] == "`random_ep`" and texts[4] == "`ortho_ep`"
    assert texts[5] == "`he_normal`\\* 42.0 ± 1.0"


def test_the_page_cannot_contradict_the_table_of_facts():
    called = {"YilmazPoli(stddev=0.2)": {s: 90.0 + s for s in SEEDS}}
    for scores in (network(yilmaz_poli=90.0, he_normal=80.0).scores, called):
        with pytest.raises(ValueError, match="must not be what the table of facts"):
            page({"x": [Network("relu", "", "", scores)]})
        page({"x": [Network("sigmoid", "", "", scores)]})


def test_what_is_warned_of_is_never_recommended():
    one = network(he_normal=80.0, orthogonal=50.0)
    one.scores["yilmaz_poli"] = {seed: 70 + 25 * (seed % 2) for seed in SEEDS}
    (texts,) = rows(page({"x": [one]}), "relu")
    assert texts[2] == "`he_normal`" and texts[4] == ""
    # Nor is it an error where nothing trains.
    (texts,) = rows(page({"x": [network(yilmaz_poli=12.0, he_normal=10.0)]}), "relu")
    assert texts[2:4] == ["none trains", "12.3 accuracy (%) at best"]


def test_what_is_committed_is_what_results_make(tmp_path):
    path = tmp_path / "page.md"
    results = ROOT / "experiments" / "results"
    done = CliRunner().invoke(app, ["guide", str(path), "--results", str(results)])
    assert done.exit_code == 0, done.output
    text = path.read_text("utf-8")
    assert text == (ROOT / "docs" / "which_initializer.md").read_text("utf-8")
    # Of Table 2's rows by ReLU the proposed method is the best.
    deep = [row for row in rows(text, "relu") if "lee-table2" in row[-1]]
    assert [row[2] for row in deep] == ["`lee_qr`"] * 2
    done = CliRunner().invoke(app, ["guide", str(path), "--results", str(tmp_path)])
    assert done.exit_code == 2 and "There are no results to read" in done.stderr
