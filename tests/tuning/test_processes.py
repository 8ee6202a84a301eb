"""Searches that are killed and taken up, or shared by several processes."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

SEARCHES = pathlib.Path(__file__).with_name("conftest.py")
ROOT = SEARCHES.parents[2]
TIMEOUT = 600  # seconds; a stuck process must end, a slow machine must not matter


def python(code, **environment):
    """Starts a process that has the searches of `conftest.py` as `tuning`."""
    head = f"""
        import importlib.util, os, signal, sys
        spec = importlib.util.spec_from_file_location("tuning", {str(SEARCHES)!r})
        tuning = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tuning)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(code)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_search_that_was_killed_goes_on_where_it_stopped(
    tmp_path, finished, fits, digits
):
    killed = python(
        """
        class Kill(tuning.keras.callbacks.Callback):
            fits = 0

            def on_train_begin(self, logs=None):
                type(self).fits += 1

            def on_train_end(self, logs=None):
                if self.fits == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        tuner = tuning.grid_search(os.environ["FOLDER"], trials_together=2)
        tuning.search(tuner, callbacks=[Kill()])
        """,
        FOLDER=str(tmp_path),
    )
    _, errors = killed.communicate(timeout=TIMEOUT)
    assert killed.returncode == -signal.SIGKILL, errors

    resumed = digits.grid_search(tmp_path, trials_together=2)
    before = resumed.results()
    assert len(before) == 2
    digits.search(resumed, callbacks=[fits()])
    assert fits.seen == [(4, 2)]
    assert all(result in resumed.results() for result in before)
    # Nor does it matter which trials are trained together.
    assert digits.losses(resumed) == {
        at: pytest.approx(values, rel=1e-5)
        for at, values in digits.losses(finished).items()
    }


def test_a_trial_that_was_stopped_while_it_reported_reports_anew(tmp_path, digits):
    tuner = digits.grid_search(tmp_path)
    trial = tuner.oracle.create_trial("tuner0-0")
    logged = {"val_accuracy": 0.5, "loss": 1.0}
    tuner.oracle.update_trial(trial.trial_id, logged, step=1)
    tuner.save()
    resumed = digits.search(digits.grid_search(tmp_path))
    assert digits.points(resumed) == digits.grid
    assert {len(values) for values in digits.losses(resumed).values()} == {2}


def test_a_chief_and_a_worker_share_a_search(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = """
        oracle = tuning.oracles.RandomSearchOracle("val_accuracy", 4, seed=1)
        tuner = tuning.PopulationTuner(
            oracle,
            tuning.hypermodel(),
            seeds=2,
            trials_together=4,  # else the chief sees idle slots off, 20 s at a time
            directory=os.environ["FOLDER"],
        )
        tuning.search(tuner, callbacks=[tuning.Fits()])
        print("fits:", tuning.Fits.seen)
        if tuner.tuner_id == "chief":
            print("scores:", [len(r["scores"]) for r in tuner.results()])
    """
    shared = {
        "FOLDER": str(tmp_path),
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
    }
    chief = python(code, KERASTUNER_TUNER_ID="chief", **shared)
    worker = python(code, KERASTUNER_TUNER_ID="worker", **shared)
    try:
        by_worker = worker.communicate(timeout=TIMEOUT)
        by_chief = chief.communicate(timeout=TIMEOUT)
    finally:
        chief.kill()
        worker.kill()
    assert worker.returncode == chief.returncode == 0, by_worker[1] + by_chief[1]
    assert "fits: [(8, 2)]" in by_worker[0]
    assert "fits: []" in by_chief[0]
    assert "scores: [2, 2, 2, 2]" in by_chief[0]
