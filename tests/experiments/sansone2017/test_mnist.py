"""Tests of logistic networks on digits, and of their report."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import datasets, frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.engine.logistic_signals import signals
from experiments.sansone2017 import mnist_report
from experiments.sansone2017.methods import METHODS, initialize, network
from experiments.sansone2017.mnist import Cell

CELL = Cell((12, 8), 50, watched=True, seeds=2, dataset="digits")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("mnist") / "ledger.sqlite")
    CELL.train(ledger.missing(CELL.describe(), CELL.rows_per_run), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return ledger


def test_a_fixed_sixth_of_the_train_part_validates():
    cell = Cell((800,), 900_000)
    assert (cell.samples, cell.iterations_per_epoch) == (50_000, 1000)
    assert cell.rows_per_run == 900
    assert (CELL.samples, CELL.iterations_per_epoch, CELL.rows_per_run) == (1249, 24, 2)


def test_a_member_is_a_network_that_plain_fit_trains(trained):
    """Of the first epoch: the same start, samples and order, in plain Keras."""
    parts = {part: datasets.load("digits", part=part) for part in ("train", "test")}
    scaled = {part: datasets.scale(data, "unit") for part, data in parts.items()}
    order = np.random.default_rng(0).permutation(1498)
    mean = scaled["train"][order[:1249]].mean(axis=0)
    x, y = scaled["train"] - mean, parts["train"].y
    model = network(64, (12, 8), 10, "softmax")
    initialize(model, "random+EP", x[order[:1000]], 1)
    start = signals(
        [of.get_weights() for of in model.layers], x[order[:1249]], y[order[:1249]]
    )
    model.compile(
        keras.optimizers.SGD(0.001, momentum=0.9),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    first = np.random.default_rng((1, 0)).permutation(order[:1249])[:1200]
    model.fit(x[first], y[first], 50, shuffle=False, verbose=0)
    row = trained.curve(CELL.description("random+EP", 1))[0]
    for name, data in (
        ("val", (x[order[1249:]], y[order[1249:]])),
        ("test", (scaled["test"] - mean, parts["test"].y)),
    ):
        loss, accuracy = model.evaluate(*data, verbose=0)
        assert row[f"{name}_loss"] == pytest.approx(loss, rel=1e-4)
        assert row[f"{name}_accuracy"] == pytest.approx(accuracy, abs=1e-6)
    # In 24 small steps no layer has gone far.
    for number, layer in enumerate(start, 1):
        assert row[f"mean_{number}"] == pytest.approx(layer["output_mean"], abs=0.02)
    assert row["mean_3"] == pytest.approx(0.1, abs=1e-5)


def test_the_report_has_every_method_and_layer(trained, tmp_path):
    results = frame.read([CELL], LedgerSource(trained))
    claims, table, *pictures, text = mnist_report.report(3)(results, tmp_path)
    assert [row[0] for row in table.rows] == list(METHODS)
    # What was published of MNIST is not compared with other digits.
    assert not any(row[2] for row in table.rows)
    assert len(claims.rows) == 5 + 4
    assert [path.name for path in pictures] == ["curves.png", "layers.png"]
    assert "a prefix of the paper's 900,000" in text


def test_claims_follow_the_curves(tmp_path):
    """The projection falls fast and stays alive; others drift to 0; lsuv is between."""
    cell = dataclasses.replace(CELL, seeds=4, dataset="mnist", iterations=2000)
    rows = []
    for run in cell.describe():
        method, seed = run["method"], run["seed"]
        rate = 1.0 if "EP" in method else 0.5 if method == "lsuv" else 0.1
        noise = (0.01 if method == "random+EP" else 0.05) * (seed - 1.5)
        for epoch in range(2):
            loss = float(np.exp(-rate * (epoch + 1) + noise))
            layer = 0.5 if "EP" in method or method == "lsuv" else 0.05
            rows.append(
                run
                | {"epoch": epoch, "loss": loss, "val_loss": loss}
                | {"test_accuracy": 1 - loss / 10, "versions": "none"}
                | {f"{of}_{n}": layer for of in ("mean", "sd") for n in (1, 2, 3)}
            )
    index = pd.Index([frame.key({k: r[k] for k in ("method", "seed")}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    results = Results([cell], table, len(rows))
    claims, errors, *_ = mnist_report.report(3)(results, tmp_path)
    assert [row[-1] for row in claims.rows] == ["yes"] * 9
    assert errors.rows[0][1:4] == ["8.2 ± 0.5", "3.11 ± 0.14", "2,000"]
