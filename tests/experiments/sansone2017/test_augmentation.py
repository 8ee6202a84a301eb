"""Tests of distorted digits, by their statistics."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from experiments.engine import datasets
from experiments.sansone2017 import augmentation
from experiments.sansone2017.augmentation import (
    ALPHA,
    SIGMA,
    DistortedBatches,
    distorted,
    elastic_field,
)


def test_fields_are_smooth_and_of_the_size_that_theory_gives():
    field = np.asarray(elastic_field(400, 28, keras.random.SeedGenerator(1)))
    assert field.shape == (400, 28, 28, 2)
    # A uniform number has variance 1/3; a Gaussian of two dimensions leaves
    # 1 / (4 pi sigma^2) of that.
    expected = ALPHA * math.sqrt(1 / 3 / (4 * math.pi * SIGMA**2))
    assert field.std() == pytest.approx(expected, rel=0.05)
    assert abs(field.mean()) < 0.1
    for place in (0, 14, 27):  # At the border as in the middle.
        assert field[:, place, place].std() == pytest.approx(expected, rel=0.12)
    # Correlated over a distance d as exp(-d^2 / (4 sigma^2)), and not by direction.
    for distance in (1, 5, 10):
        a, b = field[:, 14, 5, 0], field[:, 14, 5 + distance, 0]
        correlation = np.mean(a * b) / np.mean(field**2)
        assert correlation == pytest.approx(
            math.exp(-(distance**2) / (4 * SIGMA**2)), abs=0.12
        )
    directions = field.reshape(-1, 2)
    assert abs(np.corrcoef(directions.T)[0, 1]) < 0.1
    # A field of its own for each image.
    one, next_one = field[::2, 14, 14], field[1::2, 14, 14]
    # Of 400 numbers a correlation of 0 has a standard deviation of 0.05.
    assert abs(np.mean(one * next_one) / np.mean(field**2)) < 0.2


@pytest.fixture
def still(monkeypatch):
    """Turns the elastic part off."""
    monkeypatch.setattr(augmentation, "ALPHA", 0.0)


def bar(count, size=29):
    """Images of a bar that lies, five pixels high."""
    images = np.zeros((count, size, size), "float32")
    images[:, size // 2 - 2 : size // 2 + 3, 3:-3] = 1
    return ops.convert_to_tensor(images)


def angles(images):
    """Returns by how much bars are turned (degrees), from second moments."""
    images = np.asarray(images, "float64")
    at = np.arange(images.shape[1]) - images.shape[1] // 2
    total = images.sum(axis=(1, 2))
    yy = (images * at[:, None] ** 2).sum(axis=(1, 2)) / total
    xx = (images * at[None, :] ** 2).sum(axis=(1, 2)) / total
    xy = (images * at[:, None] * at[None, :]).sum(axis=(1, 2)) / total
    return np.degrees(np.arctan2(2 * xy, xx - yy) / 2)


@pytest.mark.parametrize(("digit", "largest"), [(1, 7.5), (7, 7.5), (0, 15.0), (8, 15)])
def test_ones_and_sevens_turn_half_as_far(still, monkeypatch, digit, largest):
    monkeypatch.setattr(augmentation, "SCALE", 0.0)
    count = 300
    labels = np.full(count, digit)
    turned = angles(distorted(bar(count), labels, keras.random.SeedGenerator(2)))
    # A uniform angle has a standard deviation of largest / sqrt(3).
    assert np.abs(turned).max() <= largest + 0.5
    assert turned.std() == pytest.approx(largest / math.sqrt(3), rel=0.1)
    assert abs(turned.mean()) < 0.2 * largest


def test_height_and_width_change_each_by_its_own(still, monkeypatch):
    monkeypatch.setattr(augmentation, "ANGLE", 0.0)
    count = 300
    images = np.zeros((count, 29, 29), "float32")
    images[:, 7:22, 7:22] = 1  # 15 pixels on either side.
    moved = distorted(
        ops.convert_to_tensor(images), np.zeros(count), keras.random.SeedGenerator(3)
    )
    heights = np.asarray(moved)[:, :, 14].sum(axis=1) / 15
    widths = np.asarray(moved)[:, 14, :].sum(axis=1) / 15
    for sizes in (heights, widths):
        assert 0.8 < sizes.min() < 0.9 < 1.1 < sizes.max() < 1.2
        assert sizes.std() == pytest.approx(0.175 / math.sqrt(3), rel=0.1)
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.2


def test_without_distortion_images_stay(still, monkeypatch):
    for name in ("SCALE", "ANGLE", "SMALL_ANGLE"):
        monkeypatch.setattr(augmentation, name, 0.0)
    digits = datasets.load("digits")
    images = (digits.x[:20] / 16.0).astype("float32").reshape(-1, 8, 8)
    moved = distorted(
        ops.convert_to_tensor(images), digits.y[:20], keras.random.SeedGenerator(0)
    )
    np.testing.assert_allclose(np.asarray(moved), images, atol=1e-5)


MEAN = np.full(64, 0.25, "float32")


def batches(seeds, epoch=0, count=25):
    digits = datasets.load("digits")
    x, samples = datasets.scale(digits, "unit"), np.tile(np.arange(count), (9, 1))
    data = DistortedBatches(x, digits.y, seeds, samples[: len(seeds)], 10, MEAN)
    data.start_epoch(epoch)
    return data


def inputs(data):
    return [np.asarray(batch["per_seed"]) for batch, _ in map(data.__getitem__, (0, 1))]


def test_what_a_seed_sees_depends_on_seed_and_epoch_alone():
    first, second = inputs(batches([3, 5]))
    assert first.shape == second.shape == (10, 2, 64)
    for again, alone in zip((first, second), inputs(batches([5])), strict=True):
        np.testing.assert_allclose(again[:, 1], alone[:, 0], atol=1e-6)
    # Another epoch has another order, and other distortions of the same digit.
    one, other = (batches([5], epoch) for epoch in (0, 1))
    assert not np.allclose(inputs(one)[0], inputs(other)[0])
    for data in (one, other):
        data._order = np.zeros((1, 25), int)  # The same digit throughout.
    (seen, _), (later, _) = inputs(one), inputs(other)
    assert min(np.abs(np.diff(seen, axis=0)).max(axis=-1)) > 0.1
    assert np.abs(seen - later).max(axis=-1).min() > 0.1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
def test_tensorflow_has_the_same_batches():
    data, again = batches([3, 5]), batches([3, 5])
    stream = data.to_tensorflow()
    for epoch in (0, 1):
        for each in (data, again):
            each.start_epoch(epoch)
        pairs = zip(stream, map(again.__getitem__, (0, 1)), strict=True)
        for (x, y), (x_again, y_again) in pairs:
            np.testing.assert_allclose(
                x["per_seed"], x_again["per_seed"], rtol=0, atol=1e-5
            )
            np.testing.assert_array_equal(y, y_again)


def test_the_picture_has_digits_before_and_after(tmp_path):
    path = tmp_path / "digits.png"
    assert augmentation.picture(path).stat().st_size > 10_000
