"""The one rule, on a case: a member is what plain `fit` would have made of it."""

import dataclasses
import math
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from experiments.bench.exactness import training
from experiments.bench.exactness.cases import Case
from experiments.bench.exactness.refusals import REFUSALS
from experiments.bench.exactness.training import EPOCHS
from keras_inits import Population
from keras_inits.population.members import variables

OUTCOMES = ("equal", "refused", "different", "error")
KINDS = ("variables", "logs", "evaluate", "predict")
"""What is compared; none has the name of a field of cases, written beside it."""

_TOLERANCES = {
    "float64": 1e-9,
    "float32": 2e-5,
    "mixed_bfloat16": 1.5e-2,
    "mixed_float16": 2e-3,
}


def tolerance(dtype: str, backend: str) -> float:
    """Returns the largest difference that is accepted between population and plain fit.

    It is relative to the largest entry of an array, or to 1 if that is more. A sum of
    some tens of terms in another order differs by a few units in the last place (2e-16,
    1e-7, 8e-3, 1e-3 of what each dtype has), and ten steps pass that on; an optimizer
    that divides by the size of a gradient makes more of it where terms cancel. Lost
    logits change weights and loss by a tenth and more, a lost mask by hundredths.

    Examples:
        >>> tolerance("float64", "tensorflow"), tolerance("float64", "jax")
        (1e-09, 2e-05)

    Args:
        dtype: Of `DTYPES`.
        backend: As `keras.backend.backend()` names it.
    """
    # `keras.ops.mean`, which losses and LayerNormalization use, is in float32 there.
    if (dtype, backend) == ("float64", "jax"):
        dtype = "float32"
    return _TOLERANCES[dtype]


@dataclasses.dataclass
class Outcome:
    """What came of a case.

    Args:
        outcome: Of `OUTCOMES`.
        message: What differs, or the error.
        differences: The largest of each kind, relative as for `tolerance`, and how far
            the weights have moved; nothing where nothing was compared.
        seconds: What it took.
    """

    outcome: str
    message: str = ""
    differences: dict[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0


def check(case: Case) -> Outcome:
    """Trains a population and each of its members alone, and compares."""
    start = time.perf_counter()
    keras.backend.clear_session()
    with training.environment(case), warnings.catch_warnings():
        # Of plain Keras, such as that a metric was given a mask that it cannot use.
        warnings.simplefilter("ignore")
        try:
            outcome = _refused(case) if case.refusal else _compared(case)
        except Exception as error:
            trace = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(trace.filename).name}:{trace.lineno}"
            lines = [line for line in str(error).splitlines() if line.strip()]
            # TensorFlow's have a stack of files in between.
            text = " ".join(dict.fromkeys([*lines[:1], *lines[-2:]]))
            outcome = Outcome("error", f"{type(error).__name__} ({place}): {text}")
    outcome.seconds = time.perf_counter() - start
    return outcome


class Plain:
    """A plain model, traced once, that all members of a case train in turn.

    Args:
        model: It.
        case: How to compile it.
    """

    def __init__(self, model: keras.Model, case: Case) -> None:
        """Compiles the model."""
        self.model = model
        model.compile(**training.compiled(case))
        model.optimizer.build(model.trainable_variables)
        self._unused = _values(model.optimizer.variables)

    def start(self, values: list[np.ndarray]) -> None:
        """Gives it the weights of a member, and an optimizer that has done nothing."""
        _assign(variables(self.model), values)
        _assign(self.model.optimizer.variables, self._unused)

    def fit(self, **arguments: Any) -> tuple[list[list[np.ndarray]], dict[str, Any]]:
        """Returns the weights after each epoch, and at the end, and the logs."""
        epochs: list[list[np.ndarray]] = []
        keep = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: epochs.append(_values(variables(self.model)))
        )
        history = self.model.fit(
            **arguments, epochs=EPOCHS, verbose=0, callbacks=[keep]
        )
        return [*epochs, _values(variables(self.model))], history.history


