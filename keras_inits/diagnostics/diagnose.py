"""diagnose: whether a network will train, before it is trained."""

import collections
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from keras_inits import suitability
from keras_inits.calibration.initialize import initialize
from keras_inits.diagnostics.curvature import HessianOperator, Objective, eigenvalues
from keras_inits.diagnostics.result import (
    STATES,
    Alternative,
    Diagnosis,
    LayerDiagnosis,
    Measured,
)
from keras_inits.diagnostics.signal_propagation import Propagation, propagate
from keras_inits.diagnostics.stability import (
    StabilityLimits,
    StepRule,
    stability_limits,
    step_rule_of,
)
from keras_inits.diagnostics.targets import target_issues
from keras_inits.diagnostics.trial import Trial
from keras_inits.diagnostics.units import activity
from keras_inits.inspection import keras_private
from keras_inits.inspection.activations import activation_of, name_of
from keras_inits.inspection.batches import evenly_spaced, gather, map_arrays, take
from keras_inits.inspection.layers import leaf_layers, names
from keras_inits.population.seeding import seeded
from keras_inits.utils.validation import check_real

_MANY = 0.3  # So large a part of the units of a layer is worth a word.
_ALTERNATIVES = 3  # So many initializers are measured, the first choice first.
_USUAL = ("he_normal", "glorot_uniform", "orthogonal")
_FAR = 4.0  # Inputs this many times larger or smaller than 1 are worth scaling.


@seeded(0)  # The caller's random numbers go on as if nothing had been diagnosed.
def diagnose(
    model: keras.Model | Objective,
    x: Any = None,
    y: Any = None,
    loss: Any = None,
    learning_rate: float | None = None,
    steps: int = 1000,
    curvature: bool = False,
    advice: bool = True,
    samples: int = 1024,
    batch_size: int = 32,
) -> Diagnosis:
    """Says whether a network will train, before it is trained.

    A copy of the network takes the first steps of training: a fifth of them, 200 at
    most. They show how much of the loss its outputs come to explain, how well they tell
    the targets apart, and at what pace; from these follows whether training comes to
    something. Near the limit the diagnosis is uncertain, and says so.

    Why it does not is told by what is measured before these steps. Data are sent
    through the network once, and the gradient back. What keeps it from training is an
    output that cannot return the targets; a loss far above that of a network that
    returns 0; samples that no longer differ in what reaches the last layer; steps that,
    to first order, can neither lower the loss nor change what tells samples apart; or
    a learning rate far above the stable one, or too large for as many layers as there
    are to move at once. Then the network is drawn anew by initializers that suit its
    activation, or given inputs of mean 0 and sd 1 if its own are far from that, and
    tried; its own weights are put back.

    The table has a row for each layer: mean and sd of its weights; the gain of the
    signal, of the part of it that varies between samples, and of the gradient; which
    part of its units is dead, saturated, constant or a copy of another; the norm
    `|g|` of the gradient by its weights, and that of the Hessian, `|H|`.

    Adam and its like move each weight by about the learning rate, and the limit
    `2 / lambda_max` of gradient descent does not hold for them. Theirs is that of
    their first step, along its own direction. Of optimizers of another kind no limit
    is known; their steps are tried like all others. A `train_step` of the model's own
    is not used.

    Examples:
    >>> import keras
    >>> import numpy as np
    >>> import keras_inits
    >>> keras.utils.set_random_seed(0)
    >>> hidden = keras.layers.Dense(16, "relu", kernel_initializer="he_normal")
    >>> model = keras.Sequential([keras.Input((8,)), hidden, keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(10.0), "mse")
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> diagnosis = keras_inits.diagnose(model, x, x[:, :1], advice=False)
    >>> diagnosis.will_train, diagnosis.at(0.05).will_train
    (False, True)

    Args:
        model: A built model, or an `Objective`, which then has the data and loss. It
            is left as it is.
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays; or what
            yields batches of inputs and targets, as `fit` takes it: a
            `tf.data.Dataset`, a `PyDataset`, a generator. The first samples are taken.
        y: Targets, as the loss takes them. Defaults to `None`, where `x` has them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        learning_rate: The rate to judge. Defaults to `None`, for that of the compiled
            optimizer, which may be a schedule; a model that is not compiled is judged
            for `SGD`, at half the largest stable rate.
        steps: How many steps training has. Defaults to `1000`.
        curvature: Whether to find the largest eigenvalue of the Hessian for each layer,
            which takes some tens of gradients a layer. Defaults to `False`.
        advice: Whether to measure other initializers where the network will not train.
            Defaults to `True`.
        samples: How many samples to look at, evenly spaced; all if there are no more.
            Defaults to `1024`.
        batch_size: How many of them a step of training takes, as for `fit`. Defaults
            to `32`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not built, has no trainable weights or no loss, or
            cannot take the data; if the data, or the loss of outputs that are finite,
            are not finite; if labels are no classes of the output; or if a number is
            out of range.
    """
    steps = int(check_real("steps", steps, least=1))
    batch_size = int(check_real("batch_size", batch_size, least=1))
    samples = int(check_real("samples", samples, least=2))
    if learning_rate is not None:
        learning_rate = float(check_real("learning_rate", learning_rate, least=0))
    network = model.model if isinstance(model, Objective) else model
    # Recurrent layers draw from their generators in inference too.
    with _kept(network):
        objective = model
        if not isinstance(model, Objective):
            x, y = _chosen(x, y, samples)
            x = _as_taken(model, x)
            objective = Objective(model, x, y, loss, batch_size=samples)
        return _diagnosed(
            objective, learning_rate, steps, curvature, advice, batch_size
        )


