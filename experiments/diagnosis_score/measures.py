"""What `diagnose` goes by, as the columns of a table."""

from collections.abc import Mapping
from typing import Any

from keras_inits.diagnostics.trial import Progress

_TIMES = ("at first", "after half", "after all")


def columns(progress: Progress) -> dict[str, float]:
    """Returns what a trial came to as numbers."""
    losses = {f"loss {t}": v for t, v in zip(_TIMES, progress.loss, strict=True)}
    explained = zip(_TIMES, progress.explained, strict=True)
    return {
        "trial steps": float(progress.steps),
        **losses,
        **{f"explained {time}": value for time, value in explained},
        "concordance": progress.concordance,
    }


def progress_of(row: Mapping[str, Any]) -> Progress:
    """Returns what a trial came to, from `columns`."""
    first, half, last = (float(row[f"loss {time}"]) for time in _TIMES)
    e_first, e_half, e_last = (float(row[f"explained {time}"]) for time in _TIMES)
    return Progress(
        steps=int(row["trial steps"]),
        loss=(first, half, last),
        explained=(e_first, e_half, e_last),
        concordance=float(row["concordance"]),
    )
