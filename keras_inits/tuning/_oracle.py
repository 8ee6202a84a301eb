"""What KerasTuner's oracles know and do not say, or do one trial at a time."""

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import keras_tuner
from keras_tuner.oracles import GridSearchOracle
from keras_tuner.src.distribute import utils

_RUNNING, _STOPPED = "RUNNING", "STOPPED"


def is_chief() -> bool:
    """Tells whether this process only hands out trials to others."""
    return bool(utils.is_chief_oracle())


def rounds(
    oracle: keras_tuner.Oracle,
    tuner_id: str,
    trials_together: int,
    before: Callable[[], None],
) -> Iterator[list[Any]]:
    """Yields what the oracle gives at a time, until it has stopped.

    Args:
        oracle: An oracle, or what stands for that of the chief.
        tuner_id: Name by which the oracle knows the tuner.
        trials_together: Most trials to ask for at a time.
        before: Is called before each round.
    """
    slots = [f"{tuner_id}-{slot}" for slot in range(trials_together)]
    while slots:
        before()
        trials = []
        for slot in list(slots):
            trial = oracle.create_trial(slot)
            if trial.status == _STOPPED:
                slots.remove(slot)
            elif trial.status == _RUNNING:
                # What a run that was stopped has reported is earned anew.
                trial.metrics = type(trial.metrics)()
                trials.append(trial)
                if isinstance(oracle, GridSearchOracle):
                    # Else it waits for a trial to end before it gives the next.
                    oracle._populate_next.append(trial.trial_id)
        if trials:
            yield trials
        elif slots:
            time.sleep(0.1)  # Others are at work on what the oracle waits for.


def restore_grid(oracle: GridSearchOracle) -> None:
    """Restores what KerasTuner does not save: how far a grid has been walked."""
    values = {name: t.hyperparameters.values for name, t in oracle.trials.items()}
    in_order = functools.cmp_to_key(
        lambda one, other: oracle._compare(values[one], values[other])
    )
    for name in sorted(values, key=in_order):
        oracle._ordered_ids.insert(name)
        oracle._populate_next.append(name)


def active_values(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Returns the hyperparameters that count in a trial, Hyperband's epochs too.

    KerasTuner keeps values of those too that the others leave without a meaning, such
    as an epsilon for an initializer that has none.
    """
    names = [part.name for part in hp.space if hp.is_active(part)]
    return {
        name: hp.values[name] for name in (*names, "tuner/epochs") if name in hp.values
    }
