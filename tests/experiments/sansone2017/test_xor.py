"""Tests of XOR with two hidden logistic units."""

import numpy as np
import pytest

from experiments.engine import frame
from experiments.engine.frame import LedgerSource
from experiments.engine.ledger import Ledger
from experiments.sansone2017 import xor
from experiments.sansone2017.methods import METHODS

SEEDS = 8  # Enough for one of five rivals to be ahead by more than chance.


def test_each_repeat_has_data_of_its_own_with_as_many_of_each_corner():
    x, y = xor.data(0)
    assert x.shape == (400, 2) and set(y) == {0.0, 1.0}
    for half in (slice(0, 200), slice(200, 400)):
        counts = {c: 0 for c in ((-1, -1), (-1, 1), (1, -1), (1, 1))}
        for corner in map(tuple, np.where(x[half] > 0, 1, -1)):
            counts[corner] += 1
        # Of 50 each a few lie across an axis: 3.3 standard deviations are 1.
        assert all(45 <= count <= 55 for count in counts.values()), counts
    np.testing.assert_array_equal(x, xor.data(0)[0])
    assert not np.array_equal(x, xor.data(1)[0])
    sure = np.abs(x).min(axis=1) > 0.9
    np.testing.assert_array_equal(y[sure] == 1, np.prod(x[sure], axis=1) < 0)


def test_every_step_is_on_all_samples_of_the_repeat():
    train, test = xor._batches([3, 5])
    assert len(train) == 50 and len(test) == 1
    for place, seed in enumerate((3, 5)):
        x, y = xor.data(seed)
        for step in (0, 49):
            inputs, targets = train[step]
            np.testing.assert_array_equal(inputs["per_seed"][:, place], x[:200])
            np.testing.assert_array_equal(targets[:, place, 0], y[:200])
        inputs, _ = test[0]
        np.testing.assert_array_equal(inputs["per_seed"][:, place], x[200:])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    ledger = Ledger(tmp_path_factory.mktemp("xor") / "ledger.sqlite")
    cell = xor.Cell(iterations=300, seeds=3)
    cell.train(ledger.missing(cell.describe(), cell.rows_per_run), ledger)
    assert not ledger.missing(cell.describe(), cell.rows_per_run)
    return frame.read([cell], LedgerSource(ledger))


def test_the_projection_learns_before_the_others(trained, tmp_path):
    last = trained.frame[trained.frame["epoch"] == 300 // 50 - 1]
    loss = last.groupby("method")["loss"].mean()
    assert loss["random+EP"] < loss[["lecun", "glorot", "ortho"]].min() - 0.1
    claims, table, picture, _ = xor.report(trained, tmp_path)
    assert [row[0] for row in table.rows] == list(METHODS)
    assert len(claims.rows) == 8 and picture.exists()


def judged(error, solved_at=None, spread=0.1):
    final = {
        m: {s: error(m) + spread * (s - 3.5) for s in range(SEEDS)} for m in METHODS
    }
    soonest = {
        (method, seed): at
        for method, at in (solved_at or {}).items()
        for seed in range(SEEDS)
    }
    return [held for *_, held in xor._claims(final, soonest)]


def test_claims_follow_the_numbers():
    def as_published(method):
        return {"ortho": 25.0, "lecun": 20.0, "glorot": 20.0}.get(method, 1.0)

    soon = {"random+EP": 100, "ortho+EP": 200, "glorot": 300}
    assert judged(as_published, soon) == [True] * 8
    soon = {"random+EP": 300, "ortho+EP": 50, "glorot": 100}
    assert judged(as_published, soon)[1::3][:2] == [True, False]
    # None solved it, in no repeat: nothing is first, and nothing is last.
    equal = [None, None, True]
    assert judged(lambda method: 1.0) == [*equal, *equal, None, False]

    def behind(method):
        return 30.0 if method == "random+EP" else 20.0

    assert judged(behind) == [None, None, True, False, None, False, False, None]
    # Repeats that differ by more do not say where the mean is.
    assert judged(as_published, spread=6.0)[-1] is None
