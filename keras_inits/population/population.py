"""Many copies of one network, trained as one Keras model."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits.population import elementwise
from keras_inits.population import members as members_module
from keras_inits.population.batches import (
    PER_SEED,
    SeedBatches,
    is_per_seed,
    swap_axes,
    take,
)
from keras_inits.population.evaluation import Evaluation, Record
from keras_inits.population.metrics import MemberLogs, MemberMetrics
from keras_inits.population.packing import Packing


class Population(keras.Model):
    """Trains many copies of one network at about the price of a few.

    Members share an architecture and differ in seed, initializer or whatever else
    changes initial weights alone. Their weights are stacked on a leading axis, the
    network is evaluated for all of them by `keras.ops.vectorized_map`, and the loss
    is the sum over members, so the gradient of a member is the one that it would have
    alone, and so are its steps under any optimizer that treats entries one by one.
    It is a `keras.Model`: it compiles and fits, and callbacks work on it. Plain
    stacks of `Dense` layers take a faster path (`DenseStack`).

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
        # Out of Keras' sight: the variables of this model hold no member.
        self._hidden = SimpleNamespace(build=build, members=members, model=model)
        self._hidden.logs = MemberLogs(None)
        states = members_module.initial_states(build, members, model)
        # Not a mere attribute: Keras would take its variables for those of this model.
        self._hidden.packing = packing = Packing(members_module.variables(model))
        self._matrices = [
            self._add_matrix(*group[0], group[1])
            for group in zip(packing.groups.items(), packing.pack(states), strict=True)
        ]
        self._hidden.evaluation = Evaluation(model, packing, len(members))
        self._member_seeds = [member.get("seed") for member in members]
        self.output_names = getattr(model, "output_names", None)
        self.built = True
        if model.compiled:
            config = model.get_compile_config()
            self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def network(self) -> keras.Model:
        """The network that is evaluated for all members, with weights of its own."""
        return self._hidden.model

    def recorded(self, record: Record) -> contextlib.AbstractContextManager[list[Any]]:
        """Keeps, within a block, what is seen of each member as it is evaluated.

        Args:
            record: Is called with a function that evaluates `network` for one member,
                and returns what that returns, and a tensor to keep.

        Returns:
            A context manager that yields a list; each evaluation of the population
            adds the tensors of all members, stacked.
        """
        return self._hidden.evaluation.recorded(record)

    @property
    def members(self) -> list[dict[str, Any]]:
        """What `build` is given for each member."""
        return [dict(member) for member in self._hidden.members]

    @property
    def seeds(self) -> list[int]:
        """The distinct seeds of the members, in the order of first appearance."""
        return [seed for seed in dict.fromkeys(self._member_seeds) if seed is not None]

    @property
    def member_logs(self) -> dict[str, np.ndarray]:
        """What the last `fit` logged, an array `(epochs, members)` by name."""
        logs = self._hidden.logs.member_logs
        return {name: np.stack(rows) for name, rows in logs.items()}

    def log_members(self, name: str, values: np.ndarray) -> None:
        """Adds what a callback knows of each member in an epoch to `member_logs`."""
        self._hidden.logs.member_logs.setdefault(name, []).append(values)

    def member(self, index: int) -> keras.Model:
        """Returns a member as an ordinary Keras model, with its present weights."""
        member = self._hidden.members[index]
        model = members_module.build_one(self._hidden.build, member)
        rows = [matrix[index : index + 1] for matrix in self._matrices]
        for variable, value in zip(
            members_module.variables(model),
            self._hidden.packing.unpack(rows),
            strict=True,
        ):
            variable.assign(value[0])
        return model

    def compile(self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any) -> None:
        """Configures training, as `keras.Model.compile` does.

        `clipnorm` and `global_clipnorm` of the optimizer act on each member alone.

        Raises:
            ValueError: If the step of the optimizer mixes the entries of a variable,
                and with it the members.
        """
        optimizer = keras.optimizers.get(optimizer)
        elementwise.check(optimizer)
        trained = Packing(self._hidden.model.trainable_variables)
        optimizer.update_step = elementwise.fused(optimizer)
        optimizer._clip_gradients = functools.partial(
            elementwise.clip_each_member, trained, optimizer
        )
        # Whether a gradient overflows is a matter of one member; a loss scale is not.
        kwargs["auto_scale_loss"] = False
        super().compile(optimizer, *args, **kwargs)
        self.member_metrics = MemberMetrics(self._compile_metrics, len(self.members))

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
            x, kwargs["validation_data"] = self._by_seed(
                x, y, batch_size or 32, validation_split, kwargs
            )
            y, batch_size, validation_split = None, None, 0.0
        elif data_order != "shared":
            raise ValueError(
                "`data_order` must be 'shared' or 'seed'. "
                f"Received: data_order={data_order}"
            )
        for data in (x, kwargs.get("validation_data")):
            if isinstance(data, SeedBatches) and list(data.seeds) != self.seeds:
                raise ValueError(
                    "`SeedBatches` must have the seeds of the population, "
                    f"{self.seeds}. Received: seeds={list(data.seeds)}"
                )
        logs = MemberLogs(x if isinstance(x, SeedBatches) else None)
        if isinstance(x, SeedBatches):
            # They have their order; Keras would shuffle the batches once more.
            kwargs["shuffle"] = False
            if kwargs.get("steps_per_epoch") is not None:
                raise ValueError(
                    "`SeedBatches` make whole epochs: `steps_per_epoch` must be left "
                    f"out. Received: steps_per_epoch={kwargs['steps_per_epoch']}"
                )
            if kwargs.get("class_weight") is not None:
                # Keras would look for the classes on the axis of seeds.
                raise ValueError(
                    "`class_weight` must be an argument of `SeedBatches`. "
                    f"Received: class_weight={kwargs['class_weight']}"
                )
        if keras.backend.backend() == "tensorflow":
            x, kwargs["validation_data"] = (
                data.to_tensorflow() if isinstance(data, SeedBatches) else data
                for data in (x, kwargs.get("validation_data"))
            )
        self._hidden.logs = logs
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
        per_seed = is_per_seed(inputs)
        outputs, kept, losses = self._hidden.evaluation(
            self._matrices,
            swap_axes(inputs[PER_SEED]) if per_seed else inputs,
            self._seed_of if per_seed else None,
            training,
        )
        if training:
            untrained = [each for each in self._matrices if not each.trainable]
            for matrix, value in zip(untrained, kept, strict=True):
                matrix.assign(value)
        for loss in losses:
            self.add_loss(loss)
        return swap_axes(outputs)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the sum of the losses of the members."""
        if self._compile_loss is None:
            raise ValueError("No loss to compute. Provide a `loss` to `compile()`.")

        def loss(state: Any, *data: Any) -> Any:
            # Keras tracks the losses of several outputs in variables, which a mapped
            # function must not change.
            with keras.StatelessScope():
                return self._compile_loss(*data)

        losses = self._map(loss, [], x, y, y_pred, sample_weight)
        for more in self.losses:
            losses = losses + more
        self.member_metrics.update_losses(losses, ops.shape(tree.flatten(y_pred)[0])[0])
        return ops.sum(losses)

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Updates the metrics of every member and returns their means."""
        metrics, scores = self._compile_metrics, self.member_metrics
        if metrics is None:
            return self.get_metrics_result()
        per_seed = is_per_seed(x)
        one = tree.map_structure(lambda outputs: outputs[:, 0], y_pred)
        data = (y, sample_weight)
        if per_seed:
            data = tree.map_structure(lambda a: None if a is None else a[:, 0], data)
        scores.build(data[0], one, data[1])
        if sample_weight is None and scores.are_means and not tree.is_nested(y_pred):
            if per_seed:
                y = take(swap_axes(y), self._seed_of)
            else:
                y = ops.repeat(ops.expand_dims(y, 0), len(self.members), axis=0)
            scores.update_means(y, swap_axes(y_pred))
        else:
            states = [ops.convert_to_tensor(state) for state in scores.states]
            step = metrics.stateless_update_state
            states = self._map(step, states, x, y, y_pred, sample_weight)
            for variable, value in zip(scores.states, states, strict=True):
                variable.assign(value)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the mean over members of the loss and of every metric."""
        return {
            name: ops.mean(values)
            for name, values in self.member_metrics.result().items()
        }

    @property
    def _seed_of(self) -> Any:
        """Index of each member's seed among `seeds`."""
        if None in self._member_seeds:
            raise ValueError(
                "Data with an order of their own for each seed need a seed in every "
                f"member. Received: members={self.members}"
            )
        places: dict[Any, int] = {seed: i for i, seed in enumerate(self.seeds)}
        return np.array([places[seed] for seed in self._member_seeds])

    def _add_matrix(
        self, key: tuple[str, str, bool], group: list[int], values: Any
    ) -> Any:
        name, dtype, trainable = key
        return self.add_weight(
            shape=values.shape,
            dtype=dtype,
            initializer=lambda *args, **kwargs: values,
            trainable=trainable,
            constraint=self._hidden.packing.constraint(group),
            name=name,
        )

    def _map(
        self,
        function: Any,
        state: list[Any],
        x: Any,
        y: Any,
        y_pred: Any,
        sample_weight: Any,
    ) -> Any:
        """Maps `function(state, y, y_pred, sample_weight)` over the members."""
        given = {"y": y, "sample_weight": sample_weight}
        given = {name: data for name, data in given.items() if data is not None}
        own = take(swap_axes(given), self._seed_of) if is_per_seed(x) else {}

        def member(each: Any) -> Any:
            state, y_pred, own = each
            data = given | own
            return function(state, data.get("y"), y_pred, data.get("sample_weight"))

        return ops.vectorized_map(member, (state, swap_axes(y_pred), own))

    def _by_seed(
        self, x: Any, y: Any, batch_size: int, split: float, kwargs: dict[str, Any]
    ) -> tuple[SeedBatches, Any]:
        """Returns the batches of arrays whose order differs between seeds."""
        self._seed_of  # noqa: B018  (every member needs a seed)
        batches = SeedBatches(
            x,
            y,
            self.seeds,
            batch_size=batch_size,
            shuffle=kwargs.pop("shuffle", True),
            sample_weight=kwargs.pop("sample_weight", None),
            class_weight=kwargs.pop("class_weight", None),
        )
        if not split or kwargs.get("validation_data") is not None:
            return batches, kwargs.get("validation_data")
        return batches.split(
            split, kwargs.pop("validation_batch_size", None) or batch_size
        )
