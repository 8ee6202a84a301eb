"""Lee et al. (2024): the methods it compares, its protocol, and its tables."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from experiments import networks
from experiments.datasets import Scaling
from keras_inits import LeeQR, RectangularIdentity, ZerO
from keras_inits.naming import unknown

METHODS = ("proposed", "orthogonal", "xavier", "he", "zero", "identity", "rai", "gsm")
"""The columns of the paper's tables, in its order."""

AVAILABLE = METHODS[:6]
"""Those that this version can run: `rai` and `gsm` draw kernel and bias jointly."""


@dataclass(frozen=True)
class Protocol:
    """How the paper's networks are trained, with what it leaves open made explicit.

    The paper states Adam at 0.001, batches of 100, 15 % held out at random, epsilon
    0.1 and cross-entropy (section 4.1). It does not state the rest.

    Args:
        scaling: Scale of the pixels.
        epsilon: Of the proposed method.
        signs: Sign convention of its QR decomposition; the matrices that the paper
            prints have `"householder"`.
        xavier: Which of Keras' Glorot initializers is "Xavier".
        he: Which of Keras' He initializers is "He".
        zero_scale: Factor of the Hadamard blocks of ZerO.
        zero_transpose: Whether ZerO is applied to the kernel in Keras' shape
            `(in, out)`, as if it were the paper's `(out, in)`.
        learning_rate: Of Adam.
        batch_size: Samples in a batch; the last batch of an epoch is a smaller one.
        held_out: Part of the pooled samples to validate on.
    """

    scaling: Scaling = "unit"
    epsilon: float = 0.1
    signs: Literal["householder", "gram_schmidt"] = "householder"
    xavier: str = "glorot_uniform"
    he: str = "he_normal"
    zero_scale: Literal["paper", "notebook"] = "paper"
    zero_transpose: bool = True
    learning_rate: float = 0.001
    batch_size: int = 100
    held_out: float = 0.15

    def initializer(self, method: str) -> Any:
        """Returns what stands for a column of the tables in `kernel_initializer=`.

        Raises:
            ValueError: If there is no such method, or it cannot be run yet.

        Examples:
            >>> Protocol().initializer("xavier")
            'glorot_uniform'
        """
        check_methods([method])
        # Names, where the method is random: each layer then draws a seed of its own.
        return {
            "proposed": LeeQR(self.epsilon, self.signs),
            "orthogonal": "orthogonal",
            "xavier": self.xavier,
            "he": self.he,
            "zero": ZerO(self.zero_scale, self.zero_transpose),
            "identity": RectangularIdentity(),
        }[method]


@dataclass(frozen=True)
class Cell:
    """One row of a table: a network and data on which all methods are compared.

    Args:
        experiment: Name in the catalogue.
        dataset: Name for `experiments.datasets.load`.
        activation: Of the hidden layers.
        depth: Number of hidden layers.
        widths: Widths that the hidden layers take in turn.
        samples_per_class: Training samples of each class; `None` for all.
        epochs: Epochs to train.
    """

    experiment: str
    dataset: str
    activation: str = "relu"
    depth: int = 120
    widths: tuple[int, ...] = (10, 6)
    samples_per_class: int | None = None
    epochs: int = 10

    @property
    def hidden(self) -> tuple[int, ...]:
        """Width of every hidden layer."""
        return networks.alternating(self.depth, self.widths)

    def run(self, method: str, seed: int, protocol: Protocol) -> dict[str, Any]:
        """Returns the description of one member, by which the ledger knows it."""
        return {
            "experiment": self.experiment,
            "dataset": self.dataset,
            "activation": self.activation,
            "hidden": f"{'-'.join(map(str, self.widths))}x{self.depth}",
            "samples_per_class": self.samples_per_class or "all",
            "method": method,
            "epochs": self.epochs,
            "seed": seed,
            "protocol": asdict(protocol),
        }


def table2(
    datasets: Sequence[str] = ("mnist", "fashion_mnist"),
    activations: Sequence[str] = ("tanh", "sigmoid", "selu", "gelu", "relu"),
    epochs: int = 10,
    depth: int = 120,
) -> list[Cell]:
    """Returns the rows of Table 2: 120 hidden layers of 10 and 6 units in turn.

    Examples:
        >>> len(table2())
        10
    """
    for activation in activations:
        networks.check_activation(activation)
    return [
        Cell("lee-table2", dataset, activation, depth, epochs=epochs)
        for dataset in datasets
        for activation in activations
    ]


def check_methods(methods: Sequence[str]) -> None:
    """Raises a `ValueError` for a method that is unknown or cannot be run yet."""
    for method in methods:
        if method not in METHODS:
            raise unknown("method", method, METHODS)
        if method not in AVAILABLE:
            raise ValueError(
                f"Method '{method}' cannot be run by this version. "
                f"Accepted: {', '.join(AVAILABLE)}. Received: method={method}"
            )
