"""Batches in which every seed has samples and an order of its own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection.batches import map_arrays, take
from keras_inits.inspection.keras_private import ArrayDataAdapter

PER_SEED = "per_seed"
"""Key of a batch's inputs that have an axis of seeds after that of samples."""


class SeedBatches(keras.utils.PyDataset):
    """Feeds a `Population` with batches that differ between seeds.

    A batch is `({"per_seed": x}, y)`, or `({"per_seed": x}, y, sample_weight)`, with
    arrays of shape `(batch, seeds, ...)` in the structures of `x` and `y`.
    Members with the same seed see the same samples in the
    same order, whatever else they differ in, so that comparing them is a paired
    comparison. The order of an epoch depends on the seed and the epoch alone: it is
    the same in a run that was killed and resumed. Arrays and weights are read as plain
    `fit` reads them.

    Examples:
    >>> import numpy as np
    >>> from keras_inits.population import SeedBatches
    >>> x, y = np.arange(6.0)[:, None], np.arange(6)
    >>> batches = SeedBatches(x, y, seeds=[0, 1], batch_size=4)
    >>> inputs, targets = batches[0]
    >>> inputs["per_seed"].shape, targets.shape, len(batches)
    ((4, 2, 1), (4, 2), 2)

    Args:
        x: Samples, an array `(samples, ...)` or a dictionary, list or tuple of these.
        y: Targets, likewise, or `None` where the loss is all in `add_loss`.
        seeds: The distinct seeds, in the order in which the members name them first.
        samples: One array of indices a seed, all of one length: the samples that the
            seed trains on. Defaults to all samples for every seed.
        batch_size: Samples of each seed in a batch. Defaults to `32`.
        shuffle: Whether each seed draws a new order every epoch. Defaults to `True`.
        drop_remainder: Whether an epoch ends with its last whole batch, unless it has
            none. Defaults to `False`.
        sample_weight: Weights of the samples, `(samples,)`, or in the structure of `y`.
            Defaults to `None`, for equal weights.
        class_weight: Weight of each class, by its number, of one output's targets.
            Defaults to `None`, for equal weights.
        **kwargs: Those of `keras.utils.PyDataset`.

    Raises:
        ValueError: If the arrays, the weights or the indices do not fit each other.
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
        *,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks that the parts fit and draws the order of the first epoch."""
        super().__init__(**kwargs)
        count = _number_of_samples(x=x, y=y, sample_weight=sample_weight)
        # Keras' own reading: floats in floatx, one weight for all outputs, and so on.
        (data,) = ArrayDataAdapter(
            x, y, sample_weight, batch_size=count, class_weight=class_weight
        ).get_numpy_iterator()
        data = map_arrays(np.asarray, data)
        self.x, self.y, weights = keras.utils.unpack_x_y_sample_weight(data)
        if weights is not None:
            # Of several outputs some may have none, and then have ones.
            ones = np.ones(count, keras.config.floatx())
            weights = tree.map_structure(lambda w: ones if w is None else w, weights)
        self._data = keras.utils.pack_x_y_sample_weight(
            {PER_SEED: self.x}, self.y, weights
        )
        self._weights = {"sample_weight": sample_weight, "class_weight": class_weight}
        self.seeds = tuple(seeds)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                f"`seeds` must be distinct, one at least. Received: seeds={seeds}"
            )
        if samples is None:
            samples = [np.arange(count)] * len(self.seeds)
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
        if not 0 <= self.samples.min() <= self.samples.max() < count:
            raise ValueError(
                f"`samples` must be indices of {count} samples. Received: indices "
                f"from {self.samples.min()} to {self.samples.max()}"
            )
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

    def __getitem__(self, index: int) -> Any:
        """Returns one batch: inputs, targets, and weights if there are any."""
        chosen = self._chosen(index)
        return take(self._data, chosen)

    def split(
        self, fraction: float, batch_size: int
    ) -> tuple["SeedBatches", "SeedBatches"]:
        """Holds out a random part of all samples for each seed.

        As in Keras, weights of classes are for training alone.

        Args:
            fraction: The part to hold out, between 0 and 1.
            batch_size: Samples of each seed in a batch of what is held out.

        Returns:
            Batches to train on, and batches of what is held out, which keep their
            order.
        """
        count = len(tree.flatten(self.x)[0])
        train, held_out = split_per_seed(count, self.seeds, fraction)
        data = (self.x, self.y, self.seeds)
        return (
            SeedBatches(
                *data,
                train,
                self.batch_size,
                self.shuffle,
                self.drop_remainder,
                **self._weights,
            ),
            SeedBatches(
                *data,
                held_out,
                batch_size,
                shuffle=False,
                sample_weight=self._weights["sample_weight"],
            ),
        )

    def to_tensorflow(self) -> Any:
        """Returns a `tf.data.Dataset` of the same batches, which `Population.fit` uses.

        It gathers the samples by itself: what passes from Python to TensorFlow, a
        batch at a time, is indices. Each time that it is iterated it has the order of
        the epoch that was started last.
        """
        import tensorflow as tf

        # TensorFlow would make one tensor of the arrays in a list.
        data = map_arrays(tf.convert_to_tensor, tree.lists_to_tuples(self._data))
        indices = tf.data.Dataset.from_generator(
            lambda: map(self._chosen, range(len(self))),
            output_signature=tf.TensorSpec((None, len(self.seeds)), tf.int64),
        )
        batches = indices.apply(tf.data.experimental.assert_cardinality(len(self)))
        return batches.map(
            lambda chosen: map_arrays(lambda array: tf.gather(array, chosen), data)
        ).prefetch(2)

    def _chosen(self, index: int) -> np.ndarray:
        """Returns the samples of a batch, `(batch, seeds)`."""
        start = index * self.batch_size
        return self._order[:, start : start + self.batch_size].T


