"""What a population is made of: its members, and the variables of all of them."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_inits.population import members as members_module
from keras_inits.population.forward import Forward
from keras_inits.population.metrics import MemberLogs, MemberMetrics
from keras_inits.population.parameter_packing import Packing


@dataclass
class State:
    """What a population is made of, out of Keras' sight.

    Keras would take the variables of what a model holds for those of the model, but
    those of a population are `matrices`, and no member's own.

    Args:
        build: Builds a member.
        members: What `build` is given for each member.
        network: The network that is evaluated for all members.
        packing: How its variables lie in the matrices of the population.
        forward: Evaluates it.
        logs: What the last `fit` logged of each member.
        matrices: The variables of all members.
        metrics: The loss and metrics of every member; `None` until compiled.
    """

    build: members_module.Build
    members: list[dict[str, Any]]
    network: keras.Model
    packing: Packing
    forward: Forward
    logs: MemberLogs
    matrices: list[Any] = field(default_factory=list)
    metrics: MemberMetrics | None = None

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds of the members, in the order of first appearance."""
        seeds = dict.fromkeys(member.get("seed") for member in self.members)
        return [seed for seed in seeds if seed is not None]

    @property
    def seed_of(self) -> np.ndarray:
        """Index of each member's seed among `seeds`.

        Raises:
            ValueError: If a member has none.
        """
        seeds = [member.get("seed") for member in self.members]
        if None in seeds:
            raise ValueError(
                "Data with an order of their own for each seed need a seed in every "
                f"member. Received: members={self.members}"
            )
        places: dict[Any, int] = {seed: i for i, seed in enumerate(self.seeds)}
        return np.array([places[seed] for seed in seeds])

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model, with its present weights."""
        model = members_module.rebuild(self.build, self.members[index])
        rows = [matrix[index : index + 1] for matrix in self.matrices]
        for variable, value in zip(
            members_module.variables(model), self.packing.unpack(rows), strict=True
        ):
            variable.assign(value[0])
        return model

    def weights_of(self, layer: keras.Layer) -> list[Any]:
        """Returns the weights of a layer of `network`, `(members, ...)` each."""
        values = self.packing.unpack([matrix.value for matrix in self.matrices])
        own = {id(weight) for weight in layer.weights}
        return [
            value
            for variable, value in zip(self.packing.variables, values, strict=True)
            if id(variable) in own
        ]

    def assign_untrained(self, values: list[Any]) -> None:
        """Assigns to the matrices that are not trained what an evaluation left."""
        untrained = (matrix for matrix in self.matrices if not matrix.trainable)
        # A network that changes none returns none.
        for matrix, value in zip(untrained, values, strict=bool(values)):
            matrix.assign(value)

    def check_trainable(self) -> None:
        """Refuses layers that were frozen, or unfrozen, since they were stacked."""
        packing = self.packing
        then = [
            packing.variables[index]
            for (_, _, trainable), group in packing.groups.items()
            if trainable
            for index in group
        ]
        now = {id(variable) for variable in self.network.trainable_variables}
        changed = {id(variable) for variable in then} ^ now
        if changed:
            paths = [v.path for v in packing.variables if id(v) in changed]
            raise ValueError(
                "What is trained is settled when a population is built: `trainable` "
                "must be set in `build`. Received: a network in which it has changed "
                f"for {', '.join(paths)}"
            )


class Generators(keras.random.SeedGenerator):
    """The states of the members' generators of random numbers."""

    def __init__(self, states: Any) -> None:
        """Keeps the states in a variable, in place of a seed."""
        super().__init__(seed=0)
        dtype = keras.backend.standardize_dtype(states.dtype)
        self.state: Any = keras.Variable(
            states, dtype=dtype, trainable=False, name="seed_generator_state"
        )
