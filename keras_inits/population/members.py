"""Members of a population: what they are made of and the weights they start from."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

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

    Members that differ in their seed alone share one build where that gives the same
    values; a deep network takes longer to build than to initialize.

    Args:
        build: Function that builds a model.
        members: Its arguments.
        model: The model of the first member, to which the others are compared.

    Raises:
        ValueError: If a model differs from the first in more than its values.
    """
    plan, compiled = _architecture(model), _compile_config(model)
    states: list[Any] = [None] * len(members)
    for indices in _differing_in_seed(members):
        first = indices[0]
        one = build_one(build, members[first]) if first else model
        _check_alike(first, members[first], (plan, compiled), one)
        states[first] = _values(one)
        seeds: dict[int, Any] = {i: members[i].get("seed") for i in indices}
        second = next((i for i in indices if seeds[i] != seeds[first]), None)
        draw = None
        if second is not None and not _takes(build, "seed"):
            draw = _redraw(one, states[first], seeds[first])
        if second is not None and draw is not None:
            # What draws the values of one seed need not draw those of the next, as
            # where an initializer asks NumPy for random numbers.
            states[second] = _values(build_one(build, members[second]))
            if not all(map(np.array_equal, draw(seeds[second]), states[second])):
                draw = None
        for index in indices:
            if states[index] is None and draw is not None:
                states[index] = draw(seeds[index])
            elif states[index] is None:
                states[index] = _values(build_one(build, members[index]))
    return [np.stack(values) for values in zip(*states, strict=True)]


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


def _redraw(
    model: keras.Model, values: list[np.ndarray], seed: int | None
) -> Callable[[int], list[np.ndarray]] | None:
    """Returns what draws the values of `model` anew for another seed, if it can.

    An initializer that is given no seed takes the next one from a stream that
    `set_random_seed` starts. It can be drawn anew from its place in the stream of
    another seed, provided that drawing it from its place in this one gives the values
    that `model` has; else there is more to the build than its initializers.
    """
    if seed is None:
        return None
    owner = {
        id(variable): layer
        for layer in model._flatten_layers()  # the innermost layer comes last
        for variable in layer.variables
    }
    initializers = [
        _initializer(owner[id(variable)], variable.name)
        for variable in variables(model)
    ]
    if None in initializers:
        return None
    configs = [initializer.get_config() for initializer in initializers]
    unseeded = [
        index
        for index, config in enumerate(configs)
        if "seed" in config and config["seed"] is None
    ]
    length = 2 * len(unseeded) + 8
    stream = _default_seeds(seed, length)
    try:
        places = {i: stream.index(initializers[i].seed) for i in unseeded}
    except ValueError:
        return None

    def value(index: int, initializer: Any) -> np.ndarray:
        old = values[index]
        return keras.ops.convert_to_numpy(initializer(old.shape, dtype=old.dtype.name))

    def draw(seed: int) -> list[np.ndarray]:
        stream = _default_seeds(seed, length)
        drawn = list(values)
        for index, place in places.items():
            config = {**configs[index], "seed": stream[place]}
            drawn[index] = value(index, type(initializers[index]).from_config(config))
        return drawn

    fixed = [value(i, init) for i, init in enumerate(initializers) if i not in places]
    known = [old for i, old in enumerate(values) if i not in places]
    same = all(map(np.array_equal, draw(seed) + fixed, values + known))
    return draw if same else None


def _initializer(layer: keras.Layer, variable: str) -> Any:
    """Returns what a layer says it initializes a variable with, `None` if nothing."""
    for name in (variable, variable.removesuffix("_kernel")):
        initializer = getattr(layer, f"{name}_initializer", None)
        if isinstance(initializer, keras.Initializer):
            return initializer
    return None


def _default_seeds(seed: int, length: int) -> list[int]:
    keras.utils.set_random_seed(seed)
    return [keras.initializers.RandomNormal().seed for _ in range(length)]


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
        (variable.path.split("/")[-1], tuple(variable.shape), variable.dtype)
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
