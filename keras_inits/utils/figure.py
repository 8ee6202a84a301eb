"""Figures, where matplotlib is installed."""

from typing import Any


def new_figure(**options: Any) -> tuple[Any, Any]:
    """Returns a `matplotlib.figure.Figure` and its axes.

    Args:
        **options: Those of the figure.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("A plot needs matplotlib: pip install matplotlib") from error
    figure = Figure(layout="constrained", **options)
    return figure, figure.subplots()
