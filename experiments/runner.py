"""Trains the cells of an experiment as populations and keeps what they earn."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from experiments import datasets, networks
from experiments.backup import Backup
from experiments.datasets import Dataset
from experiments.ledger import Ledger, LedgerCallback
from experiments.lee import Cell, Protocol
from keras_inits import Population
from keras_inits.population import SeedBatches

_VALIDATION_BATCH = 1000
STEPS_TOGETHER = 7
"""Steps an execution: that of small networks is over before Python's part of it is."""

_OF_TRAINING = ("scaling", "learning_rate", "batch_size", "drop_remainder", "held_out")


def run_cell(
    cell: Cell,
    methods: Sequence[str],
    seeds: Sequence[int],
    protocols: Sequence[Protocol],
    ledger: Ledger,
    data_dir: str | None = None,
    progress: keras.callbacks.Callback | None = None,
) -> int:
    """Trains what the ledger does not have yet of one cell, as one population.

    Every epoch is written to the ledger as it ends, and then saved, so that a run that
    is killed goes on from its last whole epoch when it is started again.

    Args:
        cell: The network and the data.
        methods: Columns of the table.
        seeds: Each is a hold-out, an order of samples, and an initialization.
        protocols: How to train. They may differ in initial weights alone; what is the
            same under several is trained once.
        ledger: Where the curves go.
        data_dir: Folder of prepared tensorflow-datasets data.
        progress: Shows how far the training is.

    Returns:
        The number of members that were trained.

    Raises:
        ValueError: If the protocols differ in more than initial weights.
    """
    protocol = protocols[0]
    for name in _OF_TRAINING:
        values = [getattr(each, name) for each in protocols]
        if len(set(values)) > 1:
            raise ValueError(
                "Protocols that train together may differ in initial weights alone. "
                f"Received: {name}={values}"
            )
    # Members of one seed side by side share the product with its inputs.
    wanted = {
        json.dumps(run, sort_keys=True): (
            run,
            {"method": method, "protocol": each, "seed": seed},
        )
        for seed in seeds
        for each in protocols
        for method in methods
        for run in [cell.run(method, seed, each)]
    }
    missing = [
        (run, member)
        for run, member in wanted.values()
        if ledger.epochs(run) < cell.epochs
    ]
    if not missing:
        return 0
    runs = [run for run, _ in missing]
    members = [member for _, member in missing]
    dataset = datasets.load(cell.dataset, data_dir)
    hidden = networks.alternating(cell.depth, cell.widths)

    def build(method: str, protocol: Protocol) -> keras.Model:
        return protocol.build(
            method, dataset.x.shape[1], dataset.num_classes, hidden, cell.activation
        )

    # What is left of the cell before refers to itself, and holds copies of its data.
    keras.backend.clear_session()
    population = Population(build, members)
    population.compile(
        keras.optimizers.Adam(protocol.learning_rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=STEPS_TOGETHER,
    )
    train, validation = _batches(cell, dataset, population.seeds, protocol)
    backup = Backup(_backup_folder(ledger, runs))
    callbacks = [
        LedgerCallback(ledger, [ledger.begin(run) for run in runs]),
        # After the ledger: an epoch that is saved is one that the ledger has.
        backup,
    ]
    if progress is not None:
        callbacks.append(progress)
    population.fit(
        train,
        validation_data=validation,
        validation_freq=list(cell.reported) or 1,
        epochs=cell.epochs,
        initial_epoch=backup.restore(population),
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
    samples, held_out = (np.stack(part) for part in zip(*splits, strict=True))
    x = datasets.scale(dataset, protocol.scaling)
    train = SeedBatches(
        x,
        dataset.y,
        seeds,
        samples,
        protocol.batch_size,
        drop_remainder=protocol.drop_remainder,
    )
    return train, SeedBatches(
        x, dataset.y, seeds, held_out, _VALIDATION_BATCH, shuffle=False
    )


def _backup_folder(ledger: Ledger, runs: Sequence[dict[str, object]]) -> Path:
    """Returns the folder that belongs to exactly these members."""
    text = json.dumps(list(runs), sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return ledger.path.parent / "backups" / name
