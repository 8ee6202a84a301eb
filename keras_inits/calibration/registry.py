"""Which calibration does what an initializer cannot do alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import keras

Function = TypeVar("Function", bound=Callable[..., Any])


def _none(initializer: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Calibration:
    """A calibration, as `initialize` and `compare` know it.

    Args:
        function: Takes a model, `seed` and `strict`, and if it measures data, `x`.
        initializer: Class of the initializer whose work it does; `None` if there is no
            such initializer, and the calibration is known by its name alone.
        data: `"none"` if it measures none, `"optional"` if it draws them where there
            are none, `"required"` if it cannot do without.
        arguments: Returns the arguments that it takes over from an initializer.
    """

    function: Callable[..., Any]
    initializer: type[keras.Initializer] | None
    data: str
    arguments: Callable[[Any], dict[str, Any]]


CALIBRATIONS: dict[str, Calibration] = {}
"""By the name of the function."""


def register(
    initializer: type[keras.Initializer] | None = None,
    data: str = "none",
    arguments: Callable[[Any], dict[str, Any]] = _none,
) -> Callable[[Function], Function]:
    """Makes a calibration known, as the arguments of `Calibration` say."""

    def decorate(function: Function) -> Function:
        name = function.__name__
        CALIBRATIONS[name] = Calibration(function, initializer, data, arguments)
        return function

    return decorate


def calibration_of(initializer: Any) -> Calibration | None:
    """Returns the calibration that does the work of an initializer, if there is one.

    Args:
        initializer: An object, or the name of a calibration that has no initializer.
    """
    if isinstance(initializer, str):
        named = CALIBRATIONS.get(initializer)
        return named if named is not None and named.initializer is None else None
    for calibration in CALIBRATIONS.values():
        if calibration.initializer and isinstance(initializer, calibration.initializer):
            return calibration
    return None
