"""Members of a population: what they are made of and the weights they start from."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_inits.population.initial_values import (
    Blueprint,
    Start,
    resolve,
    same,
    without_garbage_collection,
)
from keras_inits.population.seeding import drawn_anew, seeded

Build = Callable[..., keras.Model]

_COLLECTED = 32  # Models that may lie about before their memory is taken back.
_FEW = 3  # Members of one kind, for which a shortcut is not worth its check.


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
    """Builds a member's model, with Keras seeded by its `seed` if it has one.

    The random numbers of the caller go on from where they are; those of a member that
    has no seed are taken from them.
    """
    model = _call(build, member)
    if not (model.built and model.variables):
        raise ValueError(
            "`build` must return a model that is built and has weights: begin it with "
            f"keras.Input, or call it once. Received: {model}"
        )
    return model


def _call(build: Build, member: Mapping[str, Any]) -> keras.Model:
    if "seed" not in member:
        model = build(**member)
    else:
        with seeded(member["seed"]):
            arguments = drawn_anew(dict(member))
            if not _takes(build, "seed"):
                del arguments["seed"]
            model = build(**arguments)
    if not isinstance(model, keras.Model):
        raise TypeError(f"`build` must return a Keras model. Received: {model}")
    return model


def variables(model: keras.Model) -> list[Any]:
    """Returns the variables that a population stacks: trainable ones first."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def initial_states(
    build: Build, members: Sequence[Mapping[str, Any]], model: keras.Model
) -> list[np.ndarray]:
    """Returns the initial value of each variable, stacked over the members.

    `build` is called for every member, but only where that is needed are networks
    built in full: `Blueprint` knows the others without their variables.

    Args:
        build: Function that builds a model.
        members: Its arguments.
        model: The model of the first member, to which the others are compared.

    Raises:
        ValueError: If a model differs from the first in more than its values.
    """
    first = (_architecture(model), _compile_config(model))
    own = _values(model)
    blueprint = Blueprint(model, variables(model))

    def told(index: int, lazily: bool) -> tuple[Start, keras.Model] | None:
        if "seed" not in members[index]:
            return None  # It draws from what the caller draws from: once, and in full.
        return blueprint.start(lambda: _call(build, members[index]), lazily)

    def built(index: int) -> Start:
        if index == 0:
            return own
        other = build_one(build, members[index])
        _check_alike(index, members[index], first, other)
        return _values(other)

    again = told(0, lazily=False)
    reliable = again is not None and same(resolve([again[0]])[0], own)
    starts: list[Start] = [[] for _ in members]
    for indices in _differing_in_seed(members):
        one, last = indices[0], indices[-1]
        start = told(one, lazily=False) if reliable else None
        if start is not None:
            _check_alike(one, members[one], first, start[1])
            assigns = any(isinstance(value, np.ndarray) for value in start[0])
            if assigns and not same(resolve([start[0]])[0], built(one)):
                start = None
        lazily = False
        if start is not None and len(indices) > _FEW:
            lazy, eager = told(last, lazily=True), told(last, lazily=False)
            if lazy is not None and eager is not None:
                lazily = same(lazy[0], eager[0])
        with without_garbage_collection() as collect:
            for count, index in enumerate(indices, start=1):
                of_index = None if start is None else told(index, lazily)
                starts[index] = built(index) if of_index is None else of_index[0]
                if count % _COLLECTED == 0:
                    collect()
    return [np.stack(values) for values in zip(*resolve(starts), strict=True)]


def _values(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables(model)]


def _differing_in_seed(members: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Groups the indices of members that are alike but for their seed."""
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for index, member in enumerate(members):
        rest = {key: value for key, value in member.items() if key != "seed"}
        for other, indices in groups:
            if ("seed" in member) == ("seed" in members[indices[0]]) and rest == other:
                indices.append(index)
                break
        else:
            groups.append((rest, [index]))
    return [indices for _, indices in groups]


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
    parts: list[Any] = []
    for layer in model._flatten_layers(recursive=True):
        config = _config(layer)
        if layer is not model:
            parts.append((type(layer).__name__, _without_initial(config)))
        parts += _wiring(config)
    return parts + [
        # Keras numbers the names of weights that were given none.
        (variable.name.rstrip("_0123456789"), tuple(variable.shape), variable.dtype)
        for variable in variables(model)
    ]


def _wiring(config: Mapping[str, Any]) -> list[Any]:
    """Lists the operations of a functional model and what each is applied to."""
    operations = [
        operation
        for operation in config.get("layers", [])
        if isinstance(operation, Mapping) and "inbound_nodes" in operation
    ]
    # Keras numbers names anew for every model that it builds.
    places = {operation["name"]: place for place, operation in enumerate(operations)}

    def placed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: placed(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [placed(entry) for entry in value]
        return places.get(value, value) if isinstance(value, str) else value

    nodes = [
        (
            operation["class_name"],
            _without_initial(operation["config"]),
            placed(operation["inbound_nodes"]),
        )
        for operation in operations
    ]
    return nodes + [placed(config["output_layers"])] if nodes else []


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
