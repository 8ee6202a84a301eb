"""What becomes of a training, by what its first steps have come to."""

from dataclasses import dataclass

import numpy as np

from keras_inits.diagnostics.trial import Progress

# The first three by logistic regression on the networks that
# `python -m experiments score diagnose` calls "fitted"; its report has both. The margin
# leaves 9 % uncertain of these, and of those that it calls "looked at".
CONCORDANCE = 1.8
"""Weight of the concordance, beside that of powers of ten of what is explained."""

ROSE = 1.6
"""What it costs if the loss rises above that at first: steps are too long."""

LIMIT = -0.1
"""The score from which a network is expected to train."""

MARGIN = 0.6
"""As near to the limit on either side, the outlook is uncertain."""

LEAST_EXPLAINED = 1e-3
"""What is expected to be explained counts as this part of the loss at least."""

_RISE = 0.02  # Of the loss at first: less is no rise.
_PART_TRIED, _MOST_TRIED = 5, 200


def trial_steps(steps: int) -> int:
    """Returns how many steps are tried of a training: a fifth of them, 200 at most."""
    return min(-(-steps // _PART_TRIED), _MOST_TRIED)


@dataclass(frozen=True)
class Outlook:
    """What is expected of a training.

    Args:
        score: How good it is: above 0 the network is expected to train.
        text: What was measured, in plain words.
    """

    score: float
    text: str

    @property
    def uncertain(self) -> bool:
        """Whether it is so near to 0 that either may come."""
        return abs(self.score) < MARGIN


def outlook(progress: Progress, steps: int) -> Outlook:
    """Says what becomes of a training, by what its first steps have come to.

    Where the part `E` of the loss that outputs explain goes on to grow at the pace of
    the second half of these steps, it ends at some `E'`. The score is
    `log10 E' + CONCORDANCE * C - LIMIT`, with the concordance `C`: outputs that tell
    the targets apart, but by little as yet, come to do so by more. It is less by `ROSE`
    where the loss has risen above that at first. Where layers add the only loss, or
    all targets are the same, `E` is the part by which it has fallen, and `C` is 1/2.

    Examples:
        >>> from keras_inits.diagnostics.outlook import outlook
        >>> from keras_inits.diagnostics.trial import Progress, Seen
        >>> seen = Seen(2.3, 0.0, 0.0), Seen(2.1, 0.1, 0.5), Seen(1.9, 0.2, 0.8)
        >>> outlook(Progress(64, *seen), steps=320).score > 0
        True

    Args:
        progress: What they have come to.
        steps: How many steps training has.
    """
    features = measures(progress, steps)
    first, loss, tried = progress.first.loss, progress.last.loss, progress.steps
    taken = "1 step" if tried == 1 else f"{tried} steps"
    if features is None:
        text = f"the loss is {loss:.3g} within {taken} of training, on a copy"
        return Outlook(-np.inf, text)
    explained, concordance, rose = features
    score = explained + CONCORDANCE * concordance - ROSE * rose - LIMIT
    take = "takes" if tried == 1 else "take"
    text = f"{taken} of training, on a copy, {take} the loss from {first:.4g} to "
    text += f"{loss:.4g}"
    now = progress.last.explained
    if np.isfinite(now):
        part = f"{100 * now:.2g} %" if now >= 0.001 else "less than 0.1 %"
        text += f", and the outputs to explain {part} of it"
    return Outlook(float(score), text)


def measures(progress: Progress, steps: int) -> tuple[float, float, float] | None:
    """Returns what the score is a sum of; nothing where the loss is not finite.

    Returns:
        `log10 E'`, the concordance, and 1 if the loss has risen above that at first,
        else 0.
    """
    first, half, last = progress.first, progress.half, progress.last
    if not np.isfinite(last.loss):
        return None
    then, now, concordance = half.explained, last.explained, last.concordance
    if np.isnan(now):
        size = max(abs(first.loss), np.finfo(float).tiny)
        then, now = ((first.loss - seen.loss) / size for seen in (half, last))
        concordance = 0.5
    # Losses go up and down at large rates: what falls in between is not lost.
    pace = max(now - then, 0.0) / max(progress.steps // 2, 1)
    expected = now + pace * (steps - progress.steps)
    explained = np.log10(np.clip(expected, LEAST_EXPLAINED, 1))
    rise = max(half.loss, last.loss) - first.loss
    rose = float(rise > _RISE * abs(first.loss))
    return float(explained), max(concordance, -0.5), rose
