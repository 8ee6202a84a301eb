"""Distorted digits: elastic distortion, rotation and scaling (section 6.3)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from matplotlib.figure import Figure

from experiments.engine import datasets
from keras_inits.population import SeedBatches
from keras_inits.population.batches import PER_SEED

SIGMA, ALPHA = 5.5, 37.0
"""Of the elastic distortion: standard deviation of the Gaussian, and factor."""

ANGLE, SMALL_ANGLE = 15.0, 7.5
"""Largest rotation (degrees), and that of the digits 1 and 7."""

SCALE = 0.175
"""Largest part by which height and width change, each by its own."""

_SMALL = (1, 7)
_REACH = 3 * SIGMA  # Where the Gaussian is cut off.


def elastic_field(count: int, size: int, seed: keras.random.SeedGenerator) -> Any:
    """Draws displacements of pixels, `(count, size, size, 2)`.

    As Simard et al. (2003) define them: for each image and direction uniform numbers
    in [-1, 1], smoothed by a Gaussian and multiplied. Numbers beyond the border are
    drawn as well, so that pixels there move as far as others. Keras' own
    `elastic_transform` moves images along the diagonal alone: both directions have the
    same seed there.

    Args:
        count: Number of images.
        size: Their height and width.
        seed: Of the draw.
    """
    reach = math.ceil(_REACH)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).astype("float32")
    width = size + 2 * reach
    smooth = np.zeros((size, width), "float32")
    for row in range(size):
        smooth[row, row : row + len(weights)] = weights
    noise = keras.random.uniform((2, count, width, width), -1.0, 1.0, seed=seed)
    field = ops.matmul(ops.matmul(smooth, noise), smooth.T)
    return ALPHA * ops.transpose(field, (1, 2, 3, 0))


def distorted(images: Any, labels: Any, seed: keras.random.SeedGenerator) -> Any:
    """Distorts images: each anew, in one step of linear interpolation.

    Args:
        images: `(samples, size, size)`; what is moved in from outside is 0.
        labels: Their digits, `(samples,)`.
        seed: Of the draw.
    """
    count, size = images.shape[0], images.shape[1]

    def drawn(low: float, high: float) -> Any:
        return keras.random.uniform((count, 1, 1), low, high, seed=seed)

    labels = ops.reshape(ops.convert_to_tensor(labels), (count, 1, 1))
    small = ops.any(ops.stack([labels == digit for digit in _SMALL]), axis=0)
    largest = ops.where(small, SMALL_ANGLE, ANGLE) * (math.pi / 180)
    angle = drawn(-1.0, 1.0) * largest
    heights, widths = (drawn(1 - SCALE, 1 + SCALE) for _ in range(2))
    field = elastic_field(count, size, seed)
    # Where each pixel comes from, relative to the middle.
    at = ops.arange(size, dtype="float32") - (size - 1) / 2
    y, x = at[None, :, None], at[None, None, :]
    cos, sin = ops.cos(angle), ops.sin(angle)
    from_y = (cos * y - sin * x) / heights + field[..., 0]
    from_x = (sin * y + cos * x) / widths + field[..., 1]
    middle = (size - 1) / 2
    index = ops.reshape(ops.arange(count, dtype="float32"), (count, 1, 1))
    index = index + ops.zeros_like(from_y)
    coordinates = ops.stack([index, from_y + middle, from_x + middle])
    return ops.image.map_coordinates(images, coordinates, order=1, fill_mode="constant")


class DistortedBatches(SeedBatches):
    """Batches of digits, of which each is distorted anew every time that it is seen.

    As in `SeedBatches` what a seed sees depends on the seed and the epoch alone. An
    epoch ends with its last whole batch.

    Args:
        x: Digits in [0, 1], `(samples, pixels)`, square.
        y: Their classes.
        seeds: The distinct seeds, in the order in which the members name them first.
        samples: One array of indices a seed, as for `SeedBatches`.
        batch_size: Samples of each seed in a batch.
        mean: Of each pixel, which is subtracted after the distortion.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        seeds: Sequence[int],
        samples: np.ndarray,
        batch_size: int,
        mean: np.ndarray,
    ) -> None:
        """Has what draws the distortions of each seed."""
        self._draws = [keras.random.SeedGenerator(seed) for seed in seeds]
        self._mean = ops.convert_to_tensor(mean, "float32")
        super().__init__(x, y, seeds, samples, batch_size, drop_remainder=True)

    def start_epoch(self, epoch: int) -> None:
        """Draws the order of an epoch, and where its distortions begin."""
        super().start_epoch(epoch)
        for seed, draw in zip(self.seeds, self._draws, strict=True):
            (start,) = np.random.SeedSequence((seed, epoch)).generate_state(1)
            draw.state.assign([start, 0])

    def __getitem__(self, index: int) -> Any:
        """Returns one batch."""
        return self._distorted(*super().__getitem__(index))

    def to_tensorflow(self) -> Any:
        """Returns a `tf.data.Dataset` of the same batches."""
        return super().to_tensorflow().map(self._distorted).prefetch(2)

    def _distorted(self, inputs: dict[str, Any], labels: Any) -> Any:
        pixels = self.x.shape[1]
        size = math.isqrt(pixels)
        count = min(self.batch_size, self.samples.shape[1])
        of_seeds = []
        for place, draw in enumerate(self._draws):
            images = ops.reshape(inputs[PER_SEED][:, place], (count, size, size))
            moved = distorted(images, labels[:, place], draw)
            of_seeds.append(ops.reshape(moved, (count, pixels)) - self._mean)
        return {PER_SEED: ops.stack(of_seeds, axis=1)}, labels


def picture(path: Path) -> Path:
    """Draws a digit of each class: as it is, and distorted four times.

    The digits are those of scikit-learn, of 8 x 8 pixels, made as large as MNIST's, so
    that a report needs no other data.

    Args:
        path: The PNG file to write.
    """
    data = datasets.load("digits")
    x, y = datasets.scale(data, "unit").reshape(-1, 8, 8, 1), data.y
    chosen = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    # MNIST has a margin of 4.
    large = ops.image.resize(x[chosen], (20, 20), data_format="channels_last")
    digits = ops.pad(large[..., 0], ((0, 0), (4, 4), (4, 4)))
    generator = keras.random.SeedGenerator(0)
    rows = [digits] + [distorted(digits, y[chosen], generator) for _ in range(4)]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    grid = figure.subplots(len(rows), 10)
    for axes_row, images in zip(grid, rows, strict=True):
        for axes, image in zip(axes_row, np.asarray(images), strict=True):
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    grid[0, 0].set_title("as they are", loc="left", fontsize=10)
    grid[1, 0].set_title("distorted", loc="left", fontsize=10)
    figure.savefig(path)
    return path
