"""What the report of `diagnose-score` shows: predictions beside real training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from experiments.diagnosis_score.cells import (
    BATCH,
    INITIALIZERS,
    OPTIMIZERS,
    RATES,
    SCALES,
    STEPS,
)
from experiments.diagnosis_score.measures import progress_of
from experiments.diagnosis_score.tasks import FAMILIES
from experiments.engine.frame import Results
from experiments.reporting.report import Part, Table
from keras_inits.diagnostics import outlook

TRAINED = 0.25
"""Skill from which a network is said to train."""

UNCLEAR = (0.15, 0.35)
"""Skill at which it has begun to: it is a matter of some more steps."""

TRAINED_LOSS = 0.05
"""Part by which the loss must then be below that of outputs alike for all samples."""

_TRAINING = [
    *("third", "task", "network", "initializer", "scale"),
    *("optimizer", "learning_rate"),
]


def report(results: Results, folder: Path) -> list[Part]:
    """Counts of right predictions, by third and by family of tasks."""
    networks = judged(results.frame)
    together = networks[networks["engine"] != "fit"]
    return [
        f"{len(together)} networks, for each of which diagnose says whether it will "
        f"train, from {outlook.trial_steps(STEPS)} steps on a copy: initializers "
        f"{', '.join(INITIALIZERS)}; optimizers "
        f"{', '.join(OPTIMIZERS)}; learning rates {', '.join(map(str, RATES))}; inputs "
        f"of about 1 in size times {', '.join(map(str, SCALES))}. Each is then trained "
        f"for {STEPS} steps of {BATCH}. Its skill on the training samples is 0 for "
        "what needs no inputs (the largest class, the mean), 1 for no error. It trains "
        f"if that is at least {TRAINED}, and its loss {TRAINED_LOSS:.0%} below that of "
        "the best output that needs no inputs. Some are not clear, and not counted: "
        f"with a skill between {UNCLEAR[0]} and {UNCLEAR[1]}, a matter of some steps; "
        "and where skill and loss disagree, as of huge outputs that classify well at a "
        "loss far above chance, or of outputs that hardly differ and lie on the right "
        "side by chance. Constants of diagnose were chosen on the tasks and networks "
        "of the first third alone, and looked at on the second; the last was judged "
        "once, after that.",
        *_constants(together),
        _by(together, "third", "All"),
        *(
            _by(together[together["third"] == third], "family", third)
            for third in together["third"].unique()
        ),
        *(
            _by(together[together["third"] == "judged"], name, f"judged, by {name}")
            for name in ("optimizer", "initializer", "scale", "network")
        ),
        *_plain_fit(networks),
    ]


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each training, with what diagnose says of the network."""
    measured = frame[frame["diagnosis"].notna()].set_index(_TRAINING)
    networks = frame[frame["engine"].notna()].copy()
    of: dict[Any, Any] = measured.to_dict("index")
    progress = [
        progress_of(of[tuple(row[name] for name in _TRAINING)])
        for row in networks.to_dict("records")
    ]
    score = np.array([outlook.outlook(seen, STEPS).score for seen in progress])
    skill, of_loss = (
        networks[name].fillna(-np.inf) for name in ("skill", "loss skill")
    )
    trained = skill >= TRAINED
    return networks.assign(
        family=[FAMILIES[name] for name in networks["task"]],
        progress=pd.Series(progress, networks.index, dtype=object),
        says=np.select(
            [score <= -outlook.MARGIN, score >= outlook.MARGIN],
            ["will not train", "will train"],
            "uncertain",
        ),
        trained=trained,
        clear=~skill.between(*UNCLEAR, inclusive="left")
        & (trained == (of_loss >= np.where(trained, TRAINED_LOSS, UNCLEAR[0]))),
    )


def counts(networks: pd.DataFrame) -> dict[str, float]:
    """Counts of networks whose training is clear: how often diagnose is right.

    Args:
        networks: From `judged`.
    """
    clear = networks[networks["clear"]]
    certain = clear[clear["says"] != "uncertain"]
    right = (certain["says"] == "will train") == certain["trained"]
    alarms = certain["says"] == "will not train"
    return {
        "networks": len(networks),
        "clear": len(clear),
        "uncertain": float((clear["says"] == "uncertain").mean()),
        "right": float(right.mean()),
        "true alarms": float(right[alarms].mean()),
        "trained, said so": int((right & ~alarms).sum()),
        "trained, said not": int((~right & alarms).sum()),
        "not trained, said so": int((~right & ~alarms).sum()),
        "not trained, said not": int((right & alarms).sum()),
    }


def _constants(networks: pd.DataFrame) -> list[Table]:
    """Sets the constants of the outlook beside those of a logistic regression."""
    fitted = networks[(networks["third"] == "fitted") & networks["clear"]]
    seen = [outlook.measures(progress, STEPS) for progress in fitted["progress"]]
    known = np.array([one is not None for one in seen], bool)
    trained = fitted["trained"].to_numpy()[known]
    if len(set(trained)) < 2:
        return []
    measures = np.array([one for one in seen if one is not None])
    # Without regularization, as far as that matters.
    found = LogisticRegression(C=100.0).fit(measures, trained)
    explained, concordance, rose = found.coef_[0]
    rows = [
        [name, f"{in_use:g}", f"{value / explained:.2f}"]
        for name, in_use, value in (
            ("CONCORDANCE", outlook.CONCORDANCE, concordance),
            ("ROSE", outlook.ROSE, -rose),
            ("LIMIT", outlook.LIMIT, -found.intercept_[0]),
        )
    ]
    columns = ["constant", "in use", "by regression on the fitted third"]
    return [Table("Constants of diagnose", columns, rows)]


def _by(networks: pd.DataFrame, name: str, title: str) -> Table:
    groups = [(str(value), rows) for value, rows in networks.groupby(name, sort=False)]
    if len(groups) > 1:
        groups.append(("all", networks))
    rows = []
    for value, of_value in groups:
        number = counts(of_value)
        rows.append(
            [
                value,
                *(f"{number[key]:.0f}" for key in list(number)[:2]),
                *(f"{100 * number[key]:.1f}" for key in list(number)[2:5]),
                *(f"{number[key]:.0f}" for key in list(number)[5:]),
            ]
        )
    columns = [name, "networks", "clear", "uncertain (%)", "right (%)"]
    columns += ['of "will not" true (%)', "trains, said so", "trains, said not"]
    columns += ["does not, said so", "does not, said not"]
    return Table(title, columns, rows)


def _plain_fit(networks: pd.DataFrame) -> list[Part]:
    """Compares the networks that plain `fit` trained with the populations'."""
    alone = networks[networks["engine"] == "fit"].set_index(_TRAINING)
    if alone.empty:
        return ["No network was trained by plain fit."]
    together = (
        networks[networks["engine"] != "fit"].set_index(_TRAINING).loc[alone.index]
    )
    gap = (alone["skill"] - together["skill"]).abs()
    gap = gap.where(alone["skill"].notna() == together["skill"].notna(), np.inf).fillna(
        0
    )
    same = alone["trained"] == together["trained"]
    number = counts(alone)
    return [
        f"{len(alone)} of them were trained by plain fit as well: {same.mean():.1%} "
        f"came to the same, {(gap < 0.01).mean():.1%} to the same skill within 0.01. "
        f"By plain fit diagnose is right of {number['right']:.1%}, and "
        f'{number["true alarms"]:.1%} of its "will not train" are true.'
    ]
