"""Arguments: checked, and what is said of those that are not accepted."""

import difflib
import math
from collections.abc import Iterable
from numbers import Real
from typing import Any


def unknown(
    kind: str, received: str, known: Iterable[str], argument: str | None = None
) -> ValueError:
    """Returns the error for an unknown name: the names near it, or all that there are.

    Examples:
    >>> print(unknown("preset", "smok", ["smoke", "desk"]))
    Unknown preset. Did you mean 'smoke'? Received: preset=smok

    Args:
        kind: What the name is one of.
        received: The name.
        known: The names that would do.
        argument: The argument that holds it. Defaults to `kind`.
    """
    known = list(known)
    near = difflib.get_close_matches(str(received).lower(), known)
    if near:
        hint = f"Did you mean {' or '.join(map(repr, near))}?"
    else:
        hint = f"Accepted: {', '.join(known)}."
    return ValueError(f"Unknown {kind}. {hint} Received: {argument or kind}={received}")


def check_real(name: str, value: Any, least: float = -math.inf) -> float:
    """Returns `value` as a float if it is a finite real number, at least `least`."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    try:
        number = float(value) if is_real else math.nan
    except OverflowError:  # An int may be larger than any float.
        number = math.inf
    if not (math.isfinite(number) and number >= least):
        bound = "" if least < 0 else f" of at least {least:g}"
        raise ValueError(
            f"`{name}` must be a finite number{bound}. Received: {name}={value}"
        )
    return number


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of `choices`."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value}"
        )
    return value
