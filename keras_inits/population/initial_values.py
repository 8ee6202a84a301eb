"""The values that members start from, without building the networks of all."""

import contextlib
import gc
import json
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import draw_seed

_TOGETHER = 8
"""From so many draws on, tracing one for all is faster than each by itself."""

_REBUILD = keras.Sequential._maybe_rebuild


@dataclass(frozen=True)
class Draw:
    """A value that an initializer will draw: nothing but its arguments decides on it.

    Args:
        initializer: Of Keras or of this package, with a seed that is a number if it
            has one, or a function that a layer of Keras makes of such.
        shape: Of the variable.
        dtype: Of the variable.
    """

    initializer: Any
    shape: tuple[int, ...]
    dtype: str

    def __call__(self) -> np.ndarray:
        """Returns the value."""
        return ops.convert_to_numpy(self.initializer(self.shape, dtype=self.dtype))

    def equals(self, other: Any) -> bool:
        """Tells whether another will draw the same value."""
        if not isinstance(other, Draw):
            return False
        if self.recipe is None or other.recipe is None:
            return np.array_equal(self(), other())
        return (self.recipe, self.seed) == (other.recipe, other.seed)

    @property
    def recipe(self) -> tuple[Any, ...] | None:
        """What it has in common with draws by other seeds, `None` if unknown."""
        if not isinstance(self.initializer, keras.Initializer):
            return None
        config = dict(self.initializer.get_config())
        config.pop("seed", None)
        try:
            text = json.dumps(config, sort_keys=True)
        except TypeError:
            return None
        return type(self.initializer), text, self.shape, self.dtype

    @property
    def seed(self) -> int | None:
        """What it has not."""
        return getattr(self.initializer, "seed", None)


Start: TypeAlias = Sequence[np.ndarray | Draw]
"""A value, or what will draw it, for each variable."""


@dataclass(frozen=True)
class _Place:
    """Where a variable of a network is: a layer, and a place among its own."""

    layer: int
    index: int
    of: int
    name: str
    shape: tuple[int, ...]
    dtype: str


class Blueprint:
    """Tells what a build would start from, having built one network of its kind.

    Most of a build goes into what members share: variables, graph, and the checks of
    each layer. Here Keras does without variables (`keras.StatelessScope`), and, if
    `lazily`, leaves a `Sequential` unbuilt. What the user's code does is done in full,
    with all that it draws; what Keras' initializers would draw is told as `Draw`.

    Args:
        model: A network that is built.
        variables: Its variables, in the order in which values are wanted.
    """

    def __init__(self, model: keras.Model, variables: Sequence[Any]) -> None:
        """Finds the layer of each variable."""
        layers = list(model._flatten_layers())
        self._signature = _signature(layers)
        places = {
            id(variable): _Place(
                at,
                index,
                len(owned),
                variable.name,
                tuple(variable.shape),
                variable.dtype,
            )
            for at, layer in enumerate(layers)
            for owned in [_own_variables(layer)]
            for index, variable in enumerate(owned)
        }
        self._places = [places.get(id(variable)) for variable in variables]

    def start(
        self, build: Callable[[], keras.Model], lazily: bool
    ) -> tuple[Start, keras.Model] | None:
        """Returns what a build would start from and the model that it has returned.

        Args:
            build: Builds a network.
            lazily: Whether a `Sequential` may be left unbuilt. It then has no weights
                that the user's code could see.

        Returns:
            A value or a draw for each variable, and the model, which has no variables
            to speak of; `None` if that cannot be told.
        """
        try:
            with _without_variables(lazily) as scope:
                model = build()
            layers = list(model._flatten_layers())
            if _signature(layers) != self._signature:
                return None
            return [self._value(place, layers, scope) for place in self._places], model
        except Exception:  # Whatever it is, a whole build will tell.
            return None

    def _value(
        self, place: _Place | None, layers: Sequence[keras.Layer], scope: Any
    ) -> np.ndarray | Draw:
        if place is None:
            raise LookupError("A variable belongs to no layer.")
        layer = layers[place.layer]
        own = _own_variables(layer)
        if len(own) == place.of:
            variable = own[place.index]
            if (tuple(variable.shape), variable.dtype) != (place.shape, place.dtype):
                raise ValueError("A variable is of another shape.")
            assigned = scope.get_current_value(variable)
            if assigned is not None:
                return ops.convert_to_numpy(assigned)
            initializer = variable._initializer
        else:
            initializer = _declared_initializer(layer, place.name)
        if not _is_pure(initializer):
            raise ValueError("More than its arguments decides on a value.")
        return Draw(initializer, place.shape, place.dtype)


def same(one: Start, other: Start) -> bool:
    """Tells whether two starts have the same values."""
    return all(
        a.equals(b) if isinstance(a, Draw) else _equal(a, b)
        for a, b in zip(one, other, strict=True)
    )


def _equal(value: np.ndarray, other: Any) -> bool:
    return isinstance(other, np.ndarray) and np.array_equal(value, other)


