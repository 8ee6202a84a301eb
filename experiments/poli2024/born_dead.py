"""Lu et al. (2019): how many ReLU networks are born dead, counted and bounded."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from experiments.engine.ledger import Ledger
from experiments.poli2024.methods import check_methods
from keras_inits import RAI

METHODS = ("he", "rai")
"""He's normal weights without biases, and the asymmetric ones, with theirs."""

DOMAIN = math.sqrt(3)
"""Inputs are numbers from minus this to this, which have a variance of 1."""

POINTS = 101
"""Inputs that are looked at, at equal distances."""


def bounds(width: int, depth: int) -> tuple[float, float]:
    """Returns bounds on the chance that a ReLU network of one input is born dead.

    They hold for independent weights that are symmetric about 0, without biases. Such a
    network is linear on either side of 0, so that it is dead where both of its rays
    are. After the first layer, of which a unit is positive on one of the rays alone,
    both rays live unless all units chose the same. A ray that lives is dead behind the
    next layer by chance `2**-width`; if both live, the angle of their two vectors,
    which have no negative entries, is between 0 and a right angle: they die together by
    a chance between that of one, `2**-width` (upper bound, and then never alone), and
    that of independent ones, its square (lower bound). The chance that the network
    dies in the end grows with the chance that they die together.

    They are derived here: of Lu et al. the abstract alone is at hand.

    Args:
        width: Units of each hidden layer.
        depth: Number of hidden layers, 1 or more.

    Returns:
        The lower and the upper bound.

    Examples:
        >>> [round(bound, 4) for bound in bounds(2, 10)]
        [0.8902, 0.9249]
    """
    one = 2.0**-width
    both_live, one_lives = 1 - 2 * one, 2 * one
    ends = []
    for together, alone in ((one**2, 2 * (one - one**2)), (one, 0.0)):
        both, single, dead = both_live, one_lives, 0.0
        for _ in range(depth - 1):
            dead += both * together + single * one
            single = single * (1 - one) + both * alone
            both *= 1 - together - alone
        ends.append(dead)
    return ends[0], ends[1]


@dataclass(frozen=True)
class Cell:
    """Networks of one width that are drawn and not trained.

    An epoch of the ledger is a hidden layer: networks that are dead behind one are dead
    however deep they go on.

    Args:
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        networks: How many are drawn by each method.
        methods: Those to compare.
    """

    width: int
    depth: int = 100
    networks: int = 1000
    methods: tuple[str, ...] = METHODS
    dataset: str = ""

    def __post_init__(self) -> None:
        """Checks the methods."""
        check_methods(self.methods, METHODS)

    @property
    def name(self) -> str:
        """What it is, in a few words."""
        return f"{self.width} units, {self.networks} networks"

    @property
    def rows_per_run(self) -> int:
        """Layers that the ledger has of a run that is finished."""
        return self.depth

    def describe(self) -> list[dict[str, Any]]:
        """Returns the description of the networks of each method."""
        return [
            {
                "experiment": "poli-rai",
                "kind": "born dead",
                "method": method,
                "width": self.width,
                "networks": self.networks,
                "points": POINTS,
                "epochs": self.depth,
                "seed": 0,
            }
            for method in self.methods
        ]

    def train(
        self,
        missing: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        data_dir: str | None = None,
        progress: keras.callbacks.Callback | None = None,
    ) -> None:
        """Draws the networks, and counts.

        Args:
            missing: Descriptions.
            ledger: Gets what `dead` returns.
            data_dir: Not needed: inputs are numbers.
            progress: Not shown: it takes seconds.
        """
        for run in missing:
            number = ledger.begin(run)
            counts = dead(
                run["method"], self.width, self.depth, self.networks, run["seed"]
            )
            for layer in range(self.depth):
                values = {name: of[[layer]] for name, of in counts.items()}
                ledger.record([number], layer, values, 0.0)


def dead(
    method: str, width: int, depth: int, networks: int, seed: int
) -> dict[str, np.ndarray]:
    """Draws networks, and counts what is dead behind each layer.

    A network is dead where its slope is 0 at all inputs, and a unit where its output
    is. Slopes are followed by themselves: biases may leave so little of the inputs in
    the outputs that rounding hides it, and the network is not dead for that.

    Args:
        method: One of `METHODS`.
        width: Units of each hidden layer.
        depth: Number of hidden layers.
        networks: How many are drawn.
        seed: A seed. Other methods and widths draw other numbers by it.

    Returns:
        For each layer `dead_networks`, the part of the networks that are dead, and
        `dead_units` and `dead_units_sd`, mean and standard deviation over networks of
        the part of the units that are dead, of all layers up to this one.
    """
    stream = np.random.SeedSequence((seed, METHODS.index(method), width))
    # In float64: a signal may grow or shrink by twenty decades on its way.
    x = np.linspace(-DOMAIN, DOMAIN, POINTS)
    outputs = np.broadcast_to(x[None, :, None], (networks, POINTS, 1))
    slopes = np.ones_like(outputs)
    flat, silent = [], []
    for layer_seed in stream.generate_state(depth).tolist():
        kernels, biases = _draw(method, outputs.shape[2], width, networks, layer_seed)
        logits = outputs @ kernels + biases
        active = logits > 0
        outputs, slopes = logits * active, (slopes @ kernels) * active
        flat.append(~slopes.any(axis=(1, 2)))
        silent.append((~active.any(axis=1)).mean(axis=1))
    units = np.cumsum(silent, axis=0) / np.arange(1, depth + 1)[:, None]
    return {
        "dead_networks": np.mean(flat, axis=1),
        "dead_units": units.mean(axis=1),
        "dead_units_sd": units.std(axis=1, ddof=1),
    }


def _draw(
    method: str, inputs: int, width: int, networks: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a layer of all networks: units are drawn one by one, whosever they are."""
    shape = (inputs, networks * width)
    if method == "rai":
        kernel, bias = RAI(seed).draw_jointly(shape)
    else:
        kernel = keras.initializers.HeNormal(seed)(shape)
        bias = keras.ops.zeros(shape[1:])
    kernels = np.asarray(keras.ops.convert_to_numpy(kernel), dtype=float)
    biases = np.asarray(keras.ops.convert_to_numpy(bias), dtype=float)
    return (
        kernels.reshape(inputs, networks, width).transpose(1, 0, 2),
        biases.reshape(networks, 1, width),
    )
