"""What `diagnose` goes by, as the columns of a table."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from keras_inits.diagnostics.trial import Progress, Seen

_TIMES = ("first", "half", "last")
_NAMES = [field.name for field in dataclasses.fields(Seen)]


def columns(progress: Progress) -> dict[str, float]:
    """Returns what a trial came to as numbers."""
    return {"trial steps": float(progress.steps)} | {
        f"{name} at {time}": getattr(getattr(progress, time), name)
        for time in _TIMES
        for name in _NAMES
    }


def progress_of(row: Mapping[str, Any]) -> Progress:
    """Returns what a trial came to, from `columns`."""
    seen = [Seen(*(float(row[f"{n} at {time}"]) for n in _NAMES)) for time in _TIMES]
    return Progress(int(row["trial steps"]), *seen)
