"""Members of a population: what they are made of and the weights they start from."""

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_inits.inspection import keras_private
from keras_inits.inspection.batches import evaluate
from keras_inits.population.initial_values import draw, law
from keras_inits.population.seed_trace import tracing
from keras_inits.population.seeding import seeded

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
    """Builds a member's model, with Keras seeded by its `seed` if it has one.

    An initializer among its arguments that has no seed of its own draws anew for
    each seed, as one that is made after Keras is seeded.
    """
    with seeded(member["seed"]) if "seed" in member else contextlib.nullcontext():
        return _built(build, member)


def rebuild(build: Build, member: Mapping[str, Any]) -> keras.Model:
    """Builds a member's model again, for weights of its own, and draws no more."""
    with seeded(None):
        return build_one(build, member)


def _built(build: Build, member: Mapping[str, Any]) -> keras.Model:
    arguments = dict(member)
    if "seed" in member:
        arguments = _made_anew(arguments, {})
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


def _made_anew(argument: Any, made: dict[int, Any]) -> Any:
    """Makes unseeded initializers anew, each object once, at any depth."""
    if type(argument) is dict:
        return {key: _made_anew(value, made) for key, value in argument.items()}
    if type(argument) in (list, tuple):
        return type(argument)(_made_anew(value, made) for value in argument)
    if not _is_unseeded(argument):
        return argument
    if id(argument) not in made:
        made[id(argument)] = type(argument).from_config(argument.get_config())
    return made[id(argument)]


def _is_unseeded(argument: Any) -> bool:
    if not isinstance(argument, keras.Initializer):
        return False
    config = argument.get_config()
    return "seed" in config and config["seed"] is None


def variables(model: keras.Model) -> list[Any]:
    """Returns the variables that a population stacks: trainable ones first."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def initial_states(
    build: Build, members: Sequence[Mapping[str, Any]], model: keras.Model
) -> list[np.ndarray]:
    """Returns the initial value of each variable, stacked over the members.

    Members that differ in their seed alone are drawn from a trace of one build, where
    their build can be traced and the trace gives the values of a whole build.

    Args:
        build: Function that builds a model.
        members: Its arguments.
        model: The model of the first member, to which the others are compared.

    Raises:
        ValueError: If a model differs from the first in more than its values.
    """
    plan, compiled = _architecture(model), _compile_config(model)

    def whole(index: int) -> list[np.ndarray]:
        one = build_one(build, members[index]) if index else model
        _check_alike(index, members[index], (plan, compiled), one)
        if index:
            _check_same_function(index, members[index], model, one)
        return _values(one)

    states: list[Any] = [None] * len(members)
    for indices in _differing_in_seed(members):
        first, *others = indices
        states[first] = whole(first)
        drawn = None
        if others and "seed" in members[first]:
            drawn = _drawn(build, [members[index] for index in indices], states[first])
        for place, index in enumerate(others, 1):
            states[index] = (
                whole(index) if drawn is None else [rows[place] for rows in drawn]
            )
    return [np.stack(values) for values in zip(*states, strict=True)]


def _drawn(
    build: Build, members: Sequence[Mapping[str, Any]], first: list[np.ndarray]
) -> list[np.ndarray] | None:
    """Draws members that differ in their seed from a trace, if it gives the first."""
    try:
        with seeded(members[0]["seed"]), tracing() as trace:
            model = _built(build, {**members[0], "seed": trace.seed})
        start = trace.start(variables(model))
        rows = draw(trace, start, [member["seed"] for member in members])
    except Exception:  # What becomes of symbols and variables without a value.
        return None
    same = len(rows) == len(first) and all(
        one[0].tobytes() == other.tobytes()
        for one, other in zip(rows, first, strict=True)
    )
    return rows if same else None


def _values(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables(model)]


def _differing_in_seed(members: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Groups the indices of members that are alike but for their seed."""
    groups: list[tuple[dict[str, Any], list[int]]] = []
    for index, member in enumerate(members):
        recipe = _recipe({**member, "seed": "seed" in member}, {})
        for other, indices in groups:
            if recipe == other:
                indices.append(index)
                break
        else:
            groups.append((recipe, [index]))
    return [indices for _, indices in groups]


def _recipe(argument: Any, places: dict[int, int]) -> Any:
    """Returns what is equal for arguments that give the same build but for the seed.

    An unseeded initializer is made anew for each member, so that its law counts, and
    where else the same object is used. Arrays do not compare to one truth value.
    """
    if type(argument) is dict:
        return {key: _recipe(value, places) for key, value in argument.items()}
    if type(argument) in (list, tuple):
        return [type(argument), *(_recipe(value, places) for value in argument)]
    if _is_unseeded(argument):
        return law(argument), places.setdefault(id(argument), len(places))
    if hasattr(argument, "__array__"):
        return id(argument)
    return type(argument), argument


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


def _check_same_function(
    index: int, member: Mapping[str, Any], model: keras.Model, one: keras.Model
) -> None:
    """Refuses a member that with the weights of the first returns something else.

    What Keras' own layers do is in their configs, which are compared before; what a
    user's layer or model does may depend on any attribute that it has.
    """
    parts = keras_private.all_layers(model)
    if all(type(part).__module__.startswith("keras.") for part in parts):
        return
    own = _values(one)
    try:
        x = _sample(model)
        if x is None:
            return
        _assign(one, _values(model))
        first, other = (
            [keras.ops.convert_to_numpy(a) for a in tree.flatten(evaluate(network, x))]
            for network in (model, one)
        )
    except Exception:  # It takes what a sample does not tell.
        return
    finally:
        _assign(one, own)
    if not all(
        np.allclose(a, b, rtol=1e-4, equal_nan=True)
        for a, b in zip(first, other, strict=True)
    ):
        raise ValueError(
            "Members must share one architecture and differ in initial weights alone. "
            f"Received: member {index} ({member}), whose network with the weights of "
            "the first returns something else"
        )


def _assign(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables(model), values, strict=True):
        variable.assign(value)


def _sample(model: keras.Model) -> Any:
    """Returns two samples of the shapes that a model takes, `None` if unknown."""
    rng = np.random.default_rng(0)

    def draw(shape: Sequence[int | None], dtype: str) -> np.ndarray:
        sizes = [2, *(size or 3 for size in shape[1:])]
        return rng.normal(size=sizes).astype(dtype)

    if isinstance(model, keras.Sequential | keras_private.Functional):
        return tree.map_structure(lambda t: draw(t.shape, t.dtype), model.input)
    shape = (model.get_build_config() or {}).get("input_shape")
    return None if shape is None else draw(shape, keras.config.floatx())


def _architecture(model: keras.Model) -> list[Any]:
    """Lists the layers and variables of a model without names and initial values."""
    parts: list[Any] = []
    for layer in keras_private.all_layers(model):
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
