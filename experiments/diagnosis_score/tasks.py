"""What networks are asked to learn: real data that scikit-learn has, and a few made."""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import sklearn.datasets

from experiments.engine import datasets

SAMPLES = 2000
"""At most, of a task."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Samples, targets, and the output that is to return them.

    Args:
        x: Inputs, `(samples, ...)`, about 1 in size.
        y: Targets, as the loss takes them.
        units: Outputs.
        activation: Of the output.
        loss: As `compile` takes it.
    """

    x: np.ndarray
    y: np.ndarray
    units: int
    activation: str
    loss: str

    @property
    def chance(self) -> float:
        """Accuracy of always guessing the largest class; NaN of what has no classes."""
        if self.loss == "mse":
            return np.nan
        return float(np.unique(self.y, return_counts=True)[1].max() / len(self.y))

    @property
    def constant_loss(self) -> float:
        """Least loss of outputs that are the same for all samples."""
        if self.loss == "mse":
            return float(np.mean((self.y - self.y.mean(axis=0)) ** 2))
        parts = np.unique(self.y, return_counts=True)[1] / len(self.y)
        return float(-(parts * np.log(parts)).sum())

    def skill(self, loss: np.ndarray, accuracy: np.ndarray | None) -> np.ndarray:
        """Returns how much was learnt: 0 is what needs no inputs, 1 is all.

        Args:
            loss: Mean losses.
            accuracy: Fractions, by which it is told if they are there.
        """
        if accuracy is None:
            return np.asarray(1 - loss / self.constant_loss)
        return np.asarray((accuracy - self.chance) / (1 - self.chance))


def _standard(x: np.ndarray) -> np.ndarray:
    deviation = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype("f4")


def _classes(x: np.ndarray, y: np.ndarray) -> Task:
    units = int(y.max()) + 1
    loss = "sparse_categorical_crossentropy"
    return Task(x, y.astype("i4"), units, "softmax", loss)


def _binary(x: np.ndarray, y: np.ndarray) -> Task:
    y = y.reshape(-1, 1).astype("f4")
    return Task(x, y, 1, "sigmoid", "binary_crossentropy")


def _regression(x: np.ndarray, y: np.ndarray, output: str = "linear") -> Task:
    y = y.reshape(len(y), -1).astype("f4")
    return Task(x, y, y.shape[1], output, "mse")


def _pixels(name: str) -> tuple[np.ndarray, np.ndarray]:
    data = datasets.load(name)
    some = np.random.default_rng(0).permutation(len(data.y))[:SAMPLES]
    return datasets.scale(data, "unit")[some], data.y[some]


def _images(name: str) -> np.ndarray:
    x, _ = _pixels(name)
    side = round(x.shape[1] ** 0.5)
    return x.reshape(-1, side, side, 1)


def _three() -> Task:
    """Asks which of the first three digits an image of MNIST shows."""
    x, y = _pixels("mnist")
    return _classes(x[y < 3], y[y < 3])


def _parity() -> Task:
    """Asks whether the digit that an image of MNIST shows is odd."""
    x, y = _pixels("mnist")
    return _binary(x, y % 2)


def _spirals() -> Task:
    rng = np.random.default_rng(0)
    turns, arm = rng.uniform(0.3, 2.0, 1000), rng.integers(0, 2, 1000)
    angle = np.pi * (turns + arm)
    x = np.stack([turns * np.cos(angle), turns * np.sin(angle)], axis=1)
    return _binary(_standard(x + rng.normal(0, 0.05, x.shape)), arm)


def _circles() -> Task:
    x, y = sklearn.datasets.make_circles(1000, noise=0.08, factor=0.5, random_state=0)
    return _binary(_standard(x), y)


def _moons() -> Task:
    x, y = sklearn.datasets.make_moons(1000, noise=0.15, random_state=0)
    return _binary(_standard(x), y)


def _friedman() -> Task:
    x, y = sklearn.datasets.make_friedman1(1000, noise=0.5, random_state=0)
    return _regression(_standard(x), _standard(y))


