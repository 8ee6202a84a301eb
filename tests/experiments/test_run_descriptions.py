"""The descriptions by which the ledger knows runs: a change orphans committed results.

Where one is meant, as when the engine is mended, write `run_descriptions.csv` anew: run
as a script this file prints it.
"""

import csv
import hashlib
import json
import pathlib

import pytest

from experiments import registry

PINNED = pathlib.Path(__file__).with_name("run_descriptions.csv")


def descriptions(name, preset):
    cells = registry.find(name).select(preset)
    return [run for cell in cells for run in cell.describe()]


def digest(name, preset):
    """Returns the number of different runs, and what tells them from all others."""
    texts = {json.dumps(run, sort_keys=True) for run in descriptions(name, preset)}
    text = "\n".join(sorted(texts))
    return {
        "experiment": name,
        "preset": preset,
        "runs": str(len(texts)),
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def everything():
    return [
        (name, preset)
        for name, experiment in registry.ALL.items()
        for preset in experiment.cells
        if not name.startswith(
            "bench-"
        )  # They are measured anew, not resumed for ever.
    ]


@pytest.mark.parametrize(("name", "preset"), everything())
def test_the_ledger_knows_the_runs_by_these_descriptions(name, preset):
    with PINNED.open(encoding="utf-8", newline="") as file:
        pinned = {
            (row["experiment"], row["preset"]): row for row in csv.DictReader(file)
        }
    assert digest(name, preset) == pinned[name, preset]


if __name__ == "__main__":
    rows = [digest(*pair) for pair in everything()]
    print(",".join(rows[0]), *(",".join(row.values()) for row in rows), sep="\n")