def in_order_of_seeds(
    x: Any,
    y: Any,
    seeds: Sequence[int],
    batch_size: int,
    validation_split: float,
    arguments: dict[str, Any],
) -> tuple[SeedBatches, Any]:
    """Returns the batches of a `fit` whose order differs between seeds.

    Args:
        x: Samples, as for `SeedBatches`.
        y: Targets, likewise.
        seeds: The distinct seeds of the members.
        batch_size: Samples of each seed in a batch.
        validation_split: Part of the samples to validate on, unless `arguments` have
            data for that.
        arguments: Further arguments of `fit`. Those that the batches take up are
            taken out.

    Returns:
        What to train on and what to validate on.
    """
    batches = SeedBatches(
        x,
        y,
        seeds,
        batch_size=batch_size,
        shuffle=arguments.pop("shuffle", True),
        sample_weight=arguments.pop("sample_weight", None),
        class_weight=arguments.pop("class_weight", None),
    )
    if not validation_split or arguments.get("validation_data") is not None:
        return batches, arguments.get("validation_data")
    return batches.split(
        validation_split, arguments.pop("validation_batch_size", None) or batch_size
    )


def check_batches(x: Any, seeds: list[int], arguments: Mapping[str, Any]) -> None:
    """Refuses `SeedBatches` that do not fit the members, or the rest of a `fit`.

    Args:
        x: Inputs of `fit`, which may be `SeedBatches`.
        seeds: The distinct seeds of the members.
        arguments: Further arguments of `fit`.
    """
    for data in (x, arguments.get("validation_data")):
        if isinstance(data, SeedBatches) and list(data.seeds) != seeds:
            raise ValueError(
                "`SeedBatches` must have the seeds of the population, "
                f"{seeds}. Received: seeds={list(data.seeds)}"
            )
    if not isinstance(x, SeedBatches):
        return
    if arguments.get("steps_per_epoch") is not None:
        raise ValueError(
            "`SeedBatches` make whole epochs: `steps_per_epoch` must be left "
            f"out. Received: steps_per_epoch={arguments['steps_per_epoch']}"
        )
    if arguments.get("class_weight") is not None:
        # Keras would look for the classes on the axis of seeds.
        raise ValueError(
            "`class_weight` must be an argument of `SeedBatches`. "
            f"Received: class_weight={arguments['class_weight']}"
        )


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


def _number_of_samples(**data: Any) -> int:
    """Returns how many samples all arrays have."""
    data = {name: part for name, part in data.items() if part is not None}
    shapes = {f"{name}.shape": map_arrays(_shape, part) for name, part in data.items()}
    counts = {_shape(leaf)[:1] for leaf in tree.flatten(data) if leaf is not None}
    if len(counts) != 1 or counts <= {(), (0,)}:
        received = ", ".join(f"{name}={shape}" for name, shape in shapes.items())
        raise ValueError(
            "`x`, `y` and `sample_weight` must be arrays, or dictionaries, lists or "
            "tuples of arrays, all with the same number of samples, one at least. "
            f"Received: {received}"
        )
    ((count,),) = counts
    return count


def _shape(leaf: Any) -> tuple[int, ...]:
    return tuple(getattr(leaf, "shape", ()))


def is_per_seed(inputs: Any) -> bool:
    """Tells whether inputs have an axis of seeds."""
    return isinstance(inputs, Mapping) and set(inputs) == {PER_SEED}


def of_members(data: Any, seed_of: np.ndarray) -> Any:
    """Repeats data `(seeds, ...)` for the members of each seed."""
    return map_arrays(lambda array: ops.take(array, seed_of, axis=0), data)


def swap_axes(data: Any) -> Any:
    """Swaps the batch, first outside, with the members or seeds, first inside."""
    return map_arrays(lambda array: ops.swapaxes(array, 0, 1), data)
