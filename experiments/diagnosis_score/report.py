"""What the report of `diagnose-score` shows: predictions beside real training."""

from pathlib import Path

import pandas as pd

from experiments.diagnosis_score.cells import BATCH, INITIALIZERS, RATES, STEPS
from experiments.engine.frame import Results
from experiments.reporting.report import Part, Table

TRAINED = 0.3
"""Training accuracy, three times chance, from which a network is said to train."""

UNCLEAR = (0.2, 0.4)
"""Accuracies at which it has begun to: it is a matter of some more steps."""


def report(results: Results, folder: Path) -> list[Part]:
    """Counts of right predictions, by half and by what the networks are."""
    frame = results.frame.assign(
        predicted=results.frame["will_train"] == 1,
        trained=results.frame["accuracy"] >= TRAINED,
        clear=~results.frame["accuracy"].between(*UNCLEAR, inclusive="left"),
    )
    frame["right"] = frame["predicted"] == frame["trained"]
    return [
        f"{len(frame)} networks on the digits, for each of which diagnose predicts "
        "before training whether it will train: initializers "
        f"{', '.join(INITIALIZERS)}; learning rates {', '.join(map(str, RATES))}. Each "
        f"is then trained for {STEPS} steps of {BATCH}. One "
        f"trains if its accuracy on the training set is at least {TRAINED:.0%}, three "
        "times chance. It is unclear between "
        f"{UNCLEAR[0]:.0%} and {UNCLEAR[1]:.0%}, where some steps more or less decide. "
        "The thresholds of diagnose were chosen on networks of the first half and "
        "others like them. An earlier version was scored on both halves, so that the "
        "second half, though no threshold was fitted to it, was known by then.",
        *(_confusion(half, rows) for half, rows in _groups(frame, "half")),
        *(_by(name, frame) for name in ("optimizer", "activation", "initializer")),
    ]


def _groups(frame: pd.DataFrame, name: str) -> list[tuple[str, pd.DataFrame]]:
    return [(value, frame[frame[name] == value]) for value in frame[name].unique()]


def _confusion(half: str, frame: pd.DataFrame) -> Table:
    lines = []
    for label, predicted in (("predicted to train", True), ("predicted not to", False)):
        trained = frame["trained"][frame["predicted"] == predicted]
        lines.append([label, str(trained.sum()), str((~trained).sum())])
    clear = frame["right"][frame["clear"]]
    return Table(
        f"{half}: {frame['right'].mean():.1%} right of {len(frame)}; "
        f"{clear.mean():.1%} of the {len(clear)} that are clear",
        ["", "trained", "did not"],
        lines,
    )


def _by(name: str, frame: pd.DataFrame) -> Table:
    lines = [
        [
            value,
            str(len(rows)),
            f"{rows['trained'].mean():.1%}",
            f"{rows['right'].mean():.1%}",
        ]
        for value, rows in _groups(frame, name)
    ]
    return Table(f"By {name}", [name, "networks", "trained", "right"], lines)
