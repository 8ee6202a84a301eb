"""Tests of the copy memory problem, and of how its networks start."""

import math

import numpy as np
import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.sansone2017 import copy_memory, entropy, recurrent
from experiments.sansone2017.copy_memory import Cell, data, memoryless
from experiments.sansone2017.methods import METHODS


def test_sequences_are_those_of_section_6_4():
    x, y = data(100, 0)
    assert x.shape == y.shape == (1000, 106)
    assert set(x[:, :3].ravel()) == set(range(8))
    # T - 1 that fill, one that asks, three that fill; the answer comes at the end.
    assert (x[:, 3:102] == 8).all() and (x[:, 102] == 9).all()
    assert (x[:, 103:] == 8).all() and (y[:, :103] == 8).all()
    np.testing.assert_array_equal(y[:, 103:], x[:, :3])
    assert not np.array_equal(data(100, 1)[0], x)


def test_the_memoryless_strategy_knows_all_but_the_answer():
    _, y = data(100, 0)
    probabilities = np.where(y < 8, 1 / 8, 1.0)
    perplexity = math.exp(-np.log(probabilities).mean())
    assert perplexity == pytest.approx(memoryless(100)) == pytest.approx(1.0606, 1e-4)


def test_both_kinds_have_as_many_parameters():
    sizes = [
        recurrent.network(10, units, kind).count_params()
        for kind, units in (("logistic", 100), ("lstm", 52))
    ]
    # The paper says roughly 32000; what Figure 9 shows has fewer.
    assert sizes[1] / sizes[0] == pytest.approx(1, abs=0.05)
    assert sizes == [100 * (10 + 100 + 100 + 1) + 1010, 52 * 10 + 4 * 52 * 105 + 530]


@pytest.mark.parametrize("method", METHODS)
def test_a_logistic_network_starts_as_its_method_has_it(method):
    x, _ = data(10, 0)
    model = recurrent.network(10, 20, "logistic")
    recurrent.initialize(model, method, x[:100], 0)
    embedding, layer, output = model.layers
    assert embedding.get_weights()[0].std() == pytest.approx(1, rel=0.15)
    kernel, states, bias = layer.get_weights()
    if "EP" in method:
        std = entropy.BOUND_STD if "true" not in method else entropy.best_std()
        inputs = np.asarray(embedding(x[:100])).reshape(-1, 20)
        outputs = np.asarray(layer(embedding(x[:100])))
        before = np.concatenate([np.zeros((100, 1, 20)), outputs[:, :-1]], axis=1)
        taken = np.concatenate([inputs, before.reshape(-1, 20)], axis=1)
        weights = np.concatenate([kernel, states])
        np.testing.assert_allclose(taken.var(axis=0) @ weights**2, std**2, rtol=5e-3)
        assert bias.any() and output.get_weights()[1].any()
    else:
        assert not bias.any() and not output.get_weights()[1].any()
    if method == "ortho":
        np.testing.assert_allclose(states.T @ states, np.eye(20), atol=1e-5)
    if method == "yilmaz_poli":
        assert kernel.mean() < -0.1 and abs(output.get_weights()[0].mean()) < 0.1
    again = recurrent.network(10, 20, "logistic")
    recurrent.initialize(again, method, x[:100], 0)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_trains_and_is_reported(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    cells = [Cell("logistic", 6, 2, 200, 1), Cell("lstm", 4, 2, 200, 1)]
    for cell in cells:
        cell.train(ledger.missing(cell.describe(), cell.rows_per_run), ledger)
        assert not ledger.missing(cell.describe(), cell.rows_per_run)
    results = frame.read(cells, LedgerSource(ledger, ["loss", "val_loss"]))
    claims, table, picture, text = copy_memory.report(results, tmp_path)
    assert [row[0] for row in table.rows] == [*METHODS, "lstm"]
    assert len(claims.rows) == 2 and picture.exists()
    assert f"= {memoryless(2):.3f}" in text