def _diagnosed(
    objective: Objective,
    learning_rate: float | None,
    steps: int,
    curvature: bool,
    advice: bool,
    batch_size: int,
) -> Diagnosis:
    """Returns the diagnosis; arguments are those of `diagnose`."""
    if objective.samples < 2:
        raise ValueError(
            "There must be two samples at least, of which something can tell apart. "
            f"Received: {objective.samples}"
        )
    _check_finite(objective)
    network = objective.model
    of_targets = target_issues(objective)
    propagation = propagate(objective)
    if np.isfinite(propagation.logit_sd) and np.isnan(propagation.loss):
        raise ValueError(
            "The loss of finite outputs must be a number. "
            f"Received: model={network.name}, where the loss is {propagation.loss}"
        )
    limits = _limits(objective, propagation)
    optimizer = network.optimizer if network.compiled else None
    rule = step_rule_of(optimizer)
    scheduled = False
    if learning_rate is None and optimizer is not None:
        learning_rate, scheduled = _largest_rate(optimizer, steps)
    elif learning_rate is None:
        learning_rate = limits.of(rule) / 2
        if not 0 < learning_rate < np.inf:  # It is not known of such a network.
            learning_rate = float(keras.optimizers.SGD().learning_rate)
    layers = tuple(_layers(objective, propagation, curvature))
    trial = Trial(objective, optimizer or "sgd", batch_size, scheduled)
    measured = _measured(objective, propagation, limits, of_targets)
    judged = measured.judge(trial, rule, learning_rate, steps)
    diagnosis = Diagnosis(
        model=network.name,
        remarks=tuple(_remarks(layers, _gain(propagation), limits, rule)),
        alternatives=(),
        layers=layers,
        gain=_gain(propagation),
        loss=propagation.loss,
        stability_limits=limits,
        step_rule=rule,
        learning_rate=learning_rate,
        steps=steps,
        _measured=measured,
        _trial=trial,
        **judged,
    )
    # No initializer makes targets come within reach.
    if not diagnosis.issues or not advice or of_targets:
        return diagnosis
    alternatives, unknown = _alternatives(objective, diagnosis)
    remarks = (*diagnosis.remarks, *([unknown] if unknown else []))
    return replace(diagnosis, alternatives=tuple(alternatives), remarks=remarks)


@contextlib.contextmanager
def _kept(model: keras.Model) -> Iterator[None]:
    """Puts back the variables of a model after a block."""
    # Of what is no model, it is said elsewhere.
    variables = model.variables if isinstance(model, keras.Model) else []
    values = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


