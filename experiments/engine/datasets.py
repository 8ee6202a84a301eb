"""The papers' data sets as plain arrays: embedded ones, and tensorflow-datasets."""

import difflib
import functools
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from experiments.engine.folders import folder_with

Scaling = Literal["raw", "unit", "standard"]
Part = Literal["all", "train", "test"]

EMBEDDED = ("digits", "iris")
"""Inside scikit-learn: they work at once on any machine."""

_FILES = {"cifar10_subset": "cifar10_subset.npz"}
"""In a folder that is named, or in its folder `cifar10`: the first 10,000 images of the
train part and the first 1,000 of the test part."""

_UCI = "https://archive.ics.uci.edu"
PREPARED = {
    "mnist": ("mnist", "https://storage.googleapis.com"),
    "fashion_mnist": (
        "fashion_mnist",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "tfds_iris": ("iris", _UCI),
    "wine_quality": ("wine_quality/white", _UCI),
    "wine_quality/red": ("wine_quality/red", _UCI),
    "cifar10": ("cifar10", "https://www.cs.toronto.edu"),
    "cifar100": ("cifar100", "https://www.cs.toronto.edu"),
}
"""Through tensorflow-datasets: its name for each, and where it downloads from."""

_FULL_SCALE = {
    "digits": 16.0,
    "mnist": 255.0,
    "fashion_mnist": 255.0,
    "cifar10": 255.0,
    "cifar100": 255.0,
    "cifar10_subset": 255.0,
}
_IMAGES = {
    "digits": (8, 8, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
    "cifar10_subset": (32, 32, 3),
}
_WORKS_NOW = f"Embedded sets that work now: {', '.join(EMBEDDED)}."
_NETWORK_TIMEOUT = 5.0  # seconds
_SPLIT_STREAM = 0x5EED  # keeps splits apart from whatever else uses the same seed


@dataclass(frozen=True, eq=False)
class Dataset:
    """The pooled samples of one data set, unscaled.

    Args:
        name: The name that `load` took.
        x: Read-only array `(samples, features)`: `uint8` for images, flattened row
            by row, and `float32` for tables.
        y: Read-only `int32` array `(samples,)` of class indices from 0.
        num_classes: Number of classes.
        max_value: Full scale of a pixel (MNIST 255, digits 16); `None` for tables.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    num_classes: int
    max_value: float | None


def names() -> tuple[str, ...]:
    """Every name that `load` takes, the embedded ones first.

    Examples:
        >>> names()[:3]
        ('digits', 'iris', 'mnist')
    """
    return (*EMBEDDED, *PREPARED, *_FILES)


def image_shape(name: str) -> tuple[int, int, int]:
    """Returns height, width and channels of the images of a set.

    Raises:
        ValueError: If `name` is no set of images.

    Examples:
        >>> image_shape("digits")
        (8, 8, 1)
    """
    _check_choice("name", name, tuple(_IMAGES))
    return _IMAGES[name]


def source(name: str) -> str:
    """Tells how a set comes here: `embedded`, or what fetches or names it.

    Examples:
        >>> source("digits"), source("mnist")
        ('embedded', 'fetch mnist')
    """
    if name in _FILES:
        return f"{_FILES[name]} in the folder that --data-dir names"
    return "embedded" if name in EMBEDDED else f"fetch {name}"


def load(name: str, data_dir: str | None = None, part: Part = "all") -> Dataset:
    """Loads a data set; downloads nothing.

    Rows keep one order, and are read once per process. Classes are the sorted labels
    counted from 0: class 0 of `wine_quality` (the white wine, TFDS's default) is
    quality score 3. `iris` is scikit-learn's copy; `tfds_iris` is UCI's file, with
    the mistakes in two rows that scikit-learn corrected.

    Args:
        name: One of `names()`.
        data_dir: Folder of prepared tensorflow-datasets data. Defaults to the
            environment's `TFDS_DATA_DIR`, else `~/tensorflow_datasets`. The embedded
            sets have no use for it.
        part: `"train"` or `"test"` for the part that was published as that; of a set
            that was published whole, the last sixth is the test part. Defaults to
            `"all"`, the parts pooled.

    Raises:
        ValueError: If `name` or `part` is unknown.
        FileNotFoundError: If the set is not prepared there; says how to fetch it.

    Examples:
        >>> digits = load("digits")
        >>> digits.x.shape, digits.x.dtype.name, digits.num_classes, digits.max_value
        ((1797, 64), 'uint8', 10, 16.0)
    """
    _check_choice("name", name, names())
    _check_choice("part", part, get_args(Part))
    return _read(name, data_dir, part)


def fetch(name: str, data_dir: str | None = None) -> str:
    """Downloads and prepares a data set through tensorflow-datasets, and says where.

    What is there already needs no network. Otherwise the host is asked first, since
    tensorflow-datasets alone would retry for minutes where there is no network.

    Args:
        name: A key of `PREPARED`.
        data_dir: Folder to put it in; the default is that of `load`.

    Raises:
        ValueError: If `name` is unknown, or embedded.
        ConnectionError: If the host of the data does not answer.
    """
    _check_choice("name", name, tuple(PREPARED))
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        host = PREPARED[name][1]
        if not _answers(host):
            raise ConnectionError(
                f"Data set '{name}' cannot be fetched: {host} does not answer. Try "
                "again with a network, or copy a prepared folder here and name it in "
                f"TFDS_DATA_DIR. {_WORKS_NOW}"
            )
        builder.download_and_prepare()
    return str(builder.data_path)


# TensorFlow keeps every array that it was ever fed: one made anew would stay as well.
@functools.lru_cache(maxsize=8)
def scale(dataset: Dataset, scaling: Scaling) -> np.ndarray:
    """Scales the samples; explicit, because published results hang on the choice.

    `"raw"` keeps the values. `"unit"` maps to 0..1: `x / max_value` for images,
    `(x - min) / (max - min)` per feature for tables. `"standard"` is `(x - mean) / sd`
    over all pixels of all images, per feature for tables. Constant features of tables
    become 0. Statistics are of the pooled samples, held-out ones included.

    Args:
        dataset: From `load`.
        scaling: `"raw"`, `"unit"` or `"standard"`.

    Returns:
        A read-only `float32` array `(samples, features)`, the same for every caller.

    Raises:
        ValueError: If `scaling` is unknown.

    Examples:
        >>> x = scale(load("iris"), "unit")
        >>> x.dtype.name, float(x.min()), float(x.max())
        ('float32', 0.0, 1.0)
    """
    _check_choice("scaling", scaling, get_args(Scaling))
    x = _scaled(dataset, scaling)
    x.setflags(write=False)
    return x


def hold_out(
    y: np.ndarray,
    seed: int,
    fraction: float = 0.15,
    samples_per_class: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Splits at random into training and validation indices, both in random order.

    `round(fraction * samples)` are held out; the others train, or only
    `samples_per_class` of each class among them. The held-out ones are the same for
    every `samples_per_class`, and fewer samples a class are a subset of more.

    Args:
        y: Class indices `(samples,)`.
        seed: Non-negative integer; the same seed gives the same split everywhere.
        fraction: Share held out, between 0 and 1. Defaults to 0.15.
        samples_per_class: Training samples a class; `None` (default) takes all.

    Raises:
        ValueError: If an argument is out of range, or a class has too few samples.

    Examples:
        >>> training, validation = hold_out(load("digits").y, seed=0)
        >>> training.size, validation.size
        (1527, 270)
        >>> training, validation = hold_out(load("digits").y, 0, samples_per_class=4)
        >>> training.size, validation.size
        (40, 270)
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise _invalid("seed", seed, "a non-negative integer")
    held = round(fraction * len(y)) if 0 < fraction < 1 else 0
    if not 0 < held < len(y):
        raise _invalid(
            "fraction", fraction, f"in 0..1 and split the {len(y)} samples in two"
        )
    order = np.random.default_rng((seed, _SPLIT_STREAM)).permutation(len(y))
    validation, training = order[:held], order[held:]
    if samples_per_class is None:
        return training, validation
    k = samples_per_class
    if not isinstance(k, int | np.integer) or k < 1:
        raise _invalid("samples_per_class", k, "None or a positive integer")
    picked = []
    for label in np.unique(y):
        members = np.flatnonzero(y[training] == label)
        if len(members) < k:
            limit = f"at most {len(members)}, the training samples of class {label}"
            raise _invalid("samples_per_class", k, limit)
        picked.append(members[:k])
    return training[np.sort(np.concatenate(picked))], validation


def _scaled(dataset: Dataset, scaling: Scaling) -> np.ndarray:
    x = dataset.x.astype(np.float32)
    if scaling == "raw":
        return x
    if scaling == "unit" and dataset.max_value is not None:
        x /= dataset.max_value
        return x
    axis = 0 if dataset.max_value is None else None
    low, high = x.min(axis), x.max(axis)
    if scaling == "unit":
        x -= low
        spread = high - low
    else:
        x -= x.mean(axis, dtype=np.float64)
        spread = np.sqrt(np.square(x).mean(axis, dtype=np.float64))
    # What is left of a constant feature is rounding: dividing by inf makes it 0.
    x /= np.where(low == high, np.inf, spread)
    return x


@functools.cache
def _read(name: str, data_dir: str | None, part: Part) -> Dataset:
    x, labels = _raw(name, data_dir, part)
    max_value = _FULL_SCALE.get(name)
    x = x.reshape(len(x), -1).astype(np.float32 if max_value is None else np.uint8)
    # A part need not have all classes.
    classes = np.unique(labels if part == "all" else _raw(name, data_dir, "all")[1])
    y = np.searchsorted(classes, labels).astype(np.int32)
    for array in (x, y):  # every caller gets the same arrays
        array.setflags(write=False)
    return Dataset(name, x, y, len(classes), max_value)


def _raw(name: str, data_dir: str | None, part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns samples and labels as they were published."""
    if name in EMBEDDED:
        import sklearn.datasets

        x, labels = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
        published = {"all"}
    elif name in _FILES:
        with np.load(_file(name, data_dir)) as file:
            parts = ("train", "test") if part == "all" else (part,)
            x, labels = (
                np.concatenate([file[f"{of}_{each}"] for each in parts])
                for of in ("x", "y")
            )
        published = {"all", "train", "test"}
    else:
        builder = _prepared(name, data_dir)
        published = {"all", *builder.info.splits}
        split = part if {"train", "test"} <= published else "all"
        x, labels = builder.as_dataset(split=split, batch_size=-1, as_supervised=True)
        if isinstance(x, dict):
            x = np.stack([x[feature].numpy() for feature in sorted(x)], axis=1)
        x, labels = np.asarray(x), labels.numpy()
    if part == "all" or {"train", "test"} <= published:
        return x, labels
    first = len(x) - len(x) // 6
    chosen = slice(first) if part == "train" else slice(first, None)
    return x[chosen], labels[chosen]


def _file(name: str, data_dir: str | None) -> Path:
    """Returns the file that has a set."""
    folder, root = folder_with([_FILES[name]], "cifar10", data_dir)
    if folder is None:
        raise FileNotFoundError(
            f"Data set '{name}' is neither in {root} nor in {root / 'cifar10'}: name "
            f"the folder that has {_FILES[name]} with --data-dir. {_WORKS_NOW}"
        )
    return folder / _FILES[name]


def _prepared(name: str, data_dir: str | None) -> Any:
    """Returns what reads a set that is prepared."""
    builder = _builder(name, data_dir)
    if not builder.is_prepared():
        option = "" if data_dir is None else f" --data-dir {shlex.quote(str(data_dir))}"
        raise FileNotFoundError(
            f"Data set '{name}' is not prepared in {builder.data_path}. Fetch it once "
            f"with: python -m experiments fetch {name}{option}\n{_WORKS_NOW}"
        )
    return builder


def _builder(name: str, data_dir: str | None) -> Any:
    # Imported here because it takes seconds that the embedded sets need not pay.
    import tensorflow_datasets as tfds

    return tfds.builder(PREPARED[name][0], data_dir=data_dir)


def _answers(host: str) -> bool:
    # With the library that tensorflow-datasets uses, so that proxies and certificates
    # act alike. Below 500 is an answer: a host may well refuse its bare root.
    import requests

    try:
        return requests.head(host, timeout=_NETWORK_TIMEOUT).status_code < 500
    except requests.RequestException:
        return False


def _check_choice(argument: str, received: object, accepted: tuple[str, ...]) -> None:
    if received not in accepted:
        near = difflib.get_close_matches(str(received).lower(), accepted)
        hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
        raise _invalid(argument, received, f"one of {', '.join(accepted)}{hint}")


def _invalid(argument: str, received: object, accepted: str) -> ValueError:
    return ValueError(
        f"`{argument}` must be {accepted}. Received: {argument}={received!r}"
    )
