"""What a ledger keeps, gives back and refuses."""

import contextlib
import datetime
import math
import pathlib
import sqlite3
import subprocess
import sys

import keras
import numpy as np
import pytest

from experiments.engine.ledger import RESERVED, Ledger

ROOT = pathlib.Path(__file__).parents[3]
RUN = {
    "experiment": "lee-table2",
    "activation": "relu",
    "initializer": {"class_name": "LeeQR", "config": {"epsilon": 0.1, "gain": None}},
    "widths": [10, 6],
    "standardized": False,
    "epochs": 3,
    "seed": 0,
}


def record(ledger, run, *epochs):
    for epoch in epochs:
        ledger.record([ledger.begin(run)], epoch, {"loss": [epoch / 10]})


# Writing and reading


def test_round_trip(ledger):
    runs = [ledger.begin(RUN | {"seed": seed}) for seed in range(2)]
    values = {"loss": [0.1, 1 / 3], "accuracy": np.array([0.7, 0.8], np.float32)}
    ledger.record(runs, 0, values, seconds=2.5)
    rows = ledger.curves()
    for seed, row in enumerate(rows):
        about = {key: row.pop(key) for key in ("versions", "recorded_at")}
        assert row == RUN | {
            "seed": seed,
            "epoch": 0,
            "loss": values["loss"][seed],
            "accuracy": float(values["accuracy"][seed]),
            "seconds": 2.5,
        }
        assert about["versions"]["keras"] == keras.__version__
        assert about["versions"]["numpy"] == np.__version__
        recorded_at = datetime.datetime.fromisoformat(about["recorded_at"])
        age = datetime.datetime.now(datetime.UTC) - recorded_at
        assert abs(age) < datetime.timedelta(minutes=1)


def test_versions_name_the_backend_and_the_commit(ledger):
    record(ledger, RUN, 0)
    versions = ledger.curves()[0]["versions"]
    backend = keras.config.backend()
    assert versions["backend"] == backend
    assert versions[backend] == sys.modules[backend].__version__
    assert {"keras_inits", "python", "platform"} <= versions.keys()
    if (ROOT / ".git").exists():
        git = ["git", "rev-parse", "HEAD"]
        head = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout
        assert versions["commit"].removesuffix("-dirty") == head.strip()
    else:
        assert versions["commit"] is None


def test_a_description_is_one_run_whatever_its_order(ledger, path):
    config = {"gain": None, "epsilon": 0.1}
    reordered = dict(reversed(RUN.items()))
    reordered["initializer"] = {"config": config, "class_name": "LeeQR"}
    assert list(reordered) != list(RUN)
    assert ledger.begin(RUN) == ledger.begin(reordered) == Ledger(path).begin(RUN)
    assert ledger.begin(RUN) != ledger.begin(RUN | {"seed": 1})
    assert ledger.begin(RUN) != ledger.begin(RUN | {"more": None})


def test_what_is_not_finite_comes_back(ledger):
    values = [math.nan, math.inf, -math.inf, 5e-324]
    runs = [ledger.begin({"seed": seed}) for seed in range(len(values))]
    ledger.record(runs, 0, {"loss": values})
    assert list(map(str, (row["loss"] for row in ledger.curves()))) == list(
        map(str, values)
    )


def test_an_epoch_written_again_is_replaced_whole(ledger):
    run = ledger.begin(RUN)
    ledger.record([run], 0, {"loss": [1.0], "accuracy": [0.5]}, seconds=9.0)
    ledger.record([run], 1, {"loss": [2.0]})
    ledger.record([run], 0, {"loss": [3.0]})
    first, second = ledger.curves()
    assert (first["loss"], second["loss"]) == (3.0, 2.0)
    assert first.keys().isdisjoint({"accuracy", "seconds"})


def test_epochs_count_up_to_the_first_gap(ledger):
    assert ledger.epochs(RUN) == 0
    ledger.begin(RUN)
    assert ledger.epochs(RUN) == 0
    for epoch, count in [(0, 1), (1, 2), (3, 2), (4, 2), (2, 5)]:
        record(ledger, RUN, epoch)
        assert ledger.epochs(RUN) == count
    record(ledger, RUN | {"seed": 1}, 1)
    assert ledger.epochs(RUN | {"seed": 1}) == 0


def test_filters_and_order(ledger):
    for seed in (2, 0, 1):
        record(ledger, RUN | {"seed": seed}, 1, 0)
    record(ledger, {"experiment": "other", "seed": 0}, 0)

    def found(**where):
        return [(row["seed"], row["epoch"]) for row in ledger.curves(**where)]

    assert found() == [(2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1), (0, 0)]
    assert found(experiment="lee-table2", seed=0) == [(0, 0), (0, 1)]
    assert found(seed=0) == [(0, 0), (0, 1), (0, 0)]
    assert len(found(initializer=RUN["initializer"], widths=[10, 6])) == 6
    assert found(seed=3) == found(unknown=0) == found(unknown=None) == []


def test_one_curve(ledger):
    other = RUN | {"more": None}
    assert ledger.curve(RUN) == []
    record(ledger, other, 0)
    record(ledger, RUN, 1, 0)
    assert ledger.curve(RUN) == ledger.curves()[1:]
    assert [row["epoch"] for row in ledger.curve(RUN)] == [0, 1]
    assert ledger.curve(dict(reversed(other.items()))) == ledger.curves(more=None)
    assert ledger.curve({"seed": 0}) == []


