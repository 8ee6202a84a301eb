"""What is to be expected of training a network."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from keras import tree

from keras_inits.diagnostics.outlook import outlook, trial_steps
from keras_inits.diagnostics.reasons import reasons
from keras_inits.diagnostics.signal_propagation import LayerPropagation, Propagation
from keras_inits.diagnostics.stability import StabilityLimits, StepRule, step_rule_of
from keras_inits.diagnostics.trial import Progress, Trial
from keras_inits.utils.table import ResultTable, TableResult, plain
from keras_inits.utils.validation import check_real

STATES = ("dead", "saturated", "constant", "duplicate")
"""What units are counted in."""

# Columns that are empty or zero in all layers are left out. All that may be there
# together fit a terminal of 80 columns.
_HEADINGS = {
    "layer": "layer",
    "weight_mean": "mean",
    "weight_sd": "sd",
    "signal_gain": "gain",
    "varying_gain": "vary",
    "gradient_gain": "grad",
    "dead": "dead",
    "saturated": "satur",
    "constant": "const",
    "duplicate": "copy",
    "gradient_norm": "|g|",
    "curvature": "|H|",
}


@dataclass(frozen=True)
class LayerDiagnosis(LayerPropagation):
    """A layer before training; what it does not have is NaN.

    Beside what `LayerPropagation` has:

    Args:
        activation: Name of its activation.
        dead: Part of its units that are dead, as `diagnostics.activity` defines it.
        saturated: Part that is saturated.
        constant: Part that is constant.
        duplicate: Part that has a copy.
        curvature: Largest magnitude of an eigenvalue of the Hessian by its weights.
    """

    activation: str
    dead: float
    saturated: float
    constant: float
    duplicate: float
    curvature: float


@dataclass(frozen=True)
class Alternative:
    """The network with one thing changed, measured.

    Args:
        gain: Of the signal, a layer, as in `Diagnosis`.
        stable_learning_rate: As in `Diagnosis`.
        will_train: Whether it would, at the same learning rate.
        source: Who says that the initializer suits the activation.
        initializer: The name of another initializer; empty for its own weights.
        inputs: What inputs are scaled to; empty for its own inputs.
    """

    gain: float
    stable_learning_rate: float
    will_train: bool
    source: str
    initializer: str = ""
    inputs: str = ""

    def __str__(self) -> str:
        """Returns what it would change."""
        parts = [
            f"{name} is {value:.2g}{unit}"
            for name, value, unit in (
                ("the gain", self.gain, " a layer"),
                ("the stable rate", self.stable_learning_rate, ""),
            )
            if not np.isnan(value)
        ]
        would = "it would train" if self.will_train else "it would not train either"
        change = f"'{self.initializer}'"
        if self.inputs:
            change = f"inputs of {self.inputs}"
        return f"with {change} {', '.join([*parts, would])}"


@dataclass(frozen=True, eq=False)
class Measured:
    """A network before training, to be judged at any rate.

    Args:
        start: Its variables.
        data: Inputs and targets.
        of_targets: Why these are out of reach.
        propagation: How signal and gradient pass through it.
        limits: The learning rates up to which steps are stable.
    """

    start: list[np.ndarray]
    data: tuple[Any, Any]
    of_targets: tuple[str, ...]
    propagation: Propagation
    limits: StabilityLimits

    def judge(
        self, trial: Trial, rule: StepRule, learning_rate: float, steps: int
    ) -> dict[str, Any]:
        """Returns `issues`, `uncertain` and `progress` of a `Diagnosis`."""
        progress = trial.run(self.start, self.data, learning_rate, trial_steps(steps))
        expected = outlook(progress, steps)
        issues = list(self.of_targets)
        if expected.score <= 0:
            why = reasons(self.propagation, self.limits, rule, learning_rate, steps)
            issues += [expected.text, *why]
        uncertain = expected.uncertain and not self.of_targets
        return {
            "issues": tuple(issues),
            "uncertain": expected.text if uncertain else "",
            "progress": progress,
        }


@dataclass(frozen=True, eq=False)
class Diagnosis(TableResult):
    """What is to be expected of training a network.

    Args:
        model: Name of the model.
        issues: Why it will not train, in plain words; empty if it will. What the first
            steps have come to is followed by what explains it.
        uncertain: What the first steps have come to, if that may end either way; empty
            if not.
        remarks: What else is worth knowing.
        alternatives: Copies of the network with initializers that suit it, and with
            scaled inputs, measured where there are issues.
        layers: One a layer that has weights or an activation.
        gain: Geometric mean of the signal gains of all layers with weights but the
            last.
        loss: The loss.
        stability_limits: The learning rates up to which steps are stable.
        step_rule: How the optimizer steps.
        learning_rate: The rate that is judged.
        steps: How many steps training has.
        progress: What the first of them have come to, on a copy.
    """

    model: str
    issues: tuple[str, ...]
    uncertain: str
    remarks: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    layers: tuple[LayerDiagnosis, ...]
    gain: float
    loss: float
    stability_limits: StabilityLimits
    step_rule: StepRule
    learning_rate: float
    steps: int
    progress: Progress
    _measured: Measured = field(repr=False)
    _trial: Trial = field(repr=False)

    @property
    def will_train(self) -> bool:
        """Whether the network is expected to train; the likelier, if uncertain."""
        return not self.issues

    @property
    def stable_learning_rate(self) -> float:
        """The rate up to which the optimizer is stable, NaN if that is unknown."""
        return self.stability_limits.of(self.step_rule)

    def at(self, learning_rate: float, optimizer: Any = None) -> "Diagnosis":
        """Returns the diagnosis for another learning rate.

        The first steps are taken anew, from the weights that were diagnosed.

        Args:
            learning_rate: The rate.
            optimizer: Another optimizer, by name or as an object. Defaults to `None`:
                the same.

        Raises:
            ValueError: If the rate is no number, or below 0.
        """
        learning_rate = float(check_real("learning_rate", learning_rate, least=0))
        trial = self._trial.with_optimizer(optimizer)
        rule = self.step_rule if optimizer is None else step_rule_of(optimizer)
        judged = self._measured.judge(trial, rule, learning_rate, self.steps)
        return replace(
            self, step_rule=rule, learning_rate=learning_rate, _trial=trial, **judged
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the diagnosis as plain data, ready for JSON; NaN becomes `None`."""
        data = {
            "model": self.model,
            "will_train": self.will_train,
            "issues": list(self.issues),
            "uncertain": self.uncertain,
            "remarks": list(self.remarks),
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
            "layers": [asdict(layer) for layer in self.layers],
            "gain": self.gain,
            "loss": self.loss,
            "optimizer": self.step_rule.optimizer,
            "learning_rate": self.learning_rate,
            "stable_learning_rate": self.stable_learning_rate,
            "steps": self.steps,
            "progress": asdict(self.progress),
        }
        return tree.map_structure(plain, data)

    def to_table(self) -> ResultTable:
        """Returns a table of the layers, and whether the network will train."""
        verdict = "will train"
        if self.issues:
            verdict = f"will not train: {'; '.join(self.issues)}"
        if self.uncertain:
            likely = "will" if self.will_train else "will not"
            verdict = f"may train or not (uncertain: {self.uncertain}); "
            verdict += f"likelier it {likely}"
        shown = {
            name: heading
            for name, heading in _HEADINGS.items()
            if any(plain(getattr(layer, name)) for layer in self.layers)
        }
        rows = [[_cell(layer, name) for name in shown] for layer in self.layers]
        after = list(self.remarks)
        if not (self.issues or self.uncertain):
            after.append(f"{outlook(self.progress, self.steps).text}.")
        if self.alternatives:
            after.append(f"Measured: {'; '.join(map(str, self.alternatives))}.")
        return ResultTable(
            list(shown.values()), rows, [f"{self.model} {verdict}."], after
        )


def _cell(layer: LayerDiagnosis, name: str) -> Any:
    value = plain(getattr(layer, name))
    if name == "layer" and layer.activation:
        return f"{value}, {layer.activation}"
    return f"{value:.0%}" if name in STATES and value is not None else value
