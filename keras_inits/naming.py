"""What to say to a name that is not known."""

import difflib
from collections.abc import Iterable


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
