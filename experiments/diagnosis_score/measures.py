"""What `diagnose` goes by, as the columns of a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_inits.diagnostics.trial import Progress, Seen

_TIMES = ("first", "half", "last")


def columns(progress: Progress) -> dict[str, float]:
    """Returns what a trial came to as numbers: those that the outlook depends on."""
    seen = {time: getattr(progress, time) for time in _TIMES}
    return {
        "trial steps": float(progress.steps),
        **{f"loss at {time}": one.loss for time, one in seen.items()},
        **{f"explained at {time}": one.explained for time, one in seen.items()},
        "concordance": progress.last.concordance,
    }


def progress_of(row: Mapping[str, Any]) -> Progress:
    """Returns what a trial came to, from `columns`; NaN is what these leave out."""
    concordance = {"last": float(row["concordance"])}
    seen = [
        Seen(
            float(row[f"loss at {time}"]),
            float(row[f"explained at {time}"]),
            concordance.get(time, np.nan),
        )
        for time in _TIMES
    ]
    return Progress(int(row["trial steps"]), *seen)