def _wine_colour() -> Task:
    data = sklearn.datasets.load_wine()
    colour = data.feature_names.index("color_intensity")
    x = _standard(np.delete(data.data, colour, axis=1))
    return _regression(x, _standard(data.data[:, colour]))


def _diabetes() -> Task:
    data = sklearn.datasets.load_diabetes()
    return _regression(_standard(data.data), _standard(data.target))


def _balance() -> Task:
    """Asks whether a sequence of 16 random numbers has a sum above 0."""
    x = np.random.default_rng(0).normal(size=(1000, 16, 1)).astype("f4")
    return _binary(x, x.sum(axis=(1, 2)) > 0)


def _frequency() -> Task:
    """Asks for the frequency of a noisy sine, of 24 steps."""
    rng = np.random.default_rng(0)
    frequency, phase = rng.uniform(0.1, 0.6, (1000, 1)), rng.uniform(0, 6, (1000, 1))
    x = np.sin(2 * np.pi * frequency * np.arange(24) / 2 + phase)
    x = (x + rng.normal(0, 0.1, x.shape)).astype("f4")[..., None]
    return _regression(x, _standard(frequency))


def _rows(name: str) -> Task:
    """Reads an image row by row."""
    task = _classes(*_pixels(name))
    return dataclasses.replace(task, x=_images(name)[..., 0])


def _autoencoding(x: np.ndarray, output: str) -> Task:
    return _regression(x, x, output)


_SKLEARN = sklearn.datasets
TASKS: dict[str, Callable[[], Task]] = {
    "digits": lambda: _classes(*_pixels("digits")),
    "digits, images": lambda: _classes(_images("digits"), _pixels("digits")[1]),
    "mnist": lambda: _classes(*_pixels("mnist")),
    "mnist, images": lambda: _classes(_images("mnist"), _pixels("mnist")[1]),
    "mnist, three": _three,
    "mnist, parity": _parity,
    "fashion_mnist": lambda: _classes(*_pixels("fashion_mnist")),
    "wine": lambda: _classes(
        _standard(_SKLEARN.load_wine().data),
        _SKLEARN.load_wine().target,
    ),
    "iris": lambda: _classes(
        _standard(_SKLEARN.load_iris().data),
        _SKLEARN.load_iris().target,
    ),
    "breast cancer": lambda: _binary(
        _standard(_SKLEARN.load_breast_cancer().data),
        _SKLEARN.load_breast_cancer().target,
    ),
    "circles": _circles,
    "moons": _moons,
    "spirals": _spirals,
    "diabetes": _diabetes,
    "wine, colour": _wine_colour,
    "Friedman": _friedman,
    "digits, autoencoder": lambda: _autoencoding(_pixels("digits")[0], "sigmoid"),
    "wine, autoencoder": lambda: _autoencoding(
        _standard(_SKLEARN.load_wine().data), "linear"
    ),
    "fashion_mnist, autoencoder": lambda: _autoencoding(
        _pixels("fashion_mnist")[0], "sigmoid"
    ),
    "breast cancer, autoencoder": lambda: _autoencoding(
        _standard(_SKLEARN.load_breast_cancer().data), "linear"
    ),
    "digits, rows": lambda: _rows("digits"),
    "mnist, rows": lambda: _rows("mnist"),
    "balance": _balance,
    "frequency": _frequency,
}


FAMILIES = {
    **dict.fromkeys(
        ["digits", "digits, images", "mnist", "mnist, images", "fashion_mnist"],
        "ten classes",
    ),
    **dict.fromkeys(["wine", "iris", "mnist, three"], "three classes"),
    **dict.fromkeys(
        ["breast cancer", "circles", "moons", "spirals", "mnist, parity"], "binary"
    ),
    **dict.fromkeys(["diabetes", "wine, colour", "Friedman"], "regression"),
    **dict.fromkeys([n for n in TASKS if "autoencoder" in n], "autoencoding"),
    **dict.fromkeys(
        ["digits, rows", "mnist, rows", "balance", "frequency"], "sequence"
    ),
}
"""Kinds of tasks, known without their data."""


@functools.cache
def task(name: str) -> Task:
    """Returns a task by its name."""
    return TASKS[name]()
