"""Tests of the command line, on digits."""

import csv
import os
import pathlib
import re
import subprocess
import sys

import matplotlib.image
import pytest
from typer.testing import CliRunner

from experiments.__main__ import app
from experiments.engine.ledger import Ledger
from experiments.engine.progress import console

ROOT = pathlib.Path(__file__).parents[2]
TIMEOUT = 600  # seconds
SMOKE = ["lee-table2", "--preset", "smoke", "--activation", "relu", "--epochs", "1"]
FIGURE = [
    *("lee-fig4", "--preset", "smoke", "--hidden", "2-4", "--seeds", "1"),
    *("--method", "proposed", "--method", "he"),
]
METHODS = ["proposed", "orthogonal", "xavier", "he", "zero", "identity", "rai", "gsm"]
SEARCH = [
    *("deep-narrow", "--depth", "2", "--epochs", "2", "--seeds", "2"),
    *("--initializer", "lee_qr", "--initializer", "he_normal"),
    *("--epsilon", "0.1", "--epsilon", "1", "--batch-size", "256"),
    *("--signs", "householder"),
]


def cli(*arguments):
    console.width = 160  # Whatever the terminal or the test runner says of columns.
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def process(*arguments):
    ours = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    return subprocess.run(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        env={**ours, "COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def printed_paths(text, folder):
    paths = [pathlib.Path(line) for line in text.splitlines() if str(folder) in line]
    for path in paths:
        assert path.stat().st_size
        if path.suffix == ".png":
            assert matplotlib.image.imread(path).std() > 0
    return [path.name for path in paths]


def test_list_names_what_there_is():
    done = cli("list")
    assert done.exit_code == 0
    figures = [f"lee-fig{number}" for number in range(1, 6)]
    names = ["lee-table1", "lee-table2", *figures, "lee-tabular"]
    others = ["deep-narrow", "diagnose-score", "monitor", "exactness", "search lee-pro"]
    for name in [*names, *others, "smoke", "desk", "paper", "digits", "fashion_mnist"]:
        assert name in done.stdout


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return folder, process("run", *SMOKE, "--results", folder)


def test_run_prints_the_table_and_what_it_has_written(smoke):
    folder, done = smoke
    # TensorFlow tells of its own work whatever it is told, some releases more.
    of_tensorflow = re.compile(r"WARNING: All log messages|[IWE]\d{4} ")
    errors = [x for x in done.stderr.splitlines() if not of_tensorflow.match(x)]
    assert done.returncode == 0 and not errors, done.stderr
    assert "Validation accuracy (%), digits" in done.stdout
    assert "epsilon = 0.1" in done.stdout
    assert all(method in done.stdout for method in METHODS)
    (row,) = [line for line in done.stdout.splitlines() if "│ relu " in line]
    assert len(re.findall(r"\d+\.\d", row)) >= len(METHODS)
    assert printed_paths(done.stdout, folder) == [
        "curves.png",
        "report.md",
        "lee-table2.csv",
    ]


def test_the_same_command_again_trains_nothing(smoke):
    folder, _ = smoke
    before = Ledger(folder / "ledger.sqlite").curves()
    # ZerO in two orientations, and five methods that draw with one draw for all layers.
    assert len(before) == 2 * (len(METHODS) + 1 + 5)
    again = cli("run", *SMOKE, "--results", folder)
    assert again.exit_code == 0, again.output
    assert "│ relu" in again.stdout
    assert "1 of 1 done: lee-table2: digits, relu, 10-6x20, there" in again.stdout
    assert Ledger(folder / "ledger.sqlite").curves() == before


def test_the_report_gives_the_command_that_makes_it(smoke):
    folder, _ = smoke
    size = ["--preset", "smoke", "--epochs", "1"]
    done = cli("report", "lee-table2", *size, "--results", folder)
    assert done.exit_code == 0, done.output
    with open(folder / "lee-table2" / "lee-table2.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shown = [
        row["method"]
        for row in rows
        if row["protocol.zero_transpose"] != "False" and row["protocol.draws"] != "one"
    ]
    assert shown == METHODS * 2
    assert {(row["activation"], row["epochs"]) for row in rows} == {("relu", "1")}
    text = (folder / "lee-table2" / "report.md").read_text("utf-8")
    (command,) = re.findall("`python -m experiments (.+?)`", text)
    assert command == "run lee-table2 --preset smoke --epochs 1"


def test_a_figure_is_run_for_what_was_asked(tmp_path):
    done = cli("run", *FIGURE, "--results", tmp_path)
    assert done.exit_code == 0, done.output
    runs = Ledger(tmp_path / "ledger.sqlite").final()
    assert {(run["hidden"], run["epochs"], run["seed"]) for run in runs} == {
        ("2-4", 3, 0)
    }
    assert [run["method"] for run in runs] == ["proposed", "he"]
    assert printed_paths(done.stdout, tmp_path) == [
        "heat-maps.png",
        "report.md",
        "lee-fig4.csv",
    ]


def test_what_is_computed_is_run_without_training(tmp_path):
    done = cli("run", "lee-fig2", "--results", tmp_path)
    assert done.exit_code == 0, done.output
    names = ["entries.png", "report.md"]
    assert printed_paths(done.stdout, tmp_path) == names
    assert Ledger(tmp_path / "ledger.sqlite").curves() == []


def test_search_writes_table_pictures_and_report(tmp_path):
    done = cli("search", *SEARCH, "--results", tmp_path)
    assert done.exit_code == 0, done.output
    table = [line.split("│")[1:3] for line in done.stdout.splitlines() if "±" in line]
    points = {tuple(cell.strip() for cell in cells) for cells in table}
    ours = "lee_qr, householder"
    assert points >= {(ours, "0.1"), (ours, "1"), ("he_normal", "")}
    (file,) = tmp_path.glob("deep-narrow-*/deep-narrow-*.csv")
    assert printed_paths(done.stdout, tmp_path) == [
        "accuracy.png",
        "epsilon.png",
        "dead_units.png",
        "report.md",
        file.name,
    ]
    with open(file) as rows:
        search, *trials = csv.DictReader(rows)
    assert search["chance"] == str(round(183 / 1797, 7)) and not search["dead_1"]
    dead = [trial[f"dead_{layer}"] for trial in trials for layer in (1, 2)]
    assert len(dead) == 3 * 2 * 2  # Points, seeds and hidden layers.
    assert all(0 <= float(fraction) <= 1 for fraction in dead)
    assert "A seed counts as trained" in done.stdout
    text = (file.parent / "report.md").read_text("utf-8")
    (command,) = re.findall("`python -m experiments (.+?)`", text)
    again = cli(*command.split(), "--results", tmp_path)
    assert again.exit_code == 0 and "there already" in again.stdout, again.output
    # What is searched otherwise is another search.
    other = cli("search", *SEARCH, "--seeds", "1", "--results", tmp_path)
    assert other.exit_code == 0, other.output
    assert len([*tmp_path.glob("deep-narrow-*")]) == 2


def test_search_over_networks_answers_for_each_of_them(tmp_path):
    depths = ("--depth", "1", "--depth", "2", "--width", "4")
    initializers = ("--initializer", "lee_qr", "--initializer", "he_normal")
    values = ("--epsilon", "0.01", "--epsilon", "1", "--epsilon", "10")
    size = ("--epochs", "1", "--seeds", "2", "--batch-size", "256")
    search = ("deep-narrow", *depths, *initializers, *values, *size)
    done = cli("search", *search, "--results", tmp_path)
    assert done.exit_code == 0, done.output
    (report,) = tmp_path.glob("deep-narrow-*/report.md")
    text = report.read_text("utf-8")
    for network in ("1 layer", "2 layers"):
        assert f", {network}**" in text
    # Both sign conventions, in each of two networks.
    assert len(re.findall(r"ε between 0.01 and 10 (matters|makes no)", text)) == 4
    assert len(re.findall(r"^\| lee_qr, ", text, re.MULTILINE)) == 2 * 2 * 3
    assert text.count("| he_normal |") == 2


# What a user gets wrong


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("run lee-table", "lee-table2"),
        ("run lee-table2 --preset smok", "smoke"),
        ("run lee-table2 --dataset minst", "mnist"),
        ("run lee-table2 --preset smoke --activation rellu", "relu"),
        ("run lee-table2 --preset smoke --hidden 10-6x2", "10-6x20"),
        ("run lee-table2 --preset smoke --method propsed", "proposed"),
        ("run lee-table2 --dataset digits", "fashion_mnist"),
        ("run al", "Unknown experiment"),
        ("report lee-table", "lee-table2"),
        ("report lee-table2", "run lee-table2"),
        ("report lee-table2 --epochs 1", "--preset desk --epochs 1"),
        ("report lee-table2 --preset smok", "smoke"),
        ("report deep-narrow", "search deep-narrow"),
        ("report bench-tuner", "bench tuner"),
        ("run skorski-hessian --preset smoke --method he", "`--method` must"),
        ("run lee-protocol --preset smoke", "preset=smoke"),
        ("search deep-narow", "deep-narrow"),
        ("search lee-protocl", "lee-protocol"),
        ("search lee-protocol --depth 3 --epochs 1", "--depth 3 --epochs 1"),
        ("search deep-narrow --dataset digit", "digits"),
        ("search deep-narrow --initializer lee_rq", "lee_qr"),
        ("search deep-narrow --activation rellu", "relu"),
        ("search deep-narrow --oracle gird", "grid"),
        ("search deep-narrow --scaling unti", "unit"),
        ("search deep-narrow --epsilon -1", "epsilon"),
        ("search deep-narrow --width 10,6", "10-6"),
        ("fetch minst", "mnist"),
        ("bench populaton", "population"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_near_names(arguments, parts, tmp_path):
    words = arguments.split()
    if words[0] in ("run", "report", "search"):
        words += ["--results", str(tmp_path)]
    done = cli(*words)
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and parts in line


@pytest.mark.parametrize(
    "arguments",
    [
        "run lee-table2 --seeds -1",
        "run lee-table2 --epochs -1",
        "report lee-table2 --epochs -1",
        "search deep-narrow --seeds 0",
        "search deep-narrow --epochs -1",
        "search deep-narrow --batch-size -1",
        "search deep-narrow --depth -1",
        "search deep-narrow --trials -1",
    ],
)
def test_a_number_out_of_range_is_refused(arguments):
    done = cli(*arguments.split())
    assert done.exit_code == 2
    assert f"Invalid value for '{arguments.split()[2]}'" in done.stderr


def test_data_that_are_not_there_fail_at_once_with_the_command(tmp_path):
    folder = tmp_path / "empty"
    arguments = ["--dataset", "mnist", "--data-dir", folder, "--results", tmp_path]
    done = cli("run", "lee-table2", *arguments)
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit)
    assert f"python -m experiments fetch mnist --data-dir {folder}" in done.stderr
    assert "digits" in done.stderr and "Traceback" not in done.stderr
