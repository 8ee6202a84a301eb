"""What a calibration did to a model."""

from dataclasses import asdict, dataclass, field
from typing import Any

from keras_inits.utils.table import ResultTable, TableResult


@dataclass(frozen=True)
class LayerRow:
    """One layer before and after.

    Args:
        name: Of the layer; the second layer of that name in a model is `name (2)`.
        before: Its numbers, by quantity, as the layer was.
        after: The same numbers as the layer is.
    """

    name: str
    before: dict[str, float]
    after: dict[str, float]


@dataclass(frozen=True)
class CalibrationReport(TableResult):
    """What a calibration did to a model, layer by layer.

    Examples:
    >>> from keras_inits.calibration.report import CalibrationReport, LayerRow
    >>> row = LayerRow("dense", {"weight sd": 0.5}, {"weight sd": 0.125})
    >>> print(CalibrationReport("lsuv", (row,), skipped={"gru": "it is recurrent"}))
    lsuv
    layer  quantity   before  after
    dense  weight sd     0.5  0.125
    not treated: gru: it is recurrent

    Args:
        method: The calibration.
        rows: The layers that were treated, in the order of the model.
        missed: By name, layers of `rows` that did not get what was asked, and why.
        skipped: By name, layers that were left as they were, and why.
        note: What else to know.
    """

    method: str
    rows: tuple[LayerRow, ...]
    missed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain data, ready for JSON."""
        return asdict(self)

    def to_table(self) -> ResultTable:
        """Returns a table, and a line for each layer that was missed or skipped."""
        rows = [
            [row.name, quantity, value, row.after[quantity]]
            for row in self.rows
            for quantity, value in row.before.items()
        ]
        before = [f"{self.method} ({self.note})" if self.note else self.method]
        after = [f"missed: {name}: {why}" for name, why in self.missed.items()]
        after += [f"not treated: {name}: {why}" for name, why in self.skipped.items()]
        columns = ["layer", "quantity", "before", "after"]
        return ResultTable(columns, rows, before, after, digits=4, names=2)