def test_only_the_last_epoch_of_finished_runs_is_final(ledger):
    record(ledger, RUN, 0, 1, 2)
    record(ledger, RUN | {"seed": 1}, 0, 1)
    record(ledger, RUN | {"seed": 2}, 0, 2)
    record(ledger, RUN | {"seed": 3}, 0, 1, 2, 3)
    record(ledger, {"seed": 4}, 0)
    ledger.begin(RUN | {"seed": 5})
    assert [(row["seed"], row["epoch"]) for row in ledger.final()] == [(0, 2), (3, 2)]
    assert [row["seed"] for row in ledger.final(seed=3)] == [3]


def test_descriptions_and_what_is_missing(ledger):
    runs = [RUN | {"seed": seed} for seed in range(3)]
    record(ledger, runs[0], 0, 1, 2)
    record(ledger, runs[1], 0, 1)
    assert ledger.descriptions() == runs[:2]
    assert ledger.descriptions(seed=1) == [runs[1]]
    assert ledger.missing(runs, 3) == runs[1:]
    assert ledger.missing(runs, 2) == runs[2:]


# Copies


def test_a_copy_adds_what_is_missing(tmp_path):
    one, two = Ledger(tmp_path / "one.sqlite"), Ledger(tmp_path / "two.sqlite")
    shared = {"method": "he", "epochs": 2, "seed": 0}
    other = {"method": "he", "epochs": 1, "seed": 1}
    two.record([two.begin(other)], 0, {"loss": [9.0]})
    run = one.begin(shared)
    one.record([run], 0, {"loss": [3.0]}, seconds=1.5)
    one.record([run], 1, {"loss": [math.nan]})
    two.record([two.begin(shared)], 0, {"loss": [4.0]})
    one.save(tmp_path / "copy.gz")
    assert two.merge(tmp_path / "copy.gz") == 2  # seconds of epoch 0, loss of epoch 1
    assert two.merge(tmp_path / "copy.gz") == 0
    assert two.epochs(shared) == 2
    assert [row["loss"] for row in two.curve(other)] == [9.0]
    first, second = two.curve(shared)
    assert (first["loss"], first["seconds"]) == (4.0, 1.5)
    assert math.isnan(second["loss"])
    assert second["versions"] == one.curve(shared)[1]["versions"]


def test_the_same_ledger_makes_the_same_copy(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.record([ledger.begin({"epochs": 1})], 0, {"loss": [1.0]})
    for name in ("a", "b"):
        ledger.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# Bad input


def test_newer_version(ledger, path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="Received: path=.*, of schema version 99"):
        Ledger(path)


@pytest.mark.parametrize(
    "value",
    [
        np.int64(1),
        math.nan,
        math.inf,
        {1, 2},
        (1, 2),
        {1: "a"},
        b"a",
        {"a": [{1, 2}]},
    ],
    ids=str,
)
def test_values_that_json_does_not_keep(ledger, value):
    for call in (ledger.begin, ledger.epochs, ledger.curve):
        with pytest.raises(ValueError, match="`run` must be .*Received: run="):
            call(RUN | {"bad": value})
    with pytest.raises(ValueError, match="`where` must be .*Received: where="):
        ledger.curves(bad=value)
    assert ledger.curves() == []


@pytest.mark.parametrize("key", sorted(RESERVED))
def test_reserved_names(ledger, key):
    with pytest.raises(ValueError, match=f"without .*{key}.*Received: run="):
        ledger.begin({key: 1})
    with pytest.raises(ValueError, match=f"without .*{key}.*Received: where="):
        ledger.final(**{key: 1})
    with pytest.raises(ValueError, match=f"other than .*{key}.*Received: values="):
        ledger.record([ledger.begin(RUN)], 0, {key: [1.0]})


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"epoch": -1}, r"epoch=-1"),
        ({"epoch": 0.5}, r"epoch=0\.5"),
        ({"values": {}}, r"values=\{\}"),
        ({"values": {"loss": [1.0]}}, r"values\['loss'\]=\[1\.0\]"),
        ({"values": {"loss": 1.0}}, r"values\['loss'\]=1\.0"),
        ({"values": {"loss": np.ones((2, 1))}}, r"values\['loss'\]=array"),
        ({"values": {"loss": ["1", "2"]}}, r"values\['loss'\]=\['1', '2'\]"),
        ({"values": {"loss": [1.0, None]}}, r"values\['loss'\]=\[1\.0, None\]"),
        ({"values": {"activation": [1.0, 2.0]}}, r"values=\{'activation'"),
        ({"values": {1: [1.0, 2.0]}}, r"values=\{1: "),
        ({"runs": [1, 1]}, r"runs=\[1, 1\]"),
        ({"runs": [1, 99]}, r"runs=\[1, 99\]"),
    ],
    ids=str,
)
def test_bad_record_writes_nothing(ledger, change, received):
    runs = [ledger.begin(RUN), ledger.begin(RUN | {"seed": 1})]
    arguments = {"runs": runs, "epoch": 0, "values": {"loss": [1.0, 2.0]}}
    with pytest.raises(ValueError, match=f"must be .*Received: {received}"):
        ledger.record(**arguments | change)
    assert ledger.curves() == []
