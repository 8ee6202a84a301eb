"""diagnose: whether a network will train, before it is trained."""

import collections
import warnings
from dataclasses import asdict
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
)
from keras_inits.diagnostics.signal_propagation import Propagation, propagate
from keras_inits.diagnostics.targets import target_issues
from keras_inits.diagnostics.trainability import (
    StabilityLimits,
    StepRule,
    find_issues,
    gradient_limit,
    step_direction,
    step_rule_of,
)
from keras_inits.diagnostics.units import activity
from keras_inits.inspection.activations import activation_of, name_of
from keras_inits.inspection.batches import evenly_spaced, take
from keras_inits.inspection.layers import leaf_layers, names
from keras_inits.population.seeding import seeded
from keras_inits.utils.validation import check_real

_MANY = 0.3  # So large a part of the units of a layer is worth a word.
_ALTERNATIVES = 3  # So many initializers are measured, the first choice first.


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
) -> Diagnosis:
    """Says whether a network will train, before it is trained.

    Data are sent through the network once, and the gradient back. The network will
    train if its output can return the targets; if the loss is not far above that of a
    network that returns 0; if samples
    still differ in what reaches the last layer; if, to first order, the steps can
    lower the loss, and change what tells samples apart, by a part that counts; and if
    the learning rate is not far above the stable one, nor too large for as many layers
    as there are to move at once. Where it will not, it is drawn anew by initializers
    that suit its activation, and measured; its own weights are put back.

    The table has a row for each layer: mean and sd of its weights; the gain of the
    signal, of the part of it that varies between samples, and of the gradient; which
    part of its units is dead, saturated, constant or a copy of another; the norm
    `|g|` of the gradient by its weights, and that of the Hessian, `|H|`.

    Adam and its like move each weight by about the learning rate, and the limit
    `2 / lambda_max` of gradient descent does not hold for them. Theirs is that of
    their first step, along its own direction. Optimizers of another kind are not
    judged by their rate.

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
        x: Inputs, an array `(samples, ...)`, or a list or dictionary of arrays.
        y: Targets, as the loss takes them.
        loss: A loss in place of the compiled one. Defaults to `None`.
        learning_rate: The rate to judge. Defaults to `None`, for that of the compiled
            optimizer; a model that is not compiled is judged for `SGD`, at the largest
            stable rate.
        steps: How many steps training has. Defaults to `1000`.
        curvature: Whether to find the largest eigenvalue of the Hessian for each layer,
            which takes some tens of gradients a layer. Defaults to `False`.
        advice: Whether to measure other initializers where the network will not train.
            Defaults to `True`.
        samples: How many samples to look at, evenly spaced; all if there are no more.
            Defaults to `1024`.

    Raises:
        TypeError: If `model` is not a Keras model.
        ValueError: If the model is not built, has no trainable weights or no loss, or
            cannot take the data; if the data, or the loss of outputs that are finite,
            are not finite; if labels are no classes of the output; or if a number is
            out of range.
    """
    steps = int(check_real("steps", steps, least=1))
    if learning_rate is not None:
        learning_rate = float(check_real("learning_rate", learning_rate, least=0))
    objective = model
    if not isinstance(model, Objective):
        x, y = _chosen(x, y, int(check_real("samples", samples, least=2)))
        objective = Objective(model, x, y, loss, batch_size=samples)
    _check_finite(objective)
    network = objective.model
    of_targets = target_issues(objective)
    propagation = propagate(objective)
    if np.isfinite(propagation.logit_sd) and not np.isfinite(propagation.loss):
        raise ValueError(
            "The loss of finite outputs must be finite. "
            f"Received: model={network.name}, where the loss is {propagation.loss}"
        )
    limits = _limits(objective, propagation)
    optimizer = network.optimizer if network.compiled else None
    rule = step_rule_of(optimizer)
    if learning_rate is None:
        learning_rate = limits.of(rule)
        if optimizer is not None:
            learning_rate = float(np.mean(optimizer.learning_rate))
    issues = find_issues(propagation, limits, rule, learning_rate, steps)
    layers = tuple(_layers(objective, propagation, curvature))
    alternatives: list[Alternative] = []
    # No initializer makes targets come within reach.
    if issues and advice and not of_targets:
        alternatives = _alternatives(objective, rule, learning_rate, steps)
    return Diagnosis(
        model=network.name,
        issues=(*of_targets, *issues),
        remarks=tuple(_remarks(layers, _gain(propagation), limits, rule)),
        alternatives=tuple(alternatives),
        layers=layers,
        gain=_gain(propagation),
        loss=propagation.loss,
        stability_limits=limits,
        step_rule=rule,
        learning_rate=learning_rate,
        steps=steps,
        _propagation=propagation,
        _of_targets=tuple(of_targets),
    )


def _chosen(x: Any, y: Any, samples: int) -> tuple[Any, Any]:
    """Returns evenly spaced samples of arrays; what is wrong is left to be found."""
    data = tree.map_structure(np.asarray, (x, y))
    sizes = {array.shape[:1] for array in tree.flatten(data)}
    if len(sizes) != 1 or sizes == {()} or max(sizes)[0] <= samples:
        return data
    return take(data, evenly_spaced(max(sizes)[0], samples))


def _data(objective: Objective) -> tuple[Any, Any]:
    parts = [batch[1:] for batch in objective.batches]
    return tree.map_structure(
        lambda *arrays: np.concatenate([ops.convert_to_numpy(a) for a in arrays]),
        *parts,
    )


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
    stable = gradient_limit(objective)
    if np.isnan(stable):  # Second derivatives overflow where the first do not.
        return StabilityLimits(0.0, 0.0)
    step = step_direction(propagation.gradient)
    bend = float(step @ objective.hessian_product(step))
    sign = 2 * float(propagation.gradient @ step) / bend if bend > 0 else np.inf
    return StabilityLimits(stable, sign)


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
    objective: Objective, rule: StepRule, rate: float, steps: int
) -> list[Alternative]:
    """Measures the network as it would be with the initializers that suit it."""
    network = objective.model
    hidden = collections.Counter(
        name_of(activation)
        for layer in leaf_layers(network)[:-1]
        if (activation := activation_of(layer)) is not None
    )
    hidden.pop("linear", None)
    most = hidden.most_common(1)[0][0] if hidden else "linear"
    x, _ = _data(objective)
    weights = [ops.convert_to_numpy(variable) for variable in network.variables]
    alternatives: list[Alternative] = []
    try:
        for name, source in suitability.fitting(most).items():
            if len(alternatives) == _ALTERNATIVES:
                break
            try:
                with warnings.catch_warnings():
                    # It is the output layer alone that it may not suit.
                    warnings.simplefilter("ignore")
                    initialize(network, name, x, seed=0)
            except ValueError:  # It is not for such layers.
                continue
            propagation = propagate(objective)
            limits = _limits(objective, propagation)
            issues = find_issues(propagation, limits, rule, rate, steps)
            alternatives.append(
                Alternative(
                    name, _gain(propagation), limits.of(rule), not issues, source
                )
            )
    finally:
        for variable, value in zip(network.variables, weights, strict=True):
            variable.assign(value)
    return alternatives


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
        remarks.append(
            f"The bound of gradient descent, {limits.gradient:.2g}, does not hold for "
            f"{rule.optimizer}; its first step overshoots above {limits.sign:.2g}."
        )
    elif rule.kind is None:
        remarks.append(f"What rate {rule.optimizer} can take is not known here.")
    return remarks
