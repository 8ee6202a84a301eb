"""compare: every initializer on the user's own network."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from keras_inits import suitability
from keras_inits.calibration.initialize import initialize, own_seed
from keras_inits.calibration.registry import calibration_of
from keras_inits.callbacks import DeadUnitMonitor
from keras_inits.comparison.result import Compared, Comparison
from keras_inits.diagnostics.curvature import Objective
from keras_inits.diagnostics.stability import gradient_limit
from keras_inits.initializers import registration
from keras_inits.inspection.batches import gather
from keras_inits.population import Population
from keras_inits.population.members import build_one
from keras_inits.population.seeding import seeded
from keras_inits.utils.validation import check_real

USUAL = (
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "orthogonal",
)
"""Keras' initializers that are compared beside those of this package."""

_SEEN = 512  # Samples on which units are looked at, and the curvature is taken.


@seeded(0)  # The caller's random numbers go on as if nothing had been compared.
def compare(
    build: Callable[[Any], keras.Model],
    x: Any,
    y: Any = None,
    initializers: Any = "all",
    seeds: int = 3,
    steps: int = 500,
    batch_size: int = 32,
    validation_split: float = 0.2,
    stable_rate: bool = True,
) -> Comparison:
    """Compares initializers on a network, early in its training.

    Every initializer with every seed is a member of one `Population`, which sees the
    same batches in the same order. They are ranked by the loss on held-out samples
    after the last step. `"rai"` and `"gsm"`, which draw more than a kernel by itself,
    are drawn over the whole model by `keras_inits.initialize`.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> import keras_inits
    >>> def build(initializer):
    ...     hidden = keras.layers.Dense(8, "relu", kernel_initializer=initializer)
    ...     model = keras.Sequential([keras.Input((4,)), hidden, keras.layers.Dense(1)])
    ...     model.compile(keras.optimizers.Adam(0.02), "mse")
    ...     return model
    >>> x = np.random.default_rng(0).normal(size=(200, 4))
    >>> names = ["zeros", "he_normal"]
    >>> comparison = keras_inits.compare(build, x, x[:, :1], names, seeds=2, steps=99)
    >>> comparison.best
    'he_normal'

    Args:
        build: Returns a compiled model for an initializer, a new one in each call.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays; or what
            yields batches of inputs and targets, as `fit` takes it: a
            `tf.data.Dataset`, a `PyDataset`, a generator. As many samples are taken
            from it as there are steps for.
        y: Targets, as the loss takes them. Defaults to `None`, where `x` has them.
        initializers: Names or objects, or a dictionary of them by name. Defaults to
            `"all"`: those of this package and the usual ones of Keras. An object
            without a seed draws anew for each seed; one with a seed of its own
            draws the same for all, as its note says.
        seeds: How many seeds each is drawn with. Defaults to `3`.
        steps: How many steps of training. Defaults to `500`.
        batch_size: Samples in a batch. Defaults to `32`.
        validation_split: Part of the samples that is held out. Defaults to `0.2`.
        stable_rate: Whether to find the largest stable learning rate of each, which
            takes some tens of gradients. Defaults to `True`.

    Returns:
        The initializers by their validation loss; `.best` is the first. Those that
        cannot be compared are listed with the reason.

    Raises:
        ValueError: If `build` ignores its argument, or returns a model that is not
            compiled; if no initializer fits; or if a number is out of range.
    """
    counts = {"seeds": seeds, "steps": steps, "batch_size": batch_size}
    for name, count in counts.items():
        check_real(name, count, least=1)
    if not 0 < check_real("validation_split", validation_split) < 1:
        raise ValueError(
            "`validation_split` must be between 0 and 1. "
            f"Received: validation_split={validation_split}"
        )
    # Of what yields batches without end, as many as are trained on, and held out.
    most = math.ceil(steps * batch_size / (1 - validation_split))
    x, y = gather(x, y, most)
    chosen = _chosen(initializers)
    joint = {name for name, given in chosen.items() if _is_joint(given)}
    train, held_out = _split(x, y, validation_split)

    def member(name: str, initializer: Any) -> keras.Model:
        model = build(initializer)
        if name in joint:
            initialize(model, initializer)
        return model

    models, unfit, notes = _built(member, build, chosen)
    _check_differ({n: model for n, model in models.items() if n not in joint})
    observed = tree.map_structure(lambda a: a[:_SEEN], held_out)
    rates = _stable_rates(models, *observed) if stable_rate else {}

    pairs = [
        {"name": name, "initializer": chosen[name], "seed": seed}
        for name in models
        for seed in range(seeds)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # They are in the notes.
        population = Population(member, pairs)
    population.fit(
        _Batches(*train, steps, batch_size),
        validation_data=held_out,
        validation_batch_size=1024,
        shuffle=False,
        verbose=0,
        callbacks=[DeadUnitMonitor(data=observed[0], on_collapse=None)],
    )
    logs = population.member_logs
    accuracy = [name for name in logs if name.startswith("val_") and "acc" in name]
    log_names = {"val_loss": "val_loss", "loss": "loss", "dead": "dead_fraction"}
    if accuracy:
        log_names["val_accuracy"] = accuracy[0]
    values: dict[str, np.ndarray] = {
        field: np.broadcast_to(logs[name][-1], len(pairs)).reshape(len(models), seeds)
        for field, name in log_names.items()
    }
    rows = [
        Compared(
            name,
            stable_learning_rate=rates.get(name, np.nan),
            note=notes[name],
            **{"val_accuracy": ()}
            | {
                field: tuple(map(float, columns[i]))
                for field, columns in values.items()
            },
        )
        for i, name in enumerate(models)
    ]
    rows.sort(key=lambda row: np.nan_to_num(np.mean(row.val_loss), nan=np.inf))
    return Comparison(tuple(rows), unfit, steps, {n: chosen[n] for n in models})


def _chosen(initializers: Any) -> dict[str, Any]:
    """Returns what `build` is given, by name."""
    if isinstance(initializers, str) and initializers == "all":
        initializers = [*registration.available(), *USUAL]
    if isinstance(initializers, dict):
        chosen = dict(initializers)
    elif isinstance(initializers, Sequence) and not isinstance(initializers, str):
        chosen = {}
        for given in initializers:
            name = given if isinstance(given, str) else type(given).__name__
            count = sum(other.split(" (")[0] == name for other in chosen)
            chosen[f"{name} ({count + 1})" if count else name] = given
    else:
        raise TypeError(
            "`initializers` must be 'all', a list of names or initializers, or a "
            f"dictionary of them by name. Received: initializers={initializers}"
        )
    if not chosen:
        raise ValueError("There must be an initializer. Received: initializers=[]")
    for given in chosen.values():
        if isinstance(given, str):
            registration.get(given)
    return chosen


def _is_joint(given: Any) -> bool:
    """Tells whether an initializer is drawn over the whole model."""
    if isinstance(given, str):
        given = registration.get(given)
    calibration = calibration_of(given)
    return calibration is not None and calibration.data == "none"


def _built(
    member: Callable[..., keras.Model],
    build: Callable[[Any], keras.Model],
    chosen: dict[str, Any],
) -> tuple[dict[str, keras.Model], dict[str, str], dict[str, str]]:
    """Builds a model for each name: those alike, why others are not, and notes."""
    reference = build("glorot_uniform")
    if not (isinstance(reference, keras.Model) and reference.compiled):
        raise ValueError(
            "`build` must return a compiled Keras model. "
            f"Received: build('glorot_uniform')={reference}"
        )
    models: dict[str, keras.Model] = {}
    unfit: dict[str, str] = {}
    notes: dict[str, str] = {}
    for name, given in chosen.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                model = build_one(
                    member, {"name": name, "initializer": given, "seed": 0}
                )
            except Exception as error:  # Whatever `build` raises is the reason.
                unfit[name] = f"{type(error).__name__}: {error}"
                continue
        if _weights(model) != _weights(reference):
            unfit[name] = "its network has weights of other shapes"
            continue
        models[name] = model
        notes_of = [str(misfit) for misfit in suitability.misfits(model)]
        # Those of other packages, about how they are called, are not for the user.
        notes_of += [
            str(w.message) for w in caught if issubclass(w.category, UserWarning)
        ]
        notes_of = notes_of[:1]
        if (seed := own_seed(given)) is not None:
            notes_of.append(f"it is seeded with {seed}: the same draw for every seed")
        notes[name] = "; ".join(notes_of)
    if not models:
        reasons = "; ".join(f"{name}: {why}" for name, why in unfit.items())
        raise ValueError(f"No initializer fits. Received: {reasons}")
    return models, unfit, notes


def _weights(model: keras.Model) -> list[tuple[Any, ...]]:
    return [(v.name, tuple(v.shape), v.dtype) for v in model.variables]


def _check_differ(models: dict[str, keras.Model]) -> None:
    first, *others = [model.get_weights() for model in models.values()] or [[]]
    alike = [all(map(np.array_equal, first, other)) for other in others]
    if alike and all(alike):
        raise ValueError(
            "`build` must use its argument, an initializer. Received: a build that "
            f"returns the same weights for all of {', '.join(models)}"
        )


def _stable_rates(models: dict[str, keras.Model], x: Any, y: Any) -> dict[str, float]:
    network = next(iter(models.values()))
    weights = network.get_weights()
    objective = Objective(network, x, y)
    rates = {}
    for name, model in models.items():
        network.set_weights(weights if model is network else model.get_weights())
        rates[name] = gradient_limit(objective)
    return rates


def _split(x: Any, y: Any, part: float) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    x, y = (tree.map_structure(np.asarray, data) for data in (x, y))
    sizes = {len(array) if array.ndim else 0 for array in tree.flatten((x, y))}
    held_out = round(part * max(sizes))
    if len(sizes) > 1 or not 0 < held_out < max(sizes):
        raise ValueError(
            "The data must be arrays (samples, ...), of one number of samples, "
            f"enough to hold some out. Received: sizes={sorted(sizes)}"
        )
    order = np.random.default_rng(0).permutation(max(sizes))
    return tuple(
        tree.map_structure(lambda array, i=indices: array[i], (x, y))
        for indices in (order[held_out:], order[:held_out])
    )


class _Batches(keras.utils.PyDataset):
    """So many batches, each epoch in a new order, as one epoch of `fit`."""

    def __init__(self, x: Any, y: Any, steps: int, batch_size: int) -> None:
        super().__init__()
        samples = len(tree.flatten(y)[0])
        rng = np.random.default_rng(1)
        passes = -(-steps * batch_size // samples)
        order = np.concatenate([rng.permutation(samples) for _ in range(passes)])
        self._data = (x, y)
        self._order = order[: steps * batch_size].reshape(steps, batch_size)

    @property
    def num_batches(self) -> int:
        """How many there are."""
        return len(self._order)

    def __getitem__(self, index: int) -> Any:
        """Returns inputs and targets of a batch."""
        return tree.map_structure(lambda array: array[self._order[index]], self._data)