def _as_taken(model: keras.Model, x: Any) -> Any:
    """Returns inputs as floating point numbers where the model makes these of them."""
    inputs = getattr(model, "inputs", None)
    if not inputs or len(inputs) != len(tree.flatten(x)):
        return x
    if not all(keras.backend.is_float_dtype(one.dtype) for one in inputs):
        return x
    if any(isinstance(layer, keras.layers.Embedding) for layer in leaf_layers(model)):
        return x
    return map_arrays(lambda array: np.asarray(array, keras.config.floatx()), x)


def _chosen(x: Any, y: Any, samples: int) -> tuple[Any, Any]:
    """Returns evenly spaced samples of arrays; what is wrong is left to be found."""
    data = gather(x, y, samples)
    sizes = {array.shape[:1] for array in tree.flatten(data) if array is not None}
    if len(sizes) != 1 or sizes == {()} or max(sizes)[0] <= samples:
        return data
    chosen: tuple[Any, Any] = take(data, evenly_spaced(max(sizes)[0], samples))
    return chosen


def _data(objective: Objective) -> tuple[Any, Any]:
    x, y = tree.map_structure(ops.convert_to_numpy, objective.data)
    return x, y


def _check_finite(objective: Objective) -> None:
    for name, data in zip("xy", _data(objective), strict=True):
        for array in tree.flatten(data):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(
                    "The data must be finite. "
                    f"Received: {name} with NaN or infinite values"
                )


def _limits(objective: Objective, propagation: Propagation) -> StabilityLimits:
    if not propagation.finite:
        return StabilityLimits(np.nan, np.nan)
    return stability_limits(objective, propagation.gradient)


def _measured(
    objective: Objective,
    propagation: Propagation,
    limits: StabilityLimits,
    of_targets: Sequence[str] = (),
) -> Measured:
    start = [np.array(ops.convert_to_numpy(v)) for v in objective.model.variables]
    data = _data(objective)
    return Measured(start, data, tuple(of_targets), propagation, limits)


def _largest_rate(
    optimizer: keras.optimizers.Optimizer, steps: int
) -> tuple[float, bool]:
    """Returns an optimizer's learning rate, the largest of a schedule, and if it is."""
    # One that scales the loss has another within.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    schedule = keras_private.learning_rate_of(inner)
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return float(optimizer.learning_rate), False
    places = np.linspace(0, steps - 1, 64).round()
    return max(float(schedule(step)) for step in places), True


def _layers(
    objective: Objective, propagation: Propagation, curvature: bool
) -> list[LayerDiagnosis]:
    named = {name: layer for layer, name in names(objective.model).items()}
    active = {}
    if any(activation_of(layer) for layer in named.values()):
        activities = activity(objective.model, _data(objective)[0])
        active = {layer.layer: layer for layer in activities}
    rows = []
    for row in propagation.layers:
        layer, units = named[row.layer], active.get(row.layer)
        activation = activation_of(layer)
        fractions: dict[str, float] = dict.fromkeys(STATES, np.nan)
        if units is not None:
            fractions = {s: float(getattr(units, s).mean()) for s in STATES}
        norm = np.nan
        if curvature and propagation.finite and layer.trainable_variables:
            norm = eigenvalues(HessianOperator(objective, layer)).norm
        rows.append(
            LayerDiagnosis(
                **asdict(row),
                activation="" if activation is None else name_of(activation),
                curvature=norm,
                **fractions,  # type: ignore[arg-type]  # It has no activation.
            )
        )
    return rows


def _gain(propagation: Propagation) -> float:
    """Returns the geometric mean of the gains of hidden layers that have weights."""
    hidden = [row for row in propagation.layers if np.isfinite(row.weight_sd)][:-1]
    gains = [row.signal_gain for row in hidden if np.isfinite(row.signal_gain)]
    if not gains:
        return np.nan
    return float(np.exp(np.mean(np.log(gains)))) if min(gains) > 0 else 0.0


