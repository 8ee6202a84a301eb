"""Tests of the command line, on digits."""

import os
import pathlib
import re
import subprocess
import sys
import time

import matplotlib.image
import pytest
from typer.testing import CliRunner

from experiments.__main__ import app
from experiments.ledger import Ledger

ROOT = pathlib.Path(__file__).parents[2]
TIMEOUT = 100  # seconds
SMOKE = ["lee-table2", "--preset", "smoke", "--activation", "relu", "--epochs", "1"]
SEARCH = [
    *("deep-narrow", "--depth", "2", "--epochs", "2", "--seeds", "2"),
    *("--initializer", "lee_qr", "--initializer", "he_normal"),
    *("--epsilon", "0.1", "--epsilon", "1", "--batch-size", "256"),
]


def cli(*arguments):
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
    for name in ("lee-table2", "smoke", "desk", "paper", "digits", "fashion_mnist"):
        assert name in done.stdout


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smoke")
    return folder, process("run", *SMOKE, "--results", folder)


def test_run_prints_the_table_and_what_it_has_written(smoke):
    folder, done = smoke
    assert done.returncode == 0 and not done.stderr, done.stderr
    title = "digits, relu, hidden layers 10-6x20, 1 epochs"
    assert title in " ".join(done.stdout.split())
    for method in ("proposed", "orthogonal", "xavier", "he", "zero", "identity"):
        assert re.search(rf"\b{method} +│ +\d+\.\d ± \d+\.\d │ +2 │", done.stdout)
    assert printed_paths(done.stdout, folder) == [
        "digits-relu.png",
        "report.md",
        "report.html",
        "lee-table2.csv",
    ]


def test_the_same_command_again_trains_nothing(smoke):
    folder, _ = smoke
    before = Ledger(folder / "ledger.sqlite").curves()
    assert len(before) == 12
    again = cli("run", *SMOKE, "--results", folder)
    assert again.exit_code == 0, again.output
    assert "proposed" in again.stdout and "members" not in again.stdout
    assert Ledger(folder / "ledger.sqlite").curves() == before


def test_the_report_gives_the_command_that_makes_it(smoke):
    folder, _ = smoke
    done = cli("report", "lee-table2", "--results", folder)
    assert done.exit_code == 0, done.output
    text = (folder / "lee-table2" / "report.md").read_text("utf-8")
    (command,) = re.findall("`python -m experiments (.+?)`", text)
    before = Ledger(folder / "ledger.sqlite").curves()
    assert cli(*command.split(), "--results", folder).exit_code == 0
    assert Ledger(folder / "ledger.sqlite").curves() == before


def test_search_writes_table_pictures_and_report(tmp_path):
    done = cli("search", *SEARCH, "--results", tmp_path)
    assert done.exit_code == 0, done.output
    table = [line.split("│")[1:3] for line in done.stdout.splitlines() if "±" in line]
    points = {tuple(cell.strip() for cell in cells) for cells in table}
    assert points >= {("lee_qr", "0.1"), ("lee_qr", "1"), ("he_normal", "")}
    assert printed_paths(done.stdout, tmp_path) == [
        "accuracy.png",
        "epsilon.png",
        "report.md",
        "report.html",
    ]
    start = time.perf_counter()
    again = cli("search", *SEARCH, "--results", tmp_path)
    assert again.exit_code == 0 and "taken" not in again.stdout, again.output
    assert time.perf_counter() - start < 10
    # What is searched otherwise is another search.
    other = cli("search", *SEARCH, "--seeds", "1", "--results", tmp_path)
    assert other.exit_code == 0, other.output
    assert len([*tmp_path.glob("search-*")]) == 2


# What a user gets wrong


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ("run lee-table", "lee-table2"),
        ("run lee-table2 --preset smok", "smoke"),
        ("run lee-table2 --dataset minst", "mnist"),
        ("run lee-table2 --dataset digits --activation rellu", "relu"),
        ("run lee-table2 --dataset digits --method propsed", "proposed"),
        ("run lee-table2 --dataset digits --method gsm", "cannot be run"),
        ("report lee-table", "lee-table2"),
        ("report lee-table2", "run lee-table2"),
        ("search deep-narow", "deep-narrow"),
        ("search deep-narrow --dataset digit", "digits"),
        ("search deep-narrow --initializer lee_rq", "lee_qr"),
        ("search deep-narrow --activation rellu", "relu"),
        ("search deep-narrow --oracle gird", "grid"),
        ("search deep-narrow --scaling unti", "unit"),
        ("search deep-narrow --epsilon -1", "epsilon"),
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
        "search deep-narrow --seeds 0",
        "search deep-narrow --epochs 0",
        "search deep-narrow --batch-size 0",
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
    start = time.perf_counter()
    arguments = ["--dataset", "mnist", "--data-dir", folder, "--results", tmp_path]
    done = cli("run", "lee-table2", *arguments)
    assert time.perf_counter() - start < 30
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit)
    assert f"python -m experiments fetch mnist --data-dir {folder}" in done.stderr
    assert "digits" in done.stderr and "Traceback" not in done.stderr
