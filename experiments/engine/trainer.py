"""Trains runs, as one population or one by one, and keeps every epoch as it ends."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from experiments.engine.backup import Backup
from experiments.engine.ledger import Ledger
from experiments.engine.ledger_callback import LedgerCallback
from keras_inits import Population

_SAVING = 0.1
"""Part of the time that backups may take: those of wide populations are large."""

STEPS_TOGETHER = 7
"""Steps an execution: that of small networks is over before Python's part of it is."""


def train(
    build: Callable[..., keras.Model],
    members: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    ledger: Ledger,
    batches: Callable[[Sequence[int]], tuple[Any, Any]],
    *,
    optimizer: Any,
    loss: Any,
    metrics: Sequence[Any] = (),
    epochs: int,
    validation_freq: int | Sequence[int] = 1,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: keras.callbacks.Callback | None = None,
) -> None:
    """Trains runs as one population, into a ledger.

    Every epoch is written to the ledger as it ends, and then saved if saving is not
    what takes the time, so that a training that is killed goes on from the last epoch
    that was saved when it is started again.

    Args:
        build: Function that returns a network, for `Population`.
        members: Its arguments and the seed of each run.
        runs: The description of each, for the ledger.
        ledger: Where the curves go.
        batches: Function of the distinct seeds, in the order of the population, that
            returns what `fit` trains on and validates on; `None` for no validation.
        optimizer: As for `compile`.
        loss: As for `compile`.
        metrics: As for `compile`.
        epochs: Epochs to train.
        validation_freq: As for `fit`: the epochs that are validated, counted from 1, or
            every how many.
        callbacks: Called ahead of the ledger, which has what they log of the members.
        progress: Shows how far the training is.
    """
    # What is left of a training before refers to itself, and holds copies of its data.
    keras.backend.clear_session()
    population = Population(build, list(members))
    population.compile(
        optimizer, loss, metrics=list(metrics), steps_per_execution=STEPS_TOGETHER
    )
    samples, validation = batches(population.seeds)
    fit(
        population,
        runs,
        ledger,
        samples,
        validation_data=validation,
        validation_freq=validation_freq,
        epochs=epochs,
        callbacks=callbacks,
        progress=progress,
    )


def fit(
    model: keras.Model,
    runs: Sequence[Mapping[str, Any]],
    ledger: Ledger,
    *data: Any,
    epochs: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    progress: keras.callbacks.Callback | None = None,
    **options: Any,
) -> None:
    """Trains a compiled model into a ledger, from where it was killed before.

    Args:
        model: A `Population`, or any other model.
        runs: The description of each member, or that of the model.
        ledger: Where the curves go.
        *data: As for `fit`. It must be the same in all epochs, or `SeedBatches`.
        epochs: Epochs to train.
        callbacks: Called ahead of the ledger, which has what they log.
        progress: Shows how far the training is.
        **options: More of `fit`.
    """
    backup = Backup(_backup_folder(ledger, runs), _SAVING)
    all_callbacks = [
        *callbacks,
        LedgerCallback(ledger, [ledger.begin(run) for run in runs]),
        # After the ledger: an epoch that is saved is one that the ledger has.
        backup,
    ]
    if progress is not None:
        all_callbacks.append(progress)
    model.fit(
        *data,
        epochs=epochs,
        initial_epoch=backup.restore(model),
        callbacks=all_callbacks,
        verbose=0,
        **options,
    )


def _backup_folder(ledger: Ledger, runs: Sequence[Mapping[str, Any]]) -> Path:
    """Returns the folder that belongs to exactly these runs."""
    text = json.dumps(list(runs), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return ledger.path.parent / "backups" / name
