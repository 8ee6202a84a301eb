"""Trains the cells of an experiment as populations and keeps what they earn."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments import datasets, networks
from experiments.datasets import Dataset
from experiments.ledger import Ledger, LedgerCallback
from experiments.lee import Cell, Protocol
from keras_inits import Population
from keras_inits.population import SeedBatches

_VALIDATION_BATCH = 1000


def run_cell(
    cell: Cell,
    methods: Sequence[str],
    seeds: Sequence[int],
    protocol: Protocol,
    ledger: Ledger,
    data_dir: str | None = None,
    progress: Callable[[Cell, int], keras.callbacks.Callback] | None = None,
) -> int:
    """Trains what the ledger does not have yet of one cell, as one population.

    Every epoch is written to the ledger as it ends, and then saved, so that a run that
    is killed goes on from its last whole epoch when it is started again.

    Args:
        cell: The network and the data.
        methods: Columns of the table.
        seeds: Each is a hold-out, an order of samples, and an initialization.
        protocol: How to train.
        ledger: Where the curves go.
        data_dir: Folder of prepared tensorflow-datasets data.
        progress: Returns the callback that shows how far the training of so many
            members is.

    Returns:
        The number of members that were trained.
    """
    members: list[dict[str, Any]] = [
        {"method": method, "seed": seed}
        for method in methods
        for seed in seeds
        if ledger.epochs(cell.run(method, seed, protocol)) < cell.epochs
    ]
    if not members:
        return 0
    dataset = datasets.load(cell.dataset, data_dir)

    def build(method: str) -> keras.Model:
        return networks.feedforward(
            dataset.x.shape[1],
            dataset.num_classes,
            cell.hidden,
            protocol.initializer(method),
            cell.activation,
        )

    population = Population(build, members)
    population.compile(
        keras.optimizers.Adam(protocol.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    train, validation = _batches(cell, dataset, population.seeds, protocol)
    runs = [cell.run(m["method"], m["seed"], protocol) for m in members]
    backup = _backup_folder(ledger, runs)
    callbacks = [
        LedgerCallback(ledger, [ledger.begin(run) for run in runs]),
        # After the ledger: an epoch that is saved is one that the ledger has.
        keras.callbacks.BackupAndRestore(str(backup)),
    ]
    if progress is not None:
        callbacks.append(progress(cell, len(members)))
    population.fit(
        train,
        validation_data=validation,
        epochs=cell.epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return len(members)


def _batches(
    cell: Cell, dataset: Dataset, seeds: Sequence[int], protocol: Protocol
) -> tuple[SeedBatches, SeedBatches]:
    splits = [
        datasets.hold_out(dataset.y, seed, protocol.held_out, cell.samples_per_class)
        for seed in seeds
    ]
    train, validation = (np.stack(part) for part in zip(*splits, strict=True))
    x = datasets.scale(dataset, protocol.scaling)
    size = protocol.batch_size
    return (
        SeedBatches(x, dataset.y, seeds, train, size),
        SeedBatches(x, dataset.y, seeds, validation, _VALIDATION_BATCH, shuffle=False),
    )


def _backup_folder(ledger: Ledger, runs: Sequence[dict[str, object]]) -> Path:
    """Returns the folder that belongs to exactly these members."""
    text = json.dumps(list(runs), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return ledger.path.parent / "backups" / name
