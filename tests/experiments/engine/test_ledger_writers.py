"""Threads and processes that write into one ledger at once, or are killed."""

import contextlib
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading

from experiments.engine.ledger import Ledger

ROOT = pathlib.Path(__file__).parents[3]
TIMEOUT = 600  # seconds
QUANTITIES = ("accuracy", "loss", "val_accuracy", "val_loss")

WRITER = """
import sys
from experiments.engine.ledger import Ledger
path, writer, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
ledger = Ledger(path)
runs = [ledger.begin({"writer": writer, "seed": seed}) for seed in range(80)]
for epoch in range(epochs):
    ledger.record(runs, epoch, {name: [epoch + 0.5] * 80 for name in sys.argv[4:]})
    print(epoch, flush=True)
"""


def start_writer(path, writer, epochs):
    """Starts a process that, told to go, prints each epoch that it has recorded."""
    arguments = [path, writer, epochs, *QUANTITIES]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": "numpy"},  # which starts fastest
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_threads_write_at_once(ledger):
    runs = [ledger.begin({"seed": seed}) for seed in range(4)]
    threads = [
        threading.Thread(
            target=lambda run: [
                ledger.record([run], epoch, {"loss": [0.0]}) for epoch in range(25)
            ],
            args=[run],
        )
        for run in runs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ledger.epochs({"seed": seed}) for seed in range(4)] == [25] * 4


def test_processes_make_the_file_and_write_at_once(path):
    writers = [start_writer(path, name, 20) for name in "ab"]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        printed, _ = writer.communicate(timeout=TIMEOUT)
        assert printed.split() == list(map(str, range(20)))
    rows = Ledger(path).curves()
    assert len(rows) == 2 * 80 * 20
    for row in rows:
        assert [row[name] for name in QUANTITIES] == [row["epoch"] + 0.5] * 4


def test_kill_loses_nothing_that_was_recorded(path):
    writer = start_writer(path, "killed", 10**9)
    writer.stdin.write("go\n")
    writer.stdin.flush()
    printed = [writer.stdout.readline() for _ in range(10)]
    writer.send_signal(signal.SIGKILL)
    printed += writer.communicate(timeout=TIMEOUT)[0].splitlines()
    assert writer.returncode == -signal.SIGKILL
    recorded = int(printed[-1]) + 1
    ledger = Ledger(path)
    # It may have been killed after a commit and before it could print.
    runs = [{"writer": "killed", "seed": seed} for seed in range(80)]
    assert {ledger.epochs(run) for run in runs} in ({recorded}, {recorded + 1})
    assert all(row.keys() >= set(QUANTITIES) for row in ledger.curves())
    ledger.record([ledger.begin(runs[0])], 10**6, {"loss": [10**5]})
    assert ledger.curves()[recorded - 1]["loss"] == recorded - 0.5
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
