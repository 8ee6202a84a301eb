"""Distorted digits: elastic distortion, rotation and scaling (section 6.3)."""

import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib.figure import Figure

SIGMA, ALPHA = 5.5, 37.0
"""Of the elastic distortion: standard deviation of the Gaussian, and factor."""

ANGLE, SMALL_ANGLE = 15.0, 7.5
"""Largest rotation (degrees), and that of the digits 1 and 7."""

SCALE = 0.175
"""Largest part by which height and width change, each by its own."""

_SMALL = (1, 7)
_REACH = 3 * SIGMA  # Where the Gaussian is cut off.


def elastic_field(count: int, size: int, seed: keras.random.SeedGenerator) -> tf.Tensor:
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
    # Directions are images of their own, so that one channel is smoothed.
    noise = keras.random.uniform((2 * count, width, width, 1), -1.0, 1.0, seed=seed)
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        noise = ops.conv(noise, ops.reshape(weights, shape), padding="valid")
    field = ops.reshape(noise, (2, count, size, size))
    return ALPHA * ops.transpose(field, (1, 2, 3, 0))


def distorted(
    images: tf.Tensor, labels: tf.Tensor, seed: keras.random.SeedGenerator
) -> tf.Tensor:
    """Distorts images: each anew, in one step of linear interpolation.

    Args:
        images: `(samples, size, size)`; what is moved in from outside is 0.
        labels: Their digits, `(samples,)`.
        seed: Of the draw.
    """
    count, size = images.shape[0], images.shape[1]

    def drawn(low: float, high: float) -> tf.Tensor:
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
    index = ops.broadcast_to(
        ops.reshape(ops.arange(count, dtype="float32"), (count, 1, 1)), from_y.shape
    )
    coordinates = ops.stack([index, from_y + middle, from_x + middle])
    return ops.image.map_coordinates(images, coordinates, order=1, fill_mode="constant")


def batches(
    x: np.ndarray, y: np.ndarray, mean: np.ndarray, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Returns batches of distorted digits, without end: all networks see the same.

    Args:
        x: Digits in [0, 1], `(samples, pixels)`, square.
        y: Their classes.
        mean: Of each pixel, which is subtracted after the distortion.
        batch_size: Samples of a batch.
        seed: Of order and distortions.
    """
    size = math.isqrt(x.shape[1])
    generator = keras.random.SeedGenerator(seed)

    def distort(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        moved = distorted(
            tf.ensure_shape(images, (batch_size, size, size)), labels, generator
        )
        return tf.reshape(moved, (batch_size, size * size)) - mean, labels

    images = x.reshape(-1, size, size)
    return (
        tf.data.Dataset.from_tensor_slices((images, y))
        .shuffle(len(x), seed=seed)
        .repeat()
        .batch(batch_size, drop_remainder=True)
        .map(distort, num_parallel_calls=1, deterministic=True)
        .prefetch(2)
    )


def picture(x: np.ndarray, y: np.ndarray, path: Path) -> Path:
    """Draws a digit of each class: as it is, and distorted four times.

    Args:
        x: Digits in [0, 1], `(samples, pixels)`, square.
        y: Their classes.
        path: The PNG file to write.
    """
    size = math.isqrt(x.shape[1])
    chosen = [int(np.flatnonzero(y == digit)[0]) for digit in range(10)]
    digits = ops.convert_to_tensor(x[chosen].reshape(-1, size, size), "float32")
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
