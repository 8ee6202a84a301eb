"""Poli & Yilmaz (2024): how networks of any activation start by each method."""

import warnings
from collections.abc import Sequence

import keras

import keras_inits
from keras_inits.utils.validation import unknown

METHODS = {
    "yilmaz_poli": "yilmaz_poli",
    "he": "he_normal",
    "glorot": "glorot_uniform",
    "lecun": "lecun_normal",
    "ortho": "orthogonal",
    "rai": "rai",
}
"""What all layers start by, and what `keras_inits.initialize` calls it."""


def check_methods(methods: Sequence[str], known: Sequence[str]) -> None:
    """Raises a `ValueError` for a method that is not among those that are known."""
    for method in methods:
        if method not in known:
            raise unknown("method", method, known)


def start(model: keras.Model, method: str, seed: int) -> None:
    """Sets all layers of a network as a method has them.

    `yilmaz_poli` warns of layers that are not logistic. Here it is what is asked.

    Args:
        model: A built network, set in place.
        method: A key of `METHODS`.
        seed: A seed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*'yilmaz_poli'")
        keras_inits.initialize(model, METHODS[method], seed=seed)
