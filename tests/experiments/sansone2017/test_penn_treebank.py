"""Tests of language models: how a text is read, and what its report says."""

import dataclasses
import math

import keras
import numpy as np
import pandas as pd
import pytest

from experiments.engine import corpora, frame
from experiments.engine.frame import LedgerSource, Results
from experiments.engine.ledger import Ledger
from experiments.sansone2017 import penn_treebank, penn_treebank_report, recurrent
from experiments.sansone2017.methods import METHODS, PAPER
from experiments.sansone2017.penn_treebank import BATCH, STEPS, Cell, Text, side_by_side

CELL = Cell(
    "logistic", 6, 50, methods=("glorot", "random+EP"), seeds=1, dataset="markov"
)


def test_batches_go_on_where_the_last_one_ended():
    words = np.arange(2 * BATCH * STEPS + 7)
    x, y = side_by_side(words)
    assert x.shape == y.shape == (2 * BATCH, STEPS)
    np.testing.assert_array_equal(y, x + 1)
    # The second batch has the next words of each text of the first.
    np.testing.assert_array_equal(x[BATCH:], x[:BATCH] + STEPS)
    assert np.array_equal(np.sort(x.ravel()), words[: x.size])
    with pytest.raises(ValueError, match="more than 400 words. Received: 400"):
        side_by_side(words[:400])
    with pytest.raises(ValueError, match="Received: 0"):
        side_by_side(words[:0])


def test_networks_have_the_parameters_of_section_6_5():
    for kind, units in (("logistic", 200), ("lstm", 190)):
        model = recurrent.network(10_000, units, kind)
        assert model.count_params() == pytest.approx(4_090e3, rel=0.01)


def test_an_epoch_is_a_quarter_of_a_pass():
    cell = Cell("logistic", 200)
    assert cell.iterations_per_epoch == (929_589 - 1) // 1600 == 580
    assert cell.rows_per_run == 862
    x, y = side_by_side(corpora.load("markov").parts["train"])
    text = Text(x, y)
    assert len(text) == CELL.iterations_per_epoch == 6
    text.part = 3
    np.testing.assert_array_equal(text[5][0], x[23 * BATCH : 24 * BATCH])


def perplexity(model, words):
    """Returns it of one text at a time, word after word, in numpy."""
    embeddings, kernel, states, bias, output, output_bias = model.get_weights()
    x, y = side_by_side(words)
    x, y = (a.reshape(-1, BATCH, STEPS).transpose(1, 0, 2) for a in (x, y))
    x, y = x.reshape(BATCH, -1), y.reshape(BATCH, -1)
    state, loss = np.zeros((BATCH, kernel.shape[1])), 0.0
    for step in range(x.shape[1]):
        logits = embeddings[x[:, step]] @ kernel + state @ states + bias
        state = 1 / (1 + np.exp(-logits))
        scores = np.exp(state @ output + output_bias)
        right = scores[np.arange(BATCH), y[:, step]] / scores.sum(axis=1)
        loss -= np.log(right).sum()
    return math.exp(loss / y.size)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("words") / "ledger.sqlite")
    CELL.train(CELL.describe(), ledger)
    assert not ledger.missing(CELL.describe(), CELL.rows_per_run)
    return ledger


def test_the_ledger_has_perplexities_of_states_that_go_on(trained):
    corpus = corpora.load("markov")
    run = CELL.describe()[1]
    x, y = side_by_side(corpus.parts["train"])
    model = CELL.build(run["method"], run["seed"], corpus.words, x)
    # Two passes through what four quarters have.
    assert CELL.rows_per_run == 8
    used = 24 * BATCH
    for _ in range(2):
        model.layers[1].reset_state()
        model.fit(x[:used], y[:used], BATCH, shuffle=False, verbose=0)
    row = trained.curve(run)[-1]
    for loss, part in (("val_loss", "valid"), ("test_loss", "test")):
        expected = perplexity(model, corpus.parts[part])
        assert math.exp(row[loss]) == pytest.approx(expected, rel=1e-4)
    # It is not far from the beginning, and above the least that there is.
    assert corpus.perplexity < expected < 3 * corpus.words


def test_what_is_evaluated_in_between_leaves_no_trace():
    corpus = corpora.load("markov")
    x, y = side_by_side(corpus.parts["train"])
    states = []
    for more in ({}, {"validation_data": (x, y), "validation_batch_size": BATCH}):
        model, text = CELL.build("random+EP", 0, corpus.words, x), Text(x, y)
        callbacks = [penn_treebank.States(text)]
        model.fit(text, shuffle=False, verbose=0, callbacks=callbacks, **more)
        states.append(np.asarray(model.layers[1].states[0]))
    assert states[0].std() > 0.05
    np.testing.assert_array_equal(*states)


