"""What became of cases: outcomes, the largest differences, and what was covered."""

import dataclasses
import json
from pathlib import Path

import pandas as pd

from experiments.bench.exactness.cases import TABLES, Case, rows_of
from experiments.bench.exactness.cells import DIFFERENCES
from experiments.bench.exactness.check import KINDS, OUTCOMES, tolerance
from experiments.bench.exactness.training import EPOCHS
from experiments.engine.frame import Results
from experiments.reporting.report import Part, Table

EXCLUSIONS = (
    "On TensorFlow the gradient of an Embedding comes in parts, one each time that a "
    "word occurs in a batch; plain Keras squares, clips and takes signs of the parts, "
    "a population of their sum: where words repeat weights differ by more than "
    "rounding under Adam and its like, and Embeddings are trained with SGD here.",
    "A bias ahead of BatchNorm, and that of an attention's keys, has a gradient of "
    "rounding noise alone, of which Adam makes whole steps: there is none there.",
    "Lion's steps are the signs of gradients, and where an output saturates those are "
    "rounding noise too: it trains in float64, and nothing that saturates.",
    "On JAX, Keras takes means in float32 whatever the dtype, so that float64 agrees "
    "to the rounding of float32 there.",
    "What saturates trains in float64, and 16-bit networks with SGD, since a step that "
    "overshoots or divides makes much of a rounding error.",
    "TensorFlow rewrites the graph of a plain fit so that a product, its bias and its "
    "activation are rounded once, where a population rounds each: 16-bit networks are "
    "compared without that.",
    "Metrics that count outputs above a threshold are not compared in 16-bit networks: "
    "many an output there is equal to the threshold.",
)


def report(results: Results, folder: Path) -> list[Part]:
    """Returns tables of outcomes, and the sentences that go with them."""
    frame = results.frame
    # A file has no column of what no case has, such as differences of refusals.
    columns = dict.fromkeys([*frame.columns, *DIFFERENCES])
    frame = frame.reindex(columns=list(columns))
    compared = frame[frame["variables"].notna()]
    seconds = frame["check_seconds"]
    return [
        f"Each case trains a population of 2 or 3 members for {EPOCHS} epochs, and "
        "each member by plain `fit`; weights, losses and metrics after every epoch, "
        "`evaluate` and `predict` must agree, and the names of what is logged. All "
        f"took {seconds.sum() / 60:.0f} minutes, {seconds.median():.1f} seconds a "
        "case.",
        Table(
            "Outcomes",
            ["outcome", "cases"],
            [[name, f"{frame[name].sum():.0f}"] for name in OUTCOMES],
        ),
        _differences(compared),
        f"Weights move by {compared['moved'].min():.0e} at least, and by "
        f"{compared['moved'].median():.0e} in the median."
        if len(compared)
        else "Nothing was compared.",
        _refusals(frame),
        *_wrong(frame),
        *EXCLUSIONS,
        _coverage(frame),
    ]


def _differences(compared: pd.DataFrame) -> Table:
    rows = []
    for dtype, cases in compared.groupby("dtype"):
        (backend,) = cases["backend"].unique()
        largest = [f"{cases[kind].max():.1e}" for kind in KINDS]
        accepted = f"{tolerance(str(dtype), backend):.1e}"
        rows.append([str(dtype), str(len(cases)), *largest, accepted])
    title = "Largest differences, relative to the largest entry or 1"
    return Table(title, ["dtype", "cases", *KINDS, "accepted"], rows)


def _refusals(frame: pd.DataFrame) -> Table:
    refused = frame["refusal"][frame["refused"] == 1].value_counts()
    return Table(
        "Refusals of what plain `fit` takes",
        ["what", "cases"],
        [[str(what), str(number)] for what, number in sorted(refused.items())],
    )


def _wrong(frame: pd.DataFrame) -> list[Part]:
    """Lists what went wrong: all that makes the case again."""
    names = [field.name for field in dataclasses.fields(Case)]
    rows = [
        [outcome, json.dumps({name: row[name] for name in names})]
        for row in frame.to_dict("records")
        for outcome in ("different", "error")
        if row[outcome] == 1
    ]
    table = Table("Different, or in error", ["outcome", "case"], rows)
    if not rows:
        return [table]
    how = "`check(Case(**...))`, in `experiments.bench.exactness`, says what is wrong"
    return [table, f"{how} with the case of such a row."]


def _coverage(frame: pd.DataFrame) -> Table:
    (backend,) = frame["backend"].unique()
    rows = [
        [table, name or "none", str((frame[table] == name).sum())]
        for table in TABLES
        for name in rows_of(table, backend)
    ]
    return Table("Cases that have a row", ["table", "row", "cases"], rows)
