"""Backups of a model in training, whole whenever the process or machine stops."""

import os
import shutil
from pathlib import Path
from typing import Any

import keras

_SUFFIX = ".weights.h5"


class Backup(keras.callbacks.Callback):
    """Saves weights and optimizer after each epoch, to go on from when killed.

    As `keras.callbacks.BackupAndRestore` does, but the weights and the number of their
    epoch are one file, which is on the disk before it takes the place of the last one:
    also when the power is cut there is always a backup that can be read. They are
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
        ['2.weights.h5']
        >>> fit(epochs=4)
        [2, 3]
        >>> folder.exists()
        False

    Args:
        folder: That of this training alone; it is made when needed.
    """

    def __init__(self, folder: Path) -> None:
        """Knows the folder."""
        super().__init__()
        self.folder = Path(folder)

    def restore(self, model: keras.Model) -> int:
        """Gives a compiled model what was saved last.

        Returns:
            The number of its epochs, for `fit(initial_epoch=...)`; 0 if there are none.
        """
        epochs = max(self._saved(), default=0)
        if epochs:
            model.optimizer.build(model.trainable_variables)
            model.load_weights(self._saved()[epochs])
        return epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, and then removes the backup before."""
        before = self._saved().values()
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"partial{_SUFFIX}"
        self.model.save_weights(partial, overwrite=True)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        path = partial.replace(self.folder / f"{epoch + 1}{_SUFFIX}")
        for old in before:
            if old != path:
                old.unlink()

    def on_train_end(self, logs: Any = None) -> None:
        """Removes what is not needed any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _saved(self) -> dict[int, Path]:
        """Returns the whole backups by their numbers of epochs."""
        paths = self.folder.glob(f"[0-9]*{_SUFFIX}")
        return {int(path.name.removesuffix(_SUFFIX)): path for path in paths}
