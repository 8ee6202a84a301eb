"""Members of a population: what they are made of and the weights they start from."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

Build = Callable[..., keras.Model]


def check(members: Any) -> list[dict[str, Any]]:
    """Returns the members as dictionaries, or says what is wrong with them."""
    if isinstance(members, Mapping | str) or not isinstance(members, Sequence):
        raise TypeError(
            "`members` must be a list of dictionaries, one a member. "
            f"Received: members={members}"
        )
    for member in members:
        if not isinstance(member, Mapping):
            raise TypeError(
                "A member must be a dictionary of arguments of `build`. "
                f"Received: {member}"
            )
    if not members:
        raise ValueError("`members` must have one member at least. Received: []")
    return [dict(member) for member in members]


def build_one(build: Build, member: Mapping[str, Any]) -> keras.Model:
    """Builds a member's model, with Keras seeded by its `seed` if it has one."""
    arguments = dict(member)
    if "seed" in member:
        keras.utils.set_random_seed(member["seed"])
        if not _takes(build, "seed"):
            del arguments["seed"]
    model = build(**arguments)
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a Keras model. Received: {model}")
    if not (model.built and model.variables):
        raise ValueError(
            "`build` must return a model that is built and has weights: begin it with "
            f"keras.Input, or call it once. Received: {model}"
        )
    return model


def variables(model: keras.Model) -> list[Any]:
    """Returns the variables that a population stacks: trainable ones first."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def initial_states(
    build: Build, members: Sequence[Mapping[str, Any]], model: keras.Model
) -> list[np.ndarray]:
    """Returns the initial value of each variable, stacked over the members.

    Args:
        build: Function that builds a model.
        members: Its arguments.
        model: The model of the first member, to which the others are compared.

    Raises:
        ValueError: If a model differs from the first in more than its values.
    """
    plan, compiled = _architecture(model), _compile_config(model)
    checked: list[dict[str, Any]] = []
    states = []
    for index, member in enumerate(members):
        recipe = {key: value for key, value in member.items() if key != "seed"}
        with _Unwritten():
            one = build_one(build, member)
            states.append(
                [
                    keras.ops.convert_to_numpy(variable.value)
                    for variable in variables(one)
                ]
            )
            # Members that differ in their seed alone are alike; reading the
            # configuration of each would cost as much as building it.
            if not any(recipe is seen or recipe == seen for seen in checked):
                checked.append(recipe)
                _check_alike(index, member, (plan, compiled), one)
    return [np.stack(values) for values in zip(*states, strict=True)]


class _Unwritten(keras.StatelessScope):
    """Builds models without creating their variables in the backend.

    A variable made in this scope has a recipe, not a value; reading it in the scope
    computes the value. That is five times as fast as a model that is kept.
    """

    def __init__(self) -> None:
        super().__init__(initialize_variables=False)

    def __enter__(self) -> "_Unwritten":
        self._waiting = list(
            global_state.get_global_attribute("uninitialized_variables") or []
        )
        super().__enter__()
        return self

    def __exit__(self, *args: Any, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        # Else the next scope that ends would write the variables of every member.
        global_state.set_global_attribute("uninitialized_variables", self._waiting)


def _takes(function: Callable[..., Any], argument: str) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(p.name == argument or p.kind == p.VAR_KEYWORD for p in parameters)


def _check_alike(
    index: int, member: Mapping[str, Any], first: tuple[Any, Any], model: keras.Model
) -> None:
    plan, compiled = first
    for one, other in zip(plan, _architecture(model), strict=False):
        if one != other:
            raise ValueError(
                "Members must share one architecture and differ in initial weights "
                f"alone. Received: member {index} ({member}) has {other} where the "
                f"first has {one}"
            )
    if len(plan) != len(_architecture(model)):
        raise ValueError(
            "Members must share one architecture and differ in initial weights alone. "
            f"Received: member {index} ({member}) of another depth than the first"
        )
    if _compile_config(model) != compiled:
        raise ValueError(
            "Members must be compiled alike: they share one optimizer. Received: "
            f"member {index} ({member}) compiled as {_compile_config(model)}, the "
            f"first as {compiled}"
        )


def _architecture(model: keras.Model) -> list[Any]:
    """Lists the layers and variables of a model without names and initial values."""
    layers: list[Any] = [
        (type(layer).__name__, _without_initial(_config(layer)))
        for layer in model._flatten_layers(include_self=False, recursive=True)
    ]
    return layers + [
        (variable.path.split("/")[-1], tuple(variable.shape), variable.dtype)
        for variable in variables(model)
    ]


def _config(layer: keras.Layer) -> dict[str, Any]:
    try:
        config: dict[str, Any] = layer.get_config()
    except NotImplementedError:
        return {}
    return config


def _without_initial(config: Any) -> Any:
    """Drops what names a layer or sets its initial values, at any depth."""
    if isinstance(config, Mapping):
        return {
            key: _without_initial(value)
            for key, value in config.items()
            if key not in ("name", "seed", "layers", "input_layers", "output_layers")
            and not key.endswith("_initializer")
        }
    if isinstance(config, list | tuple):
        return [_without_initial(value) for value in config]
    return config


def _compile_config(model: keras.Model) -> Any:
    return _without_initial(model.get_compile_config()) if model.compiled else None
