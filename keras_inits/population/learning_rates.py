"""A learning rate for each member of a population."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_inits")
class MemberLearningRates(keras.optimizers.schedules.LearningRateSchedule):
    """Gives each member of a `Population` a constant learning rate of its own.

    An optimizer multiplies its step by the learning rate. In the step of a population
    that is a column with a row for each member, as the matrices of weights have.
    Callbacks, which ask for the learning rate outside of it, get one number, the mean.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import Population
    >>> from keras_inits.population import MemberLearningRates
    >>> def build():
    ...     layer = keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)
    ...     return keras.Sequential([keras.Input((1,)), layer])
    >>> population = Population(build, [{"seed": 0}, {"seed": 1}])
    >>> population.compile(keras.optimizers.SGD(MemberLearningRates([0.1, 0.2])), "mse")
    >>> history = population.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    >>> print(population.get_weights()[0])  # Each gradient is -2.
    [[0.2]
     [0.4]]

    Args:
        rates: One for each member, in their order.

    Raises:
        ValueError: If a rate is negative or not finite, or there is none.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        """Keeps the rates."""
        self.rates = [float(rate) for rate in rates]
        if not (self.rates and all(0 <= rate < np.inf for rate in self.rates)):
            raise ValueError(
                "`rates` must be finite numbers of at least 0, one for each member. "
                f"Received: rates={list(rates)}"
            )
        self._by_member = False

    def __call__(self, step: Any) -> Any:
        """Returns the mean of the rates, `(members, 1)` of them within `by_member`."""
        rates = np.array(self.rates, "float32")[:, None]
        return ops.convert_to_tensor(rates if self._by_member else rates.mean())

    @contextlib.contextmanager
    def by_member(self) -> Iterator[None]:
        """Gives each member its own rate within a block."""
        self._by_member = True
        try:
            yield
        finally:
            self._by_member = False

    def get_config(self) -> dict[str, Any]:
        """Returns the rates."""
        return {"rates": self.rates}
