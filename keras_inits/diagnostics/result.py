"""What is to be expected of training a network."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from keras import tree

from keras_inits.diagnostics.signal_propagation import LayerPropagation, Propagation
from keras_inits.diagnostics.trainability import Limits, Rule, objections, rule_of
from keras_inits.utils.table import Table, plain

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
class Redraw:
    """A copy of the network, drawn anew and measured.

    Args:
        initializer: Its name.
        gain: Of the signal, a layer, as in `Diagnosis`.
        stable_learning_rate: As in `Diagnosis`.
        will_train: Whether it would, at the same learning rate.
        source: Who says that the initializer suits the activation.
    """

    initializer: str
    gain: float
    stable_learning_rate: float
    will_train: bool
    source: str

    def __str__(self) -> str:
        """Returns what it would change."""
        verdict = "it would train" if self.will_train else "it would not train either"
        return (
            f"with '{self.initializer}' the gain is {self.gain:.2g} a layer, the "
            f"stable rate {self.stable_learning_rate:.2g}, and {verdict}"
        )


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is to be expected of training a network.

    Args:
        model: Name of the model.
        objections: Why it will not train, in plain words; empty if it will.
        remarks: What else is worth knowing.
        redraws: Copies of the network with initializers that suit it, measured where
            there are objections.
        layers: One a layer that has weights or an activation.
        gain: Geometric mean of the signal gains of all layers with weights but the
            last.
        loss: The loss.
        limits: The learning rates up to which steps are stable.
        rule: How the optimizer steps.
        learning_rate: The rate that is judged.
        steps: How many steps training has.
    """

    model: str
    objections: tuple[str, ...]
    remarks: tuple[str, ...]
    redraws: tuple[Redraw, ...]
    layers: tuple[LayerDiagnosis, ...]
    gain: float
    loss: float
    limits: Limits
    rule: Rule
    learning_rate: float
    steps: int
    _seen: Propagation = field(repr=False)

    @property
    def will_train(self) -> bool:
        """Whether the network is expected to train."""
        return not self.objections

    @property
    def stable_learning_rate(self) -> float:
        """The rate up to which the optimizer is stable, NaN if that is unknown."""
        return self.limits.of(self.rule)

    def at(self, learning_rate: float, optimizer: Any = None) -> "Diagnosis":
        """Returns the verdict for another learning rate, with nothing measured anew.

        Args:
            learning_rate: The rate.
            optimizer: Another optimizer, by name or as an object. Defaults to `None`:
                the same.
        """
        rule = self.rule if optimizer is None else rule_of(optimizer)
        found = objections(self._seen, self.limits, rule, learning_rate, self.steps)
        return replace(
            self, objections=tuple(found), rule=rule, learning_rate=learning_rate
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the diagnosis as plain data, ready for JSON; NaN becomes `None`."""
        found = {
            "model": self.model,
            "will_train": self.will_train,
            "objections": list(self.objections),
            "remarks": list(self.remarks),
            "redraws": [asdict(redraw) for redraw in self.redraws],
            "layers": [asdict(layer) for layer in self.layers],
            "gain": self.gain,
            "loss": self.loss,
            "optimizer": self.rule.optimizer,
            "learning_rate": self.learning_rate,
            "stable_learning_rate": self.stable_learning_rate,
            "steps": self.steps,
        }
        return tree.map_structure(plain, found)

    def __str__(self) -> str:
        """Returns the verdict and a table of the layers."""
        return str(self._table())

    def __rich__(self) -> Any:
        """Returns what rich prints."""
        return self._table().to_rich()

    def _repr_html_(self) -> str:
        return self._table().to_html()

    def _table(self) -> Table:
        verdict = "will train"
        if self.objections:
            verdict = f"will not train: {'; '.join(self.objections)}"
        shown = {
            name: heading
            for name, heading in _HEADINGS.items()
            if any(plain(getattr(layer, name)) for layer in self.layers)
        }
        rows = [[_cell(layer, name) for name in shown] for layer in self.layers]
        after = list(self.remarks)
        if self.redraws:
            after.append(f"Measured: {'; '.join(map(str, self.redraws))}.")
        return Table(list(shown.values()), rows, [f"{self.model} {verdict}."], after)


def _cell(layer: LayerDiagnosis, name: str) -> Any:
    value = plain(getattr(layer, name))
    if name == "layer" and layer.activation:
        return f"{value}, {layer.activation}"
    return f"{value:.0%}" if name in STATES and value is not None else value
