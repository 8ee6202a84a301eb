"""A paper that is added: its package and one entry, and all commands work on it."""

import dataclasses
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import textwrap

import pytest
from typer.testing import CliRunner

from experiments import registry
from experiments.__main__ import app
from experiments.engine.ledger import Ledger

ROOT = pathlib.Path(__file__).parents[2]
TIMEOUT = 600  # seconds
EPOCHS = 3

# Regression with momentum and another loss: nothing of it is a classifier of Lee's.
PAPER = """
from dataclasses import dataclass

import keras
import numpy as np

from experiments.engine import datasets, trainer
from experiments.experiment import Experiment
from experiments.reporting.report import Table, mean_sd
from keras_inits.population import SeedBatches

KERNELS = ("zeros", "glorot_uniform")


@dataclass(frozen=True)
class Cell:
    name: str = "digits, a toy"
    dataset: str = "digits"
    seeds: int = 2
    rows_per_run: int = 3

    def describe(self):
        return [
            {"experiment": "toy", "kernel": kernel, "seed": seed, "epochs": 3}
            for seed in range(self.seeds)
            for kernel in KERNELS
        ]

    def train(self, missing, ledger, data_dir=None, progress=None):
        data = datasets.load(self.dataset, data_dir)
        x = datasets.scale(data, "unit")[:200]

        def build(kernel):
            layer = keras.layers.Dense(1, kernel_initializer=kernel)
            return keras.Sequential([keras.Input((64,)), layer])

        def batches(seeds):
            y = data.y[:200, None].astype("float32")
            return SeedBatches(x, y, seeds, batch_size=50), None

        trainer.train(
            build,
            [{"kernel": run["kernel"], "seed": run["seed"]} for run in missing],
            missing,
            ledger,
            batches,
            optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
            loss="mse",
            epochs=3,
            progress=progress,
        )


def report(results, folder):
    last = results.frame[results.frame["epoch"] == 2]
    rows = [
        [kernel, mean_sd(last["loss"][last["kernel"] == kernel].tolist())]
        for kernel in KERNELS
    ]
    return ["A toy.", Table("Loss", ["kernel", "loss"], rows)]


EXPERIMENTS = (
    Experiment("toy", "a toy", "nobody (2024)", report, {"smoke": [Cell()]}),
)
"""

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import keras, toy_paper
from experiments import registry
from experiments.__main__ import app
from experiments.engine import progress

class Kill(progress.FitProgress):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

progress.FitProgress = Kill
registry.ALL["toy"] = toy_paper.EXPERIMENTS[0]
app(["run", "toy", "--preset", "smoke", "--results", sys.argv[2]])
"""


@pytest.fixture
def paper(tmp_path, monkeypatch):
    package = tmp_path / "papers" / "toy_paper"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PAPER, "utf-8")
    monkeypatch.syspath_prepend(package.parent)
    (toy,) = importlib.import_module("toy_paper").EXPERIMENTS
    monkeypatch.setitem(registry.ALL, "toy", toy)
    yield package.parent
    del sys.modules["toy_paper"]


def cli(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def losses(folder):
    return {
        (row["kernel"], row["seed"], row["epoch"]): row["loss"]
        for row in Ledger(folder / "ledger.sqlite").curves()
    }


def test_a_new_paper_is_listed_run_killed_resumed_and_reported(paper, tmp_path):
    assert "nobody (2024)" in cli("list").stdout
    run = ("run", "toy", "--preset", "smoke", "--results")

    straight = tmp_path / "straight"
    done = cli(*run, straight)
    assert done.exit_code == 0, done.output
    assert len(losses(straight)) == 4 * EPOCHS

    killed = tmp_path / "killed"
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(paper), str(killed)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert process.returncode == -signal.SIGKILL, process.stderr
    assert {epoch for *_, epoch in losses(killed)} == {0, 1}
    done = cli(*run, killed)
    assert done.exit_code == 0, done.output
    assert losses(killed) == pytest.approx(losses(straight), rel=1e-4)
    assert "there already" in cli(*run, killed).stdout

    text = (killed / "toy" / "report.md").read_text("utf-8")
    assert text.startswith("# toy: a toy (nobody (2024))")
    assert "Preset smoke; 4 of 4 runs." in text and "| glorot_uniform | " in text
    # From the CSV alone it is the same report.
    (killed / "ledger.sqlite").unlink()
    done = cli("report", "toy", "--preset", "smoke", "--html", "--results", killed)
    assert done.exit_code == 0, done.output
    assert (killed / "toy" / "report.md").read_text("utf-8") == text
    assert (killed / "toy" / "report.html").exists()
    # Of what the CSV has nothing is trained again.
    path = killed / "toy" / "toy.csv"
    head, *rows = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([head, *rows[: 3 * EPOCHS]]), "utf-8")
    done = cli(*run, killed)
    assert done.exit_code == 0, done.output
    assert len(losses(killed)) == EPOCHS
    assert len(path.read_text("utf-8").splitlines()) == 1 + 4 * EPOCHS
    assert "4 of 4 runs." in (killed / "toy" / "report.md").read_text("utf-8")


def test_options_that_its_cells_have_not_are_refused(paper, tmp_path):
    run = ("run", "toy", "--preset", "smoke", "--results", tmp_path)
    for option, value in (("--method", "he"), ("--epochs", "1"), ("--hidden", "5")):
        done = cli(*run, option, value)
        assert done.exit_code == 2 and "must be left out" in done.stderr
    done = cli(*run, "--seeds", "1")
    assert done.exit_code == 0, done.output
    assert {seed for _, seed, _ in losses(tmp_path)} == {0}


def test_all_leaves_out_what_has_no_data_here(paper, tmp_path, monkeypatch):
    toy, words = registry.find("toy"), registry.find("sansone-table5")
    cells = {"smoke": words.cells["desk"]}
    without = {
        "toy": toy,
        "words": dataclasses.replace(words, name="words", cells=cells),
    }
    monkeypatch.setattr(registry, "of_command", lambda command: without)
    monkeypatch.setitem(registry.ALL, "words", without["words"])
    folder = ("--preset", "smoke", "--results", tmp_path / "results")
    empty = ("--data-dir", tmp_path)
    done = cli("run", "all", *folder, *empty)
    assert done.exit_code == 0, done.output
    assert "Left out: ptb of words. The Penn Treebank is neither in" in done.stdout
    assert (tmp_path / "results" / "toy" / "report.md").exists()
    # Of an experiment what has its data is run.
    both = dataclasses.replace(
        without["words"], cells={"smoke": [*cells["smoke"], *toy.cells["smoke"]]}
    )
    both = dataclasses.replace(both, report=toy.report)
    monkeypatch.setitem(registry.ALL, "words", both)
    done = cli("run", "words", *folder, *empty)
    assert done.exit_code == 0, done.output
    assert "Left out: ptb of words" in done.stdout
    monkeypatch.setitem(registry.ALL, "words", without["words"])
    # Where nothing is left it is an error.
    done = cli("run", "words", *folder, *empty)
    assert done.exit_code == 2 and "The Penn Treebank is neither in" in done.stderr
