"""The initial values of many members, from one trace of their build."""

import copy
import json
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.population.seed_trace import Draw, SeedTrace, at, is_pure

_FEW = 8  # So many draws take less time than a graph that makes them.


def draw(
    trace: SeedTrace, start: Sequence[Draw | np.ndarray], seeds: Sequence[int]
) -> list[np.ndarray]:
    """Returns the initial value of each variable, stacked over the seeds.

    Draws of one law, shape and dtype are made together, and equal ones once.

    Args:
        trace: The trace of a build.
        start: How it draws each variable, or the value that it has for all seeds.
        seeds: The seeds of the members.
    """
    numbers = {seed: trace.numbers(seed) for seed in seeds}
    values: dict[int, np.ndarray] = {}
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for place, entry in enumerate(start):
        if isinstance(entry, Draw):
            alike[law(entry.initializer), entry.shape, entry.dtype].append(place)
        else:
            values[place] = np.stack([entry] * len(seeds))
    for places in alike.values():
        seeds_of = {
            place: [at(_seed(entry.initializer), numbers[seed]) for seed in seeds]
            for place in places
            if isinstance(entry := start[place], Draw)
        }
        distinct = list(
            dict.fromkeys(s for place_seeds in seeds_of.values() for s in place_seeds)
        )
        rows = _rows(start[places[0]], distinct)
        row_of = {seed: row for row, seed in enumerate(distinct)}
        for place, place_seeds in seeds_of.items():
            values[place] = rows[[row_of[seed] for seed in place_seeds]]
    return [values[place] for place in range(len(start))]


def law(initializer: Any) -> Hashable:
    """Returns what is equal for initializers that differ in their seed at most."""
    if is_pure(initializer):
        config = {**initializer.get_config(), "seed": None}
        try:
            layout = getattr(initializer, "layout", None)  # Of this package's.
            return type(initializer), json.dumps(config, sort_keys=True), layout
        except TypeError:  # It holds what Keras cannot write down.
            pass
    return id(initializer)


def _seed(initializer: Any) -> Any:
    return getattr(initializer, "seed", None)


def _with(initializer: Any, seed: Any) -> Any:
    if seed is None:
        return initializer
    other = copy.copy(initializer)
    other.seed = seed
    return other


def _rows(entry: Any, seeds: Sequence[Any]) -> np.ndarray:
    def one(seed: Any) -> np.ndarray:
        value = _with(entry.initializer, seed)(entry.shape, dtype=entry.dtype)
        return keras.ops.convert_to_numpy(value)

    if len(seeds) > _FEW and keras.backend.backend() == "tensorflow":
        try:
            rows = _mapped(entry, seeds)
        except Exception:  # It takes no generator for a seed, or not in a graph.
            rows = None
        ends = (0, len(seeds) // 2, -1)
        # One that turns its seed into others, as RAI does, draws otherwise.
        if rows is not None and all(
            rows[end].tobytes() == one(seeds[end]).tobytes() for end in ends
        ):
            return rows
    return np.stack([one(seed) for seed in seeds])


def _mapped(entry: Draw, seeds: Sequence[int]) -> np.ndarray:
    """Draws in one graph, with the operations of a draw by itself.

    TensorFlow would rewrite them for speed, which moves a value now and then by its
    last digit; it is told not to.
    """
    import tensorflow as tf

    def one(state: Any) -> Any:
        initializer = _with(entry.initializer, _Given(state))
        return initializer(entry.shape, dtype=entry.dtype)

    signature = tf.TensorSpec(entry.shape, entry.dtype)
    states = tf.constant([[seed, 0] for seed in seeds], "int64")
    mapped = tf.function(lambda: tf.map_fn(one, states, fn_output_signature=signature))
    options = tf.config.optimizer.get_experimental_options()
    before = {"disable_meta_optimizer": options.get("disable_meta_optimizer", False)}
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        rows: np.ndarray = mapped().numpy()
    finally:
        tf.config.optimizer.set_experimental_options(before)
    return rows


class _Given(keras.random.SeedGenerator):
    """A generator in a state that a graph may vary, which it keeps."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def next(self, ordered: bool = True) -> Any:
        return self.state
