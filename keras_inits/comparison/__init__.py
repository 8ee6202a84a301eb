"""Comparison: every initializer on the user's own network."""

from keras_inits.comparison.compare import compare
from keras_inits.comparison.result import Compared, Comparison

__all__ = ["Compared", "Comparison", "compare"]