def test_gradients_are_clipped_and_dropout_spares_the_state():
    corpus = corpora.load("markov")
    x, _ = side_by_side(corpus.parts["train"])
    cell = dataclasses.replace(CELL, dropout=0.5)
    model = cell.build("random+EP", 0, corpus.words, x)
    assert model.optimizer.global_clipnorm == penn_treebank.CLIPNORM
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Embedding", "Dropout", "SimpleRNN", "Dropout", "Dense"]
    assert model.layers[2].recurrent_dropout == 0
    plain = CELL.build("random+EP", 0, corpus.words, x)
    for one, other in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_lstm_starts_as_keras_has_it():
    cell = Cell("lstm", 5, 50, seeds=1, dataset="markov")
    assert cell.methods == ("lstm",)
    x, _ = side_by_side(corpora.load("markov").parts["train"])
    one, again, other = (cell.build("lstm", seed, 20, x) for seed in (1, 1, 2))
    assert isinstance(one.layers[1], keras.layers.LSTM)
    np.testing.assert_array_equal(one.get_weights()[0], again.get_weights()[0])
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])


def test_dropout_moves_the_logits_of_a_projected_output_as_computed():
    model = recurrent.network(30, 200, "logistic", 0.5)
    recurrent.initialize(model, "random+EP", np.zeros((50, 5), "int32"), 0)
    random = np.random.default_rng(0)
    # Outputs at the optimum, and what is dropped of them.
    x = 1 / (1 + np.exp(-random.normal(0, math.sqrt(math.pi / 2), (2000, 200))))
    kept = x * (random.random(x.shape) < 0.5) / 0.5
    kernel, bias = model.layers[-1].get_weights()
    moved = (kept - x) @ kernel
    assert np.sqrt(np.mean(moved**2)) == pytest.approx(
        recurrent.dropped_std(0.5), rel=0.05
    )


def test_the_report_of_a_beginning_decides_nothing(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cells = [
        dataclasses.replace(CELL, iterations=6, methods=PAPER, dropout=0.5),
        Cell("lstm", 5, 6, 0.5, seeds=1, dataset="markov"),
    ]
    for cell in cells:
        cell.train(cell.describe(), ledger)
    results = frame.read(cells, LedgerSource(ledger))
    claims, table, picture, text = penn_treebank_report.report(6)(results, tmp_path)
    assert [row[0] for row in table.rows] == ["lstm", *PAPER]
    assert "published" not in table.columns
    assert [row[-1] for row in claims.rows] == ["open"] * 2
    assert picture.exists() and "the paper: 500,000" in text


@pytest.mark.parametrize("number", [5, 6])
def test_claims_follow_the_perplexities(tmp_path, number):
    """As published: random+EP last and overfitted without dropout, first with it."""
    cell = Cell("logistic", 200)
    first = 3.0 if number == 5 else 1.0
    levels = dict(zip(METHODS, (2, 2.2, 2.4, 1.8, 1.7, first, 2, 2), strict=True))
    levels["lstm"] = 0.99
    rows = []
    for each in (cell, Cell("lstm", 190)):
        for run in each.describe():
            level = 4.5 + 0.1 * levels[run["method"]] + 0.001 * run["seed"]
            turns = run["method"] == "random+EP" and number == 5
            for epoch in (100, cell.rows_per_run - 1):
                ends = epoch > 100
                loss = level + (0.1 if ends == turns else 0.0)
                fitted = level - (0.5 if turns else 0.0)
                row = {"epoch": epoch, "loss": fitted, "val_loss": loss}
                rows.append(run | row | {"test_loss": loss, "versions": "none"})
    index = pd.Index([frame.key({k: r[k] for k in ("method", "seed")}) for r in rows])
    table = pd.DataFrame(rows, index=index.rename("run"))
    results = Results([cell, Cell("lstm", 190)], table, len(rows))
    claims, perplexities, *_ = penn_treebank_report.report(number)(results, tmp_path)
    assert [row[-1] for row in claims.rows] == ["yes"] * (3 if number == 5 else 2)
    published = {row[0]: row[2] for row in perplexities.rows}
    assert published["random+EP"] == ("164.0 ± 0.5" if number == 5 else "130.1 ± 0.4")