def _compared(case: Case) -> Outcome:
    data = training.data(case)
    population = Population(training.build(case), training.members(case))
    population.compile(**training.compiled(case))
    members = [population.member(index) for index in range(case.members)]
    starts = [_values(variables(member)) for member in members]

    together: list[list[np.ndarray]] = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: together.append(_stacked(population))
    )
    arguments = training.fit_arguments(case, data, None)
    population.fit(**arguments, epochs=EPOCHS, verbose=0, callbacks=[keep])
    together.append(_stacked(population))
    logs = population.member_logs
    scoring = {"batch_size": case.batch_size, "verbose": 0}
    scores = population.evaluate(
        data.x, data.y, sample_weight=data.sample_weight, return_dict=True, **scoring
    )
    outputs = population.predict(data.x, **scoring)

    accepted = tolerance(case.dtype, keras.backend.backend())
    plain, comparison = Plain(members[0], case), _Comparison(accepted)
    alone_scores = []
    for index, start in enumerate(starts):
        plain.start(start)
        seed = population.members[index]["seed"]
        epochs, alone = plain.fit(**training.fit_arguments(case, data, seed))
        if set(alone) != set(logs):
            return Outcome("different", f"names: {sorted(logs)}, alone {sorted(alone)}")
        for first, last in zip(start, epochs[-1], strict=True):
            comparison.move(first, last)
        for epoch, (ours, theirs) in enumerate(zip(together, epochs, strict=True)):
            for variable, own, value in zip(
                variables(plain.model), ours, theirs, strict=True
            ):
                what = f"{variable.path} of member {index} after epoch {epoch + 1}"
                comparison.add("variables", what, own[index], value)
        for name, values in alone.items():
            what = f"{name} of member {index}"
            comparison.add("logs", what, logs[name][:, index], values)
        alone_scores.append(
            plain.model.evaluate(
                data.x,
                data.y,
                sample_weight=data.sample_weight,
                return_dict=True,
                **scoring,
            )
        )
        predicted = plain.model.predict(data.x, **scoring)
        keras.tree.assert_same_structure(outputs, predicted)
        for own, value in zip(
            keras.tree.flatten(outputs), keras.tree.flatten(predicted), strict=True
        ):
            what = f"predictions of member {index}"
            comparison.add("predict", what, own[:, index], value)
    if set(scores) != set(alone_scores[0]):
        return Outcome(
            "different", f"names: {sorted(scores)}, alone {sorted(alone_scores[0])}"
        )
    for name, value in scores.items():
        mean = np.mean([alone[name] for alone in alone_scores], axis=0)
        comparison.add("evaluate", f"{name} of evaluate", value, mean)
    message = "; ".join(comparison.wrong[:3])
    outcome = "different" if comparison.wrong else "equal"
    return Outcome(outcome, message, comparison.largest | {"moved": comparison.moved})


class _Comparison:
    """Keeps the largest differences, and what differs too much.

    Args:
        accepted: The largest that is none too much.
    """

    def __init__(self, accepted: float) -> None:
        self.largest = dict.fromkeys(KINDS, 0.0)
        self.moved = 0.0
        self.wrong: list[str] = []
        self._accepted = accepted

    def move(self, start: np.ndarray, end: np.ndarray) -> None:
        """Keeps how far a variable has moved."""
        distance = np.abs(end.astype("float64") - start.astype("float64"))
        self.moved = max(self.moved, float(np.max(distance, initial=0.0)))

    def add(self, kind: str, what: str, own: Any, alone: Any) -> None:
        """Compares an array of a population with that of a plain fit."""
        own, alone = (np.asarray(a).astype("float64") for a in (own, alone))
        if own.shape != alone.shape:
            difference = math.inf
        elif not np.isfinite(alone).all():
            # Nothing is proven by what is not a number; draw another case.
            raise FloatingPointError(f"{what} is {alone} in plain fit")
        else:
            size = max(1.0, float(np.max(np.abs(alone), initial=0.0)))
            difference = float(np.max(np.abs(own - alone), initial=0.0)) / size
        if not difference <= self._accepted:
            self.wrong.append(f"{what} by {difference:.1e}")
        self.largest[kind] = max(self.largest[kind], difference)


def _refused(case: Case) -> Outcome:
    """Tells whether a population refuses what plain `fit` takes."""
    data, build = training.data(case), training.build(case)
    refusal = REFUSALS[case.refusal]
    member = training.members(case)[0]
    model = build(member["initializer"])
    fit = training.fit_arguments(case, data, None)
    model.compile(**training.compiled(case))
    model.fit(
        **{k: v for k, v in fit.items() if k != "data_order"}, epochs=1, verbose=0
    )
    fit = training.fit_arguments(case, data, None)
    try:
        population = Population(build, training.members(case))
        population.compile(**training.compiled(case))
        population.fit(**fit, epochs=1, verbose=0)
    except (ValueError, TypeError, NotImplementedError) as error:
        if refusal.message in str(error):
            return Outcome("refused", str(error))
        raise
    return Outcome("different", f"{case.refusal} is not refused")


def _values(states: list[Any]) -> list[np.ndarray]:
    # Copies: TensorFlow's may be what the variable holds.
    return [np.array(keras.ops.convert_to_numpy(state.value)) for state in states]


def _assign(states: list[Any], values: list[np.ndarray]) -> None:
    for state, value in zip(states, values, strict=True):
        state.assign(value)


def _stacked(population: Population) -> list[np.ndarray]:
    """Returns each variable of the network, stacked over the members."""
    packing = population._state.packing
    return [
        np.array(keras.ops.convert_to_numpy(values))
        for values in packing.unpack([m.value for m in population._matrices])
    ]
