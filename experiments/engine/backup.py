"""Backups of a model in training, whole whenever the process or machine stops."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_inits.inspection.layers import leaf_layers

_SUFFIX = ".npz"


class Backup(keras.callbacks.Callback):
    """Saves a model after epochs, to go on from when killed.

    As `keras.callbacks.BackupAndRestore` does, but with all that the next epoch depends
    on: beside weights and optimizer the random generators of layers that drop, and the
    states of recurrent layers that go on from batch to batch. With the number of the
    epoch they are one file, which is on the disk before it takes the place of the last
    one: also when the power is cut there is always a backup that can be read. They are
    removed when the training ends.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> def fit(*more, **options):
        ...     model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        ...     model.compile("adam", "mse")
        ...     backup = Backup(folder)
        ...     return model.fit(
        ...         np.ones((8, 3)),
        ...         np.ones((8, 1)),
        ...         initial_epoch=backup.restore(model),
        ...         callbacks=[backup, *more],
        ...         verbose=0,
        ...         **options,
        ...     ).epoch
        >>> def stop(epoch, logs):
        ...     if epoch == 1:
        ...         raise KeyboardInterrupt
        >>> folder = Path(tempfile.mkdtemp())
        >>> try:
        ...     fit(keras.callbacks.LambdaCallback(on_epoch_end=stop), epochs=4)
        ... except KeyboardInterrupt:
        ...     [path.name for path in folder.iterdir()]
        ['2.npz']
        >>> fit(epochs=4)
        [2, 3]
        >>> folder.exists()
        False

    Args:
        folder: That of this training alone; it is made when needed.
        share: Part of the time that saving may take: an epoch that ends too soon after
            the last backup is not saved, and is trained again by who goes on. Defaults
            to 1: every epoch is.
    """

    def __init__(self, folder: Path, share: float = 1.0) -> None:
        """Knows the folder."""
        super().__init__()
        self.folder = Path(folder)
        self._share = share
        self._next = 0.0  # When it is time to save again.

    def restore(self, model: keras.Model) -> int:
        """Gives a compiled model what was saved last.

        Returns:
            The number of its epochs, for `fit(initial_epoch=...)`; 0 if there are none.

        Raises:
            ValueError: If what was saved is of another model.
        """
        epochs = max(self._saved(), default=0)
        if epochs:
            path = self._saved()[epochs]
            with np.load(path) as saved:
                values = [saved[name] for name in saved.files]
            model.optimizer.build(model.trainable_variables)
            variables = _variables(model)
            shapes = [tuple(variable.shape) for variable in variables]
            if shapes != [value.shape for value in values]:
                raise ValueError(
                    f"A backup is of the model that it goes on with: `{path}` has "
                    f"variables of other shapes. Received: a model with {shapes}"
                )
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, and then removes the backup before."""
        started = time.perf_counter()
        if started < self._next:
            return
        before = self._saved().values()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"partial{_SUFFIX}"
        with partial.open("wb") as file:
            np.savez(file, *map(keras.ops.convert_to_numpy, _variables(self.model)))
            file.flush()
            os.fsync(file.fileno())
        path = partial.replace(self.folder / f"{epoch + 1}{_SUFFIX}")
        for old in before:
            if old != path:
                old.unlink()
        ended = time.perf_counter()
        self._next = ended + (ended - started) * (1 / self._share - 1)

    def on_train_end(self, logs: Any = None) -> None:
        """Removes what is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _saved(self) -> dict[int, Path]:
        """Returns the whole backups by their numbers of epochs."""
        paths = self.folder.glob(f"[0-9]*{_SUFFIX}")
        return {int(path.name.removesuffix(_SUFFIX)): path for path in paths}


def _variables(model: keras.Model) -> list[Any]:
    """Returns all that the next epoch depends on: `save_weights` has a part of it."""
    states = [
        state
        for layer in leaf_layers(model)
        if getattr(layer, "stateful", False)
        for state in keras.tree.flatten(layer.states)
    ]
    return [*model.variables, *states, *model.optimizer.variables]
