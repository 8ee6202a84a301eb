"""Batches in which every seed has samples and an order of its own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

PER_SEED = "per_seed"
"""Key of a batch's inputs that have an axis of seeds after that of samples."""


class SeedBatches(keras.utils.PyDataset):
    """Feeds a `Population` with batches that differ between seeds.

    A batch is `({"per_seed": x}, y)` with `x` and `y` of shape `(batch, seeds, ...)`.
    Members with the same seed see the same samples in the
    same order, whatever else they differ in, so that comparing them is a paired
    comparison. The order of an epoch depends on the seed and the epoch alone: it is
    the same in a run that was killed and resumed.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.population import SeedBatches
    >>> x, y = np.arange(6.0)[:, None], np.arange(6)
    >>> batches = SeedBatches(x, y, seeds=[0, 1], batch_size=4)
    >>> inputs, targets = batches[0]
    >>> inputs["per_seed"].shape, targets.shape, len(batches)
    ((4, 2, 1), (4, 2), 2)

    Args:
        x: Samples, an array `(samples, ...)`.
        y: Targets, an array `(samples, ...)`.
        seeds: The distinct seeds, in the order in which the members name them first.
        samples: One array of indices a seed, all of one length: the samples that the
            seed trains on. Defaults to all samples for every seed.
        batch_size: Samples of each seed in a batch. Defaults to `32`.
        shuffle: Whether each seed draws a new order every epoch. Defaults to `True`.
        drop_remainder: Whether an epoch ends with its last whole batch, unless it has
            none. Defaults to `False`.
        **kwargs: Those of `keras.utils.PyDataset`.

    Raises:
        ValueError: If the arrays or the indices do not fit each other.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        seeds: Sequence[int],
        samples: Sequence[Any] | np.ndarray | None = None,
        batch_size: int = 32,
        shuffle: bool = True,
        drop_remainder: bool = False,
        **kwargs: Any,
    ) -> None:
        """Checks that the parts fit and draws the order of the first epoch."""
        super().__init__(**kwargs)
        self.x, self.y = np.asarray(x), np.asarray(y)
        if self.x.ndim == 0 or self.x.shape[:1] != self.y.shape[:1]:
            raise ValueError(
                "`x` and `y` must have the same number of samples. "
                f"Received: x.shape={self.x.shape}, y.shape={self.y.shape}"
            )
        self.seeds = tuple(seeds)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f"`seeds` must be distinct, one at least. Received: seeds={seeds}"
            )
        if samples is None:
            samples = [np.arange(len(self.x))] * len(self.seeds)
        lengths = {len(indices) for indices in samples}
        if len(samples) != len(self.seeds) or len(lengths) != 1 or lengths == {0}:
            raise ValueError(
                "`samples` must hold as many indices for each of the "
                f"{len(self.seeds)} seeds, one at least. Received: "
                f"{len(samples)} arrays of lengths {sorted(lengths)}"
            )
        if not (isinstance(batch_size, int) and batch_size > 0):
            raise ValueError(
                f"`batch_size` must be a positive integer. Received: {batch_size}"
            )
        self.samples = np.asarray(samples)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_remainder = drop_remainder
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order of an epoch; `Population.fit` calls it."""
        self._order = self.samples
        if self.shuffle:
            self._order = np.stack(
                [
                    np.random.default_rng((seed, epoch)).permutation(indices)
                    for seed, indices in zip(self.seeds, self.samples, strict=True)
                ]
            )

    def __len__(self) -> int:
        """Returns the batches of an epoch; the last one may be smaller."""
        batches = self.samples.shape[1] / self.batch_size
        return max(int(batches), 1) if self.drop_remainder else math.ceil(batches)

    def __getitem__(self, index: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Returns one batch of inputs and targets."""
        chosen = self._chosen(index)
        return {PER_SEED: self.x[chosen]}, self.y[chosen]

    def to_tensorflow(self) -> Any:
        """Returns a `tf.data.Dataset` of the same batches, which `Population.fit` uses.

        It gathers the samples by itself: what passes from Python to TensorFlow, a
        batch at a time, is indices. Each time that it is iterated it has the order of
        the epoch that was started last.
        """
        import tensorflow as tf

        x, y = tf.convert_to_tensor(self.x), tf.convert_to_tensor(self.y)
        indices = tf.data.Dataset.from_generator(
            lambda: map(self._chosen, range(len(self))),
            output_signature=tf.TensorSpec((None, len(self.seeds)), tf.int64),
        )
        batches = indices.apply(tf.data.experimental.assert_cardinality(len(self)))
        return batches.map(
            lambda chosen: ({PER_SEED: tf.gather(x, chosen)}, tf.gather(y, chosen))
        ).prefetch(2)

    def _chosen(self, index: int) -> np.ndarray:
        """Returns the samples of a batch, `(batch, seeds)`."""
        start = index * self.batch_size
        return self._order[:, start : start + self.batch_size].T


def split_per_seed(
    samples: int, seeds: Sequence[int], fraction: float
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out a random part of the samples for each seed.

    Args:
        samples: How many samples there are.
        seeds: One split each.
        fraction: The part to hold out, between 0 and 1; rounded to whole samples.

    Returns:
        Indices to train on and to validate on, `(seeds, ...)` each.

    Raises:
        ValueError: If either part would be empty.
    """
    held_out = round(samples * fraction)
    if not 0 < held_out < samples:
        raise ValueError(
            "`validation_split` must leave samples on both sides. Received: "
            f"validation_split={fraction} of {samples} samples"
        )
    # A stream of its own: the order of epoch 0 must not be that of the split.
    orders = np.stack(
        [np.random.default_rng((seed, 0, 1)).permutation(samples) for seed in seeds]
    )
    return orders[:, held_out:], orders[:, :held_out]


def is_per_seed(inputs: Any) -> bool:
    """Tells whether inputs have an axis of seeds."""
    return isinstance(inputs, Mapping) and set(inputs) == {PER_SEED}


def take(data: Any, seed_of: np.ndarray) -> Any:
    """Repeats data `(seeds, ...)` for the members of each seed."""
    return tree.map_structure(lambda array: ops.take(array, seed_of, axis=0), data)


def swap_axes(data: Any) -> Any:
    """Swaps the batch, first outside, with the members or seeds, first inside."""
    return tree.map_structure(lambda array: ops.swapaxes(array, 0, 1), data)