def _alternatives(
    objective: Objective, diagnosis: Diagnosis
) -> tuple[list[Alternative], str]:
    """Measures the network as it would be otherwise, and says what is not known.

    That is with initializers that suit it, and with inputs of mean 0 and standard
    deviation 1 where they are far from that.
    """
    network = objective.model
    hidden = collections.Counter(
        name_of(activation)
        for layer in leaf_layers(network)[:-1]
        if (activation := activation_of(layer)) is not None
    )
    hidden.pop("linear", None)
    most = hidden.most_common(1)[0][0] if hidden else "linear"
    x, _ = _data(objective)
    fitting, unknown = suitability.fitting(most), ""
    if not fitting:
        fitting = dict.fromkeys(_USUAL, f"none that is known, for {most}")
        unknown = f"{suitability.advice(most)[:-1]}: usual ones are measured."
    alternatives: list[Alternative] = []
    scaled = _scaled(objective)
    if scaled is not None:
        alternatives.append(
            _alternative(scaled, diagnosis, inputs="mean 0 and sd 1", source="measured")
        )
    redrawn = 0
    with _kept(network):
        for name, source in fitting.items():
            if redrawn == _ALTERNATIVES:
                break
            try:
                with warnings.catch_warnings():
                    # It is the output layer alone that it may not suit.
                    warnings.simplefilter("ignore")
                    initialize(network, name, x, seed=0)
            except ValueError:  # It is not for such layers.
                continue
            redrawn += 1
            alternatives.append(
                _alternative(objective, diagnosis, initializer=name, source=source)
            )
    return alternatives, unknown


def _alternative(
    objective: Objective, diagnosis: Diagnosis, **change: str
) -> Alternative:
    propagation = propagate(objective)
    limits = _limits(objective, propagation)
    rule, rate = diagnosis.step_rule, diagnosis.learning_rate
    measured = _measured(objective, propagation, limits)
    judged = measured.judge(diagnosis._trial, rule, rate, diagnosis.steps)
    return Alternative(
        gain=_gain(propagation),
        stable_learning_rate=limits.of(rule),
        will_train=not judged["issues"],
        **change,
    )


def _scaled(objective: Objective) -> Objective | None:
    """Returns the objective on scaled inputs; nothing where that is no change to try.

    Numbers of words are no inputs of a scale.
    """
    x, _ = _data(objective)
    words = any(
        isinstance(layer, keras.layers.Embedding)
        for layer in leaf_layers(objective.model)
    ) or any(array.dtype.kind != "f" for array in tree.flatten(x))
    sizes = [np.sqrt(np.mean(np.square(a, dtype="float64"))) for a in tree.flatten(x)]
    if words or all(1 / _FAR < size < _FAR for size in sizes):
        return None

    def standard(array: np.ndarray) -> np.ndarray:
        mean, deviation = array.mean(axis=0), array.std(axis=0)
        scaled = (array - mean) / np.where(deviation > 0, deviation, 1)
        return scaled.astype(keras.config.floatx())

    return objective.with_inputs(tree.map_structure(standard, x))


def _remarks(
    layers: tuple[LayerDiagnosis, ...],
    gain: float,
    limits: StabilityLimits,
    rule: StepRule,
) -> list[str]:
    remarks = []
    worst = {
        s: max(layers, key=lambda row: np.nan_to_num(getattr(row, s))) for s in STATES
    }
    for state, row in worst.items():
        part = getattr(row, state)
        if part >= _MANY:
            born = "born dead" if state == "dead" else state
            remarks.append(
                f"{100 * part:.0f} % of the units of {row.layer} are {born}."
            )
    depth = sum(np.isfinite(row.weight_sd) for row in layers) - 1
    if np.isfinite(gain) and depth == 1:
        remarks.append(f"The gain of the hidden layer is {gain:.2g}.")
    elif np.isfinite(gain) and depth > 1:
        remarks.append(
            f"The gain is {gain:.2g} a layer, {gain**depth:.2g} over {depth} layers."
        )
    limit = limits.of(rule)
    if rule.kind == "gradient" and np.isfinite(limit):
        remarks.append(f"{rule.optimizer} is stable up to the rate {limit:.2g}.")
    elif rule.kind == "sign":
        first = "does not overshoot at any rate"
        if np.isfinite(limits.sign):
            first = f"overshoots above {limits.sign:.2g}"
        remarks.append(
            f"The bound of gradient descent, {limits.gradient:.2g}, does not hold for "
            f"{rule.optimizer}; its first step {first}."
        )
    elif rule.kind is None:
        remarks.append(f"What rate {rule.optimizer} can take is not known here.")
    return remarks
