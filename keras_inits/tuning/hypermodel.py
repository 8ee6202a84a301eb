"""The search space: initializers, and the arguments that some of them take."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner
import numpy as np

from keras_inits.initializers import registration


class InitializerHyperModel(keras_tuner.HyperModel):
    """Searches over initializers, and over epsilon for those that have one.

    The hyperparameter `initializer` is a choice among names; `epsilon` and `signs`
    exist only under the initializers that take them. None of the three changes the
    network, so `PopulationTuner` trains all their values together. Further
    hyperparameters are those that `build` asks for.

    Examples:
    >>> import keras
    >>> import keras_tuner
    >>> from keras_inits import InitializerHyperModel
    >>> def build(initializer):
    ...     layer = keras.layers.Dense(1, kernel_initializer=initializer)
    ...     model = keras.Sequential([keras.Input((3,)), layer])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> hypermodel = InitializerHyperModel(build, ["he_normal", "lee_qr"])
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> hp.values["initializer"]
    'he_normal'

    Args:
        build: Function `build(initializer)`, or `build(initializer, hp)`, that
            returns a compiled Keras model.
        initializers: Names of initializers, ours or Keras' own.
        epsilon: Lowest and highest epsilon, sampled on a log scale, or a list of the
            values to try. Defaults to `(1e-4, 1.0)`.
        signs: List of the sign conventions to try under the initializers that have
            them, `["householder", "gram_schmidt"]`. Defaults to each one's own
            default.

    Raises:
        ValueError: If a name or a sign convention is unknown, or `epsilon` is not a
            range or a list of positive numbers.
    """

    weights_only = frozenset({"initializer", "epsilon", "signs"})
    """Hyperparameters that change initial weights and nothing else."""

    def __init__(
        self,
        build: Callable[..., keras.Model],
        initializers: Sequence[str],
        epsilon: tuple[float, float] | list[float] = (1e-4, 1.0),
        signs: Sequence[str] | None = None,
    ) -> None:
        """Checks the search space."""
        super().__init__()
        self._network = build
        self._build_takes_hp = "hp" in inspect.signature(build).parameters
        if isinstance(initializers, str) or not initializers:
            raise ValueError(
                "`initializers` must be a list of names, one at least. "
                f"Received: initializers={initializers!r}"
            )
        self._arguments = {
            name: inspect.signature(type(registration.get(name))).parameters
            for name in initializers
        }
        self._epsilon = _check_epsilon(epsilon)
        self._signs = [signs] if isinstance(signs, str) else list(signs or [])
        for name in self._takers("signs"):
            for value in self._signs:
                type(registration.get(name))(signs=value)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Returns the compiled model of one point of the search space."""
        name = hp.Choice("initializer", list(self._arguments))
        chosen: dict[str, Any] = {}
        if takers := self._takers("epsilon"):
            with hp.conditional_scope("initializer", takers):
                if name in takers:
                    chosen["epsilon"] = self._choose_epsilon(hp)
        if self._signs and (takers := self._takers("signs")):
            with hp.conditional_scope("initializer", takers):
                if name in takers:
                    chosen["signs"] = hp.Choice("signs", self._signs)
        # A name gives each layer an initializer, and with it a seed, of its own.
        initializer = name
        if chosen:
            config = {**registration.get(name).get_config(), **chosen}
            initializer = type(registration.get(name)).from_config(config)
        if self._build_takes_hp:
            return self._network(initializer, hp=hp)
        return self._network(initializer)

    def _choose_epsilon(self, hp: keras_tuner.HyperParameters) -> float:
        if isinstance(self._epsilon, tuple):
            lowest, highest = self._epsilon
            value: float = hp.Float("epsilon", lowest, highest, sampling="log")
        else:
            value = hp.Choice("epsilon", self._epsilon)
        return value

    def _takers(self, argument: str) -> list[str]:
        return [name for name, taken in self._arguments.items() if argument in taken]


def _check_epsilon(epsilon: Any) -> tuple[float, float] | list[float]:
    """Returns the range or the list of values as floats."""
    try:
        values = [float(value) for value in epsilon]
    except (TypeError, ValueError):
        values = []
    positive = all(np.isfinite(value) and value > 0 for value in values)
    rising = not isinstance(epsilon, tuple) or (
        len(values) == 2 and values[0] < values[1]
    )
    if isinstance(epsilon, str) or not (values and positive and rising):
        raise ValueError(
            "`epsilon` must be a tuple (lowest, highest) or a list of positive "
            f"numbers. Received: epsilon={epsilon}"
        )
    return (values[0], values[1]) if isinstance(epsilon, tuple) else values
