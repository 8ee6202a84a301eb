"""What becomes of a training, by what its first steps have come to."""

import numpy as np
import pytest

from keras_inits.diagnostics import outlook as module
from keras_inits.diagnostics.outlook import measures, outlook, trial_steps
from keras_inits.diagnostics.trial import NOTHING, Progress, Seen


def progress(half, last, loss=2.0, concordance=0.1, first=2.3, steps=10):
    """Returns one by what is explained after half of the steps, and after all."""
    seen = (Seen(loss, e, concordance) for e in (half, last))
    return Progress(steps, Seen(first, 0.0, 0.0), *seen)


def test_how_many_steps_are_tried():
    assert [trial_steps(n) for n in (1, 5, 6, 320, 1000)] == [1, 1, 2, 64, 200]
    assert trial_steps(10**6) == 200


def test_the_score_is_the_sum_that_is_documented():
    # At the pace of 0.02 in 5 steps, 40 steps more explain 0.16 more.
    seen = progress(0.02, 0.04)
    assert measures(seen, 50) == (pytest.approx(np.log10(0.2)), 0.1, 0.0)
    expected = np.log10(0.2) + module.CONCORDANCE * 0.1 - module.LIMIT
    assert outlook(seen, 50).score == pytest.approx(expected)
    risen = progress(0.02, 0.04, loss=2.4)
    assert outlook(risen, 50).score == pytest.approx(expected - module.ROSE)
    text = "10 steps of training, on a copy, take the loss from 2.3 to 2, and the "
    assert outlook(seen, 50).text == f"{text}outputs to explain 4 % of it"


def test_what_is_explained_goes_on_at_its_pace_but_is_not_lost():
    growing, held, falling = (progress(half, 0.02) for half in (0.0, 0.02, 0.04))
    scores = [outlook(seen, 1000).score for seen in (growing, held, falling)]
    assert scores[0] > 0 > scores[1] == scores[2]
    most = measures(progress(0.0, 1.0), 1000)
    least = measures(progress(0.0, -0.5, concordance=-0.9), 1000)
    assert most is not None and most[0] == 0  # No more than all.
    assert least is not None and least[:2] == (-3, -0.5)


def test_near_the_limit_it_is_uncertain():
    near, far = (
        progress(0.1, 0.1, concordance=c + (module.LIMIT + 1) / module.CONCORDANCE)
        for c in (0.5 * module.MARGIN, -1.5 * module.MARGIN)
    )
    assert outlook(near, 50).uncertain and outlook(near, 50).score > 0
    assert not outlook(far, 50).uncertain and outlook(far, 50).score < 0


def test_a_loss_that_is_not_finite_has_no_outlook():
    seen = Progress(20, Seen(1.0, 0.1, 0.1), NOTHING, NOTHING)
    assert outlook(seen, 100).score == -np.inf
    assert not outlook(seen, 100).uncertain
    assert "the loss is nan within 20 steps" in outlook(seen, 100).text


def test_where_nothing_can_be_explained_the_fall_counts():
    def seen(loss):
        return Progress(10, *(Seen(v, np.nan, np.nan) for v in (4.0, 4.0, loss)))

    assert outlook(seen(2.0), 10).score > 0 > outlook(seen(3.9999), 10).score
    assert "explain" not in outlook(seen(2.0), 10).text
    # A loss may be below 0: half as far below it again is a fall, and no rise.
    below = Progress(10, *(Seen(v, np.nan, np.nan) for v in (-1.0, -1.01, -1.5)))
    assert measures(below, 10) == (pytest.approx(np.log10(0.5)), 0.5, 0.0)
    assert outlook(Progress(1, *[Seen(0.0, np.nan, np.nan)] * 3), 9).score < 0


def test_one_step_is_one():
    text = outlook(progress(0.0, 0.0, steps=1), 5).text
    assert text.startswith("1 step of training, on a copy, takes the loss")
    assert text.endswith("explain less than 0.1 % of it")
