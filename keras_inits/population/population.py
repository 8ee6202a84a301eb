"""Many copies of one network, trained as one Keras model."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.inspection import keras_private
from keras_inits.population import members as members_module
from keras_inits.population.batches import (
    SeedBatches,
    check_batches,
    in_order_of_seeds,
    is_per_seed,
    swap_axes,
)
from keras_inits.population.forward import Batch, Forward, Record
from keras_inits.population.metrics import MemberLogs, MemberMetrics
from keras_inits.population.network import (
    check_loss_scale,
    check_network,
    settle_jit_compile,
)
from keras_inits.population.optimizer import (
    adapt,
    changes_without_gradient,
    check_weight_decay,
)
from keras_inits.population.parameter_packing import Packing
from keras_inits.population.state import Generators, State


class Population(keras.Model):
    """Trains many copies of one network at about the price of a few.

    Members share an architecture and differ in seed, initializer or whatever else
    changes initial weights alone. A member is what plain `fit` would have made of it,
    on the same backend, to rounding. Weights are stacked on a leading axis; the step
    of one network, from its inputs to its loss and metrics, is mapped over all members
    by `keras.ops.vectorized_map`; the loss is the sum over members, so the gradient of
    a member is the one that it would have alone, and so are its steps under any
    optimizer that treats entries one by one. It is a `keras.Model`: it compiles and
    fits, and callbacks work on it. Plain stacks of `Dense` layers take a faster path
    (`DenseStack`). What a member cannot have as plain `fit` has it is refused.

    There is one known difference: on TensorFlow, plain Keras squares and clips the
    gradient of an embedding that a batch has several times occurrence by occurrence,
    under Adam and its like and where gradients are clipped. There, and on the other
    backends, that is done to the sum.

    Logs and `History` carry means over the members; a member whose loss is NaN leaves
    the others alone but makes the mean NaN. Outputs are `(batch, members, ...)`.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> from keras_inits import Population
    >>> def build(initializer):
    ...     hidden = keras.layers.Dense(4, "relu", kernel_initializer=initializer)
    ...     return keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(1)])
    >>> names = ["lee_qr", "he_normal"]
    >>> members = [dict(initializer=n, seed=s) for n in names for s in range(3)]
    >>> population = Population(build, members)
    >>> population.compile("adam", "mse")
    >>> x, y = np.ones((8, 3)), np.ones((8, 1))
    >>> history = population.fit(x, y, epochs=2, verbose=0)
    >>> population.member_logs["loss"].shape
    (2, 6)
    >>> population.member(0).predict(x, verbose=0).shape
    (8, 1)

    Args:
        build: Function that returns a built Keras model for the entries of a member.
            If that is compiled, so is the population.
        members: One dictionary of keyword arguments of `build` for each member. The
            key `seed` also seeds Keras before the build, and reaches `build` only if
            it takes a `seed`.
        name: Name of the model.

    Raises:
        TypeError: If `members` is not a list of dictionaries.
        ValueError: If there is no member, if a model is not built, or if the models
            differ in more than their initial weights.
    """

    def __init__(
        self,
        build: members_module.Build,
        members: Sequence[Mapping[str, Any]],
        name: str | None = None,
    ) -> None:
        """Builds one network, and the initial weights of all."""
        # Casting is the business of the network's own layers.
        super().__init__(name=name, autocast=False)
        members = members_module.check(members)
        model = members_module.build_one(build, members[0])
        check_network(model)
        if keras.backend.backend() == "tensorflow":
            keras_private.map_bitcast()
        states = members_module.initial_states(build, members, model)
        packing = Packing(members_module.variables(model))
        self._state = State(
            build=build,
            members=members,
            network=model,
            packing=packing,
            forward=Forward(model, packing, len(members)),
            logs=MemberLogs(None),
        )
        self._generators: list[Generators] = []
        self._state.matrices = [
            self._add_matrix(*group[0], group[1])
            for group in zip(packing.groups.items(), packing.pack(states), strict=True)
        ]
        self.output_names = getattr(model, "output_names", None)
        self.built = True
        if model.compiled:
            optimizer, model.optimizer = model.optimizer, None
            self._compile(
                # Another one, which may have been built for the network's variables.
                type(optimizer).from_config(optimizer.get_config()),
                model.run_eagerly,
                model.steps_per_execution,
                model.jit_compile,
            )

    @property
    def _matrices(self) -> list[Any]:
        return self._state.matrices

    @property
    def network(self) -> keras.Model:
        """The network that is evaluated for all members, with weights of its own."""
        return self._state.network

    def recorded(self, record: Record) -> contextlib.AbstractContextManager[list[Any]]:
        """Keeps, within a block, what is seen of each member as it is evaluated.

        Args:
            record: Is called with a function that evaluates `network` for one member,
                and returns what that returns, and a tensor to keep.

        Returns:
            A context manager that yields a list; each evaluation of the population
            adds the tensors of all members, stacked.
        """
        return self._state.forward.recorded(record)

    @property
    def members(self) -> list[dict[str, Any]]:
        """What `build` is given for each member."""
        return [dict(member) for member in self._state.members]

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds of the members, in the order of first appearance."""
        return self._state.seeds

    @property
    def member_logs(self) -> dict[str, np.ndarray]:
        """What the last `fit` logged, an array `(epochs, members)` by name."""
        logs = self._state.logs.member_logs
        return {name: np.stack(rows) for name, rows in logs.items()}

    def log_members(self, name: str, values: np.ndarray) -> None:
        """Adds what a callback knows of each member in an epoch to `member_logs`."""
        self._state.logs.member_logs.setdefault(name, []).append(values)

    def weights_of(self, layer: keras.Layer) -> list[Any]:
        """Returns the weights of a layer of `network`, `(members, ...)` each."""
        return self._state.weights_of(layer)

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model, with its present weights."""
        return self._state.member(index)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Configures training, as `keras.Model.compile` does.

        `clipnorm` and `global_clipnorm` of the optimizer act on each member alone.

        Raises:
            ValueError: If the step of the optimizer mixes the entries of a variable,
                and with it the members, or if the loss would be scaled: whether a
                gradient overflows is a matter of one member, a loss scale is not.
        """
        optimizer = keras.optimizers.get(optimizer)
        if auto_scale_loss:
            check_loss_scale(self.network)
        self.network.compile(
            optimizer=None,
            loss=loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
        )
        self._compile(optimizer, run_eagerly, steps_per_execution, jit_compile)

    def _compile(
        self, optimizer: Any, run_eagerly: bool, steps: int, jit_compile: bool | str
    ) -> None:
        """Configures training by the losses and metrics that the network has."""
        jit_compile = settle_jit_compile(self.network, jit_compile)
        self._state.check_trainable()
        packing = Packing(self.network.trainable_variables)
        adapt(optimizer, packing, len(self.members))
        super().compile(
            optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps,
            jit_compile=jit_compile,
            auto_scale_loss=False,
        )
        constrained = any(v.constraint for v in self.network.trainable_variables)
        self._state.forward.changes_all = constrained or changes_without_gradient(
            optimizer
        )
        self._state.metrics = MemberMetrics(self.network, len(self.members))

    @property
    def member_metrics(self) -> MemberMetrics:
        """The loss and metrics of every member.

        Raises:
            ValueError: If the population is not compiled.
        """
        if self._state.metrics is None:
            raise ValueError(
                "A population must be compiled before it has metrics. "
                f"Received: {self.name}, which is not"
            )
        return self._state.metrics

    @property
    def metrics(self) -> list[Any]:
        """What Keras resets, and keeps the state of."""
        return [] if self._state.metrics is None else [self._state.metrics]

    def get_config(self) -> dict[str, Any]:
        """Refuses: what `build` does cannot be saved.

        Raises:
            NotImplementedError: Says what can be saved.
        """
        raise NotImplementedError(
            "A population is not saved or cloned as a whole, since its `build` is any "
            "function: `save_weights` and `load_weights` work between populations of "
            "the same members, and `member(index)` returns a model that can be saved."
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        *,
        data_order: str = "shared",
        validation_split: float = 0.0,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains all members, as `keras.Model.fit` trains one.

        Args:
            x: Inputs, as for `keras.Model.fit`, or `SeedBatches`.
            y: Targets, as for `keras.Model.fit`.
            batch_size: Samples in a batch. Defaults to `32`.
            epochs: The epoch to train up to. Defaults to `1`.
            data_order: `"shared"` gives all members the same batches. `"seed"` takes
                arrays, or structures of them, and gives every seed its own order, and
                with `validation_split` its own random hold-out, shared by the members
                of that seed. Defaults to `"shared"`.
            validation_split: Part of the samples to validate on. Defaults to `0.0`.
            callbacks: As for `keras.Model.fit`.
            **kwargs: Further arguments of `keras.Model.fit`.

        Returns:
            The `History` of the means; `member_logs` has those of the members.

        Raises:
            ValueError: If `data_order` is unknown, or if it is `"seed"` and a member
                has no seed, or if `SeedBatches` are of other seeds or are to make
                less than whole epochs.
        """
        if data_order == "seed":
            self._state.seed_of  # noqa: B018  (every member needs a seed)
            x, kwargs["validation_data"] = in_order_of_seeds(
                x, y, self.seeds, batch_size or 32, validation_split, kwargs
            )
            y, batch_size, validation_split = None, None, 0.0
        elif data_order != "shared":
            raise ValueError(
                "`data_order` must be 'shared' or 'seed'. "
                f"Received: data_order={data_order}"
            )
        check_batches(x, self.seeds, kwargs)
        logs = MemberLogs(x if isinstance(x, SeedBatches) else None)
        if isinstance(x, SeedBatches):
            # They have their order; Keras would shuffle the batches once more.
            kwargs["shuffle"] = False
        if keras.backend.backend() == "tensorflow":
            x, kwargs["validation_data"] = (
                data.to_tensorflow() if isinstance(data, SeedBatches) else data
                for data in (x, kwargs.get("validation_data"))
            )
        self._state.logs = logs
        if self.optimizer is not None and self.optimizer.weight_decay:
            check_weight_decay(self.optimizer, self._state.packing, self._matrices)
        if self.optimizer is not None and not self.optimizer.built:
            # TensorFlow would trace a step that makes variables twice.
            self.optimizer.build(self.trainable_variables)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            logs.set_model(self)
            callbacks.callbacks.insert(0, logs)
        else:
            # Ahead of the user's own, which may read what it keeps.
            callbacks = [logs, *tree.flatten(callbacks or [])]
        return super().fit(
            x,
            y,
            batch_size,
            epochs,
            validation_split=validation_split,
            callbacks=callbacks,
            **kwargs,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the outputs of all members, `(batch, members, ...)`."""
        if isinstance(inputs, Batch):
            return inputs  # Of a step, whose outputs no one looks at.
        seed_of = self._state.seed_of if is_per_seed(inputs) else None
        outputs, untrained, _ = self._state.forward.outputs(
            self._matrices, inputs, seed_of, training
        )
        self._state.assign_untrained(untrained)
        return swap_axes(outputs)

    # In a step, the data are the inputs, and what Keras does with outputs is done for
    # each member within `compute_loss`: outputs that have left a member have lost what
    # Keras had hung on them.

    def train_step(self, *state_and_data: Any) -> Any:
        """Trains all members on a batch."""
        return super().train_step(*_with_batch(state_and_data))

    def test_step(self, *state_and_data: Any) -> Any:
        """Evaluates all members on a batch."""
        return super().test_step(*_with_batch(state_and_data))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the sum of the losses of the members on the `Batch` in `x`."""
        metrics = self.member_metrics
        metrics.build(x)
        losses, untrained, states = self._state.forward.step(
            self._matrices,
            [ops.convert_to_tensor(state) for state in metrics.states],
            x,
            self._state.seed_of if is_per_seed(x.x) else None,
            training,
        )
        self._state.assign_untrained(untrained)
        for variable, value in zip(metrics.states, states, strict=True):
            variable.assign(value)
        return ops.sum(losses)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Returns the means over members of what `compute_loss` has counted."""
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the mean over members of the loss and of every metric."""
        return {
            # Not `ops.mean`, which on JAX makes 32 bits of 64.
            name: ops.sum(values, axis=0) / len(self.members)
            for name, values in self.member_metrics.result().items()
        }

    def _add_matrix(
        self, key: tuple[str, str, bool], group: list[int], values: Any
    ) -> Any:
        name, dtype, trainable = key
        weights = {id(weight) for weight in self.network.weights}
        packing = self._state.packing
        if not any(id(packing.variables[index]) in weights for index in group):
            # The states of generators, which Keras neither saves nor sets as weights.
            generator = Generators(values)
            self._generators.append(generator)
            return generator.state
        return self.add_weight(
            shape=values.shape,
            dtype=dtype,
            initializer=lambda *args, **kwargs: values,
            trainable=trainable,
            constraint=packing.constraint(group),
            name=name,
        )

    def _symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Makes the state of the metrics before Keras asks for it."""
        if data_batch is None:
            _, _, batches = next(iter(iterator))
            data_batch = batches[0] if isinstance(batches, list | tuple) else None
            data_batch = next(batches) if data_batch is None else data_batch
        self.member_metrics.build(Batch.of(data_batch))
        super()._symbolic_build(data_batch=data_batch)

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        """Does so on TensorFlow, which traces a step that makes variables twice."""
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                "A population trains on one device; its members are what is "
                f"distributed. Received: a strategy of {replicas} replicas"
            )
        if data_batch is None:
            data_batch = keras_private.element_spec(iterator)
        self.member_metrics.build(Batch.of(data_batch))

    def _flatten_metrics_in_order(self, logs: dict[str, Any]) -> Any:
        """Returns what `evaluate` does, in the order of the network's metrics."""
        return keras_private.flatten_metrics(self.network, logs)


def _with_batch(state_and_data: tuple[Any, ...]) -> tuple[Any, ...]:
    """Makes a `Batch`, all in one, the inputs of a step."""
    *state, data = state_and_data
    return *state, (Batch.of(data),)
