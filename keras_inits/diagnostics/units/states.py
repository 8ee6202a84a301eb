"""The states of units: dead, saturated, constant or copies of each other."""

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from keras_inits.diagnostics.units.statistics import TOLERANCE, UNSEEN, Columns

STATES = ("dead", "saturated", "constant", "duplicate")
"""What may be wrong with a unit, in the order in which the first that holds is said."""

QUANTITIES = (
    *(f"{state}_fraction" for state in (*STATES, "inactive")),
    *("mean", "sd"),
)
"""What a layer is described by."""

SATURATED = 0.95
"""A unit that is in saturation on so large a part of the samples is saturated."""

_SATURATING = ("logistic", "tanh", "hard logistic", "hard tanh")
_NEVER_DEAD = ("logistic", "tanh", "linear", "along units", UNSEEN)


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """What the units of a layer did over some samples.

    The arrays are `(units,)`, and `(members, units)` in a `Population`. A unit is in
    one state at most: each is asked for among the units that are in none before it.

    Args:
        layer: Name of the layer.
        activation: Name of its activation.
        dead: Slope zero on all samples, as of ReLU on what is not positive. Logistic
            and tanh units never are: their slope only comes near zero.
        saturated: Logistic and tanh units whose slope is at most 5 % of its largest
            value on at least 95 % of the samples.
        constant: Outputs that differ by no more than a part of 1e-5 of their size
            within any batch (2 ** -8 in float16, 2 ** -5 in bfloat16).
        duplicate: Outputs equal to those of another unit of the layer on all samples,
            to about 1e-5 of their size.
        inactive: Units that pass nothing on, whatever their state: they are dead, or
            their outputs do not depend on the sample.
        nonfinite: Outputs that are NaN or infinite on some sample. Such a unit is in no
            other state.
        unit_mean: Mean of the outputs of each unit.
        mean: Mean of the outputs of the layer, over units and samples.
        sd: Their standard deviation; less than about 1e-3 of the mean is rounding.
        can_die: Whether the slope of its activation can be zero.
        can_saturate: Whether the activation is logistic or tanh, smooth or hard.
    """

    layer: str
    activation: str
    dead: np.ndarray
    saturated: np.ndarray
    constant: np.ndarray
    duplicate: np.ndarray
    inactive: np.ndarray
    nonfinite: np.ndarray
    unit_mean: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    can_die: bool
    can_saturate: bool

    def quantities(self) -> dict[str, np.ndarray]:
        """Returns the part of the units in each state and inactive, and mean and sd.

        The parts are of the units that are finite, NaN where none is.
        """
        fractions = {
            f"{state}_fraction": part_of_finite(getattr(self, state), self.nonfinite)
            for state in (*STATES, "inactive")
        }
        return {**fractions, "mean": self.mean, "sd": self.sd}

    def with_nonfinite(self, members: np.ndarray) -> "LayerActivity":
        """Returns this with no unit finite in some members.

        Args:
            members: Which, `(members,)`, or a scalar where there are none.
        """
        where = members[..., None]
        states = {
            state: getattr(self, state) & ~where for state in (*STATES, "inactive")
        }
        return dataclasses.replace(self, nonfinite=self.nonfinite | where, **states)

    @property
    def collapsed(self) -> np.ndarray:
        """Whether all units of the layer are dead or constant: it passes nothing on."""
        return np.asarray(self.inactive.all(axis=-1))


def part_of_finite(state: np.ndarray, nonfinite: np.ndarray) -> np.ndarray:
    """Returns the part of the finite units that are in a state, NaN if none is finite.

    Args:
        state: Whether each unit is, `(..., units)`.
        nonfinite: Whether each unit is not finite.
    """
    finite = np.sum(~nonfinite, axis=-1)
    unknown = np.full(finite.shape, np.nan)
    return np.divide(state.sum(axis=-1), finite, out=unknown, where=finite > 0)


def read(statistics: Mapping[tuple[Columns, ...], np.ndarray]) -> list[LayerActivity]:
    """Tells the states of units from their statistics.

    Args:
        statistics: Arrays `(..., ROWS, columns)` by whose they are.
    """
    if statistics and all(
        (values[..., 0, :] <= values[..., 1, :]).all() for values in statistics.values()
    ):
        warnings.warn(
            "Batches of one sample do not show which units are constant: none is said "
            "to be.",
            stacklevel=3,
        )
    layers: dict[str, tuple[Columns, np.ndarray]] = {}
    for layout, values in statistics.items():
        ends = np.cumsum([columns.units for columns in layout])[:-1]
        pieces = np.split(values, ends, axis=-1)
        for columns, piece in zip(layout, pieces, strict=True):
            first, before = layers.get(columns.layer, (columns, 0.0))
            layers[columns.layer] = (min(first, columns), before + piece)
    return [
        _classified(columns, np.moveaxis(rows, -2, 0))
        for columns, rows in sorted(layers.values(), key=lambda pair: pair[0].order)
    ]


def _classified(columns: Columns, rows: np.ndarray) -> LayerActivity:
    samples, batches, total, *projections, squares, active, varying = rows
    # In a graph TensorFlow makes comparisons of their negation, which is not the same
    # for NaN: what they have counted then says nothing.
    nonfinite = ~np.isfinite(total)
    # Of a batch of one sample it cannot be said whether an output depends on it.
    inactive = (varying == 0) & (samples > batches) & ~nonfinite
    can_die = columns.kind not in _NEVER_DEAD
    can_saturate = columns.kind in _SATURATING
    dead = (active == 0) & can_die & ~nonfinite
    saturated = (active <= (1 - SATURATED) * samples) & can_saturate & ~dead
    saturated &= ~nonfinite
    constant = inactive & ~dead & ~saturated
    # Each of them is about the norm of the outputs over all samples, or less.
    values = np.array([total / np.sqrt(samples), *projections])
    others = np.where(dead | saturated | constant | nonfinite, np.nan, values)
    with np.errstate(invalid="ignore"):
        duplicate = _equal(others, TOLERANCE * np.linalg.norm(values, axis=0))
        mean = (total / samples).mean(axis=-1)
        variance = (squares / samples).mean(axis=-1) - mean**2
    return LayerActivity(
        layer=columns.layer,
        activation=columns.function,
        dead=dead,
        saturated=saturated,
        constant=constant,
        duplicate=duplicate,
        inactive=dead | inactive,
        nonfinite=nonfinite,
        unit_mean=total / samples,
        mean=mean,
        sd=np.sqrt(np.maximum(variance, 0)),
        can_die=can_die,
        can_saturate=can_saturate,
    )


def _equal(values: np.ndarray, tolerances: np.ndarray) -> np.ndarray:
    """Tells which units have another that is equal to them in all values.

    Args:
        values: `(values, ..., units)`; what is NaN is not equal to anything.
        tolerances: `(..., units)`.
    """
    order = np.argsort(values[0], axis=-1)
    values = np.take_along_axis(values, order[None], axis=-1)
    tolerances = np.take_along_axis(tolerances, order, axis=-1)
    equal = np.zeros(order.shape, bool)
    for apart in range(1, order.shape[-1]):
        near = (
            np.abs(values[..., apart:] - values[..., :-apart])
            <= tolerances[..., apart:] + tolerances[..., :-apart]
        )
        if not near[0].any():
            break
        both = near.all(axis=0)
        equal[..., apart:] |= both
        equal[..., :-apart] |= both
    return np.take_along_axis(equal, np.argsort(order, axis=-1), axis=-1)