def resolve(starts: Sequence[Start]) -> list[list[np.ndarray]]:
    """Draws all that is to be drawn, equal draws once, and similar ones together."""
    groups: dict[Any, dict[Any, Draw]] = {}

    def key(draw: Draw) -> tuple[Any, Any]:
        recipe = draw.recipe
        if recipe is None:
            return id(draw.initializer), (draw.shape, draw.dtype)
        return recipe, draw.seed

    for start in starts:
        for value in start:
            if isinstance(value, Draw):
                group, seed = key(value)
                groups.setdefault(group, {})[seed] = value
    drawn = {
        group: dict(zip(draws, _drawn(list(draws.values())), strict=True))
        for group, draws in groups.items()
    }

    def value_of(value: np.ndarray | Draw) -> np.ndarray:
        if isinstance(value, Draw):
            group, seed = key(value)
            return drawn[group][seed]
        return value

    return [[value_of(value) for value in start] for start in starts]


def _drawn(draws: list[Draw]) -> Sequence[np.ndarray]:
    """Returns the values of draws that differ in their seeds alone."""
    first = draws[0]
    traceable = type(first.initializer).__module__.startswith("keras.")
    if (
        keras.backend.backend() == "tensorflow"
        and len(draws) >= _TOGETHER
        and traceable
    ):
        together = list(_drawn_together(draws))
        # A graph may round otherwise than what is run at once.
        if all(np.array_equal(together[i], draws[i]()) for i in (0, -1)):
            return together
    return [draw() for draw in draws]


def _drawn_together(draws: list[Draw]) -> np.ndarray:
    import tensorflow as tf

    class Given(keras.random.SeedGenerator):
        """Gives a seed that the graph is fed with."""

        def __init__(self, seed: Any) -> None:
            self.given = seed

        def next(self, ordered: bool = True) -> Any:
            return self.given

    first = draws[0].initializer
    config = first.get_config()
    seeds = [draw_seed(draw.seed) for draw in draws]

    def one(seed: Any) -> Any:
        initializer = type(first).from_config(config)
        initializer.seed = Given(seed)
        return initializer(draws[0].shape, dtype=draws[0].dtype)

    every = tf.function(
        lambda seeds: tf.map_fn(one, seeds, fn_output_signature=draws[0].dtype)
    )
    given = tf.stack(seeds)
    return ops.convert_to_numpy(every.get_concrete_function(given)(given))


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[Callable[[], Any]]:
    """Keeps Python from looking for garbage in a block, and yields what looks for it.

    Models refer to themselves. To find those that are no longer used, Python looks at
    all that TensorFlow and Keras have made, again and again: a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    gc.freeze()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


@contextlib.contextmanager
def _without_variables(lazily: bool) -> Iterator[keras.StatelessScope]:
    """Has Keras make no variables in a block, and, if `lazily`, build no Sequential."""
    name = "uninitialized_variables"
    before = global_state.get_global_attribute(name)
    global_state.set_global_attribute(name, [])
    try:
        if lazily:
            keras.Sequential._maybe_rebuild = _leave
        with keras.StatelessScope(initialize_variables=False) as scope:
            yield scope
    finally:
        keras.Sequential._maybe_rebuild = _REBUILD
        global_state.set_global_attribute(name, before)


def _leave(model: keras.Sequential) -> None:
    """Leaves a `Sequential` without what building gives it."""
    model.built = False
    model._functional = None


def _own_variables(layer: keras.Layer) -> list[Any]:
    return [
        *layer._trainable_variables,
        *layer._non_trainable_variables,
        *(generator.state for generator in layer._seed_generators),
    ]


def _declared_initializer(layer: keras.Layer, variable: str) -> Any:
    """Returns what a layer says it initializes a variable with, `None` if nothing."""
    for name in (variable, variable.removesuffix("_kernel")):
        initializer = getattr(layer, f"{name}_initializer", None)
        if isinstance(initializer, keras.Initializer):
            return initializer
    return None


def _is_pure(initializer: Any) -> bool:
    """Tells whether an initializer draws the same whenever it is called."""
    known = isinstance(initializer, keras.Initializer)
    kind = type(initializer) if known else initializer
    package = (getattr(kind, "__module__", None) or "").split(".")[0]
    seed = getattr(initializer, "seed", None)
    return package in ("keras", "keras_inits") and (seed is None or type(seed) is int)


def _signature(layers: Sequence[keras.Layer]) -> list[Any]:
    """Lists the kinds of layers and their plain arguments but for names and seeds."""

    def arguments(layer: keras.Layer) -> Iterator[tuple[str, Any]]:
        for name, value in vars(layer).items():
            if name.startswith("_") or name in ("built", "name", "seed"):
                continue
            if isinstance(value, types.FunctionType):
                yield name, (value.__module__, value.__qualname__)
            elif isinstance(value, bool | int | float | str | tuple):
                yield name, value

    return [(type(layer), dict(arguments(layer))) for layer in layers]
