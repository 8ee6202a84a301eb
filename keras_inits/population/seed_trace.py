"""What a build makes of its seed: one build in place of one for each seed."""

import contextlib
import inspect
import operator
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_inits.inspection import keras_private
from keras_inits.population.seeding import snapshot

_PURE = (f"{keras_private.SOURCES}initializers.", "keras_inits.initializers.", __name__)


class Untraceable(Exception):
    """A build needs more than to hand on its seed."""


class SymbolicSeed:
    """An integer known as a function of a member's seed alone.

    It can be calculated with and handed on. Whatever needs its value, as a comparison
    or a random draw does, ends the trace: the next seed may take another turn there.

    Args:
        trace: The trace that it is part of.
        value: Its value, given `SeedTrace.numbers`.
    """

    def __init__(
        self, trace: "SeedTrace", value: Callable[[Sequence[int]], int]
    ) -> None:
        """Keeps how to find the value."""
        self.trace = trace
        self.value = value

    # Keras takes no seed but an `int`. C code is not deceived, and refuses this.
    __class__ = property(lambda self: int)
    __array_ufunc__ = None  # NumPy's integers leave arithmetic to this class.

    def __getattr__(self, name: str) -> Any:
        """Refuses what else an integer has."""
        if not name.startswith("__") and hasattr(int, name):
            self.refuse()
        raise AttributeError(name)

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Ends the trace."""
        self.trace.is_sound = False  # Even if the build handles the error.
        raise Untraceable("The build needs the value of its seed.")

    def _itself(self, *_: Any) -> "SymbolicSeed":
        return self

    __copy__ = __deepcopy__ = _itself
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = refuse
    __hash__ = __bool__ = __index__ = __int__ = __float__ = __array__ = refuse
    __str__ = __repr__ = __format__ = __reduce_ex__ = __round__ = refuse


def _calculated(operation: Callable[..., Any], reflected: bool = False) -> Any:
    def method(self: SymbolicSeed, *others: Any) -> Any:
        if not all(isinstance(other, int) for other in others):
            return NotImplemented
        terms = (*others, self) if reflected else (self, *others)
        return SymbolicSeed(
            self.trace, lambda numbers: operation(*(at(t, numbers) for t in terms))
        )

    return method


for _name in ("add", "sub", "mul", "floordiv", "mod", "pow", "xor", "and", "or"):
    _operation = getattr(operator, f"__{_name}__")
    setattr(SymbolicSeed, f"__{_name}__", _calculated(_operation))
    setattr(SymbolicSeed, f"__r{_name}__", _calculated(_operation, reflected=True))
for _name in ("neg", "pos", "invert", "abs"):
    setattr(SymbolicSeed, f"__{_name}__", _calculated(getattr(operator, _name)))


def at(seed: Any, numbers: Sequence[int]) -> Any:
    """Returns the value of a seed, or what is no symbol as it is."""
    return seed.value(numbers) if type(seed) is SymbolicSeed else seed


@dataclass(frozen=True)
class Draw:
    """A variable that was not drawn: its initializer, whose seed may be symbolic."""

    initializer: Any
    shape: tuple[int, ...]
    dtype: str


class SeedTrace:
    """One build for all seeds, of which no variable with an initializer is drawn.

    The member's seed is a symbol, and so is each seed that Keras takes from Python's
    generator where it is given none. Initializers that are functions of seed, shape
    and dtype by contract are kept in place of what they draw: Keras' own and those of
    this package. The trace holds for every seed if the build got along with that,
    and drew no other random number.
    """

    def __init__(self) -> None:
        """Begins with the member's seed as the only symbol."""
        self.is_sound = True
        self.seed = SymbolicSeed(self, operator.itemgetter(0))
        self._ranges: list[tuple[int, int]] = []

    def numbers(self, seed: int) -> list[int]:
        """Returns a member's seed, and what Python's generator gives after it."""
        generator = random.Random(seed)
        return [seed, *(generator.randint(*ends) for ends in self._ranges)]

    def randint(self, low: int, high: int) -> Any:
        """Stands for that of Python's `random` where Keras takes seeds from it."""
        self._ranges.append((low, high))
        return SymbolicSeed(self, operator.itemgetter(len(self._ranges)))

    def start(self, variables: Sequence[Any]) -> list[Draw | np.ndarray]:
        """Returns how each variable is drawn, or the value that it has for all seeds.

        Raises:
            Untraceable: If the trace does not hold for every seed.
        """
        draws: list[Draw | np.ndarray] = []
        for variable in variables:
            deferred = keras_private.initializer_of(variable)
            if isinstance(deferred, _Deferred):
                shape = tuple(variable.shape)
                draws.append(Draw(deferred.initializer, shape, variable.dtype))
            else:
                draws.append(keras.ops.convert_to_numpy(variable.value))
        if not self.is_sound:
            raise Untraceable("The build hides that it needs the value of its seed.")
        return draws

    def initialize(self, variable: Any, initializer: Any, eagerly: Any) -> None:
        """Keeps an initializer in place of what it draws, if that is the same."""
        if getattr(initializer, "__qualname__", "") == keras_private.GENERATOR_STATE:
            seed = inspect.getclosurevars(initializer).nonlocals["seed"]
            initializer = _GeneratorState(seed)
        if is_pure(initializer):
            keras_private.defer(variable, _Deferred(self, initializer))
        elif _wraps_pure(initializer):
            eagerly(variable, initializer)
        else:
            self.seed.refuse()


@contextlib.contextmanager
def tracing() -> Iterator[SeedTrace]:
    """Yields a trace of the build in the block.

    Raises:
        Untraceable: If the build draws random numbers beside those of its variables.
    """
    trace, before = SeedTrace(), snapshot()
    with keras_private.initializing(trace.initialize), keras_private.seeds_from(trace):
        yield trace
    if snapshot() != before:
        raise Untraceable("The build draws random numbers of its own.")


def is_pure(initializer: Any) -> bool:
    """Tells whether seed, shape and dtype decide what an initializer draws."""
    return type(initializer).__module__.startswith(_PURE) and not isinstance(
        getattr(initializer, "seed", None), keras.random.SeedGenerator
    )


def _wraps_pure(function: Any) -> bool:
    """Tells whether it is a function of a Keras layer on a pure initializer."""
    if not getattr(function, "__module__", "").startswith(keras_private.SOURCES):
        return False
    held = inspect.getclosurevars(function).nonlocals.values()
    inner = [
        value
        for holder in held
        for name, value in ({"": holder} | getattr(holder, "__dict__", {})).items()
        if name.endswith("_initializer") or isinstance(value, keras.Initializer)
    ]
    return all(value is None or is_pure(value) for value in inner)


class _GeneratorState(keras.initializers.Initializer):
    """The state in which a `keras.random.SeedGenerator` starts."""

    def __init__(self, seed: Any) -> None:
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.convert_to_tensor([self.seed, 0], dtype=dtype)


class _Deferred:
    """An initializer that a build may call for a constant, or for a shape alone."""

    def __init__(self, trace: SeedTrace, initializer: Any) -> None:
        self.trace, self.initializer = trace, initializer

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        if type(getattr(self.initializer, "seed", None)) is not SymbolicSeed:
            return self.initializer(shape, dtype=dtype)
        if keras_private.in_stateless_scope():
            # Keras finds out the shape of an output, and keeps no value.
            return keras.ops.zeros(shape, dtype)
        return self.trace.seed.refuse()
