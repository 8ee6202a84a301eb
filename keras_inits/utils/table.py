"""Results as tables: plain text, for a rich terminal, and as HTML for a notebook."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ResultTable:
    """A table of numbers and names between lines of text.

    Examples:
    >>> from keras_inits.utils.table import ResultTable
    >>> print(ResultTable(["layer", "gain"], [["dense", 1.4142]], ["A net"], ["Done."]))
    A net
    layer  gain
    dense   1.4
    Done.

    Args:
        columns: Headings.
        rows: As many cells in each: numbers, text, or `None` for an empty cell.
        before: Lines above the table.
        after: Lines below it.
        digits: Significant digits of numbers. Defaults to `2`.
        names: How many columns, from the left, are names. Defaults to `1`.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    digits: int = 2
    names: int = 1

    @property
    def cells(self) -> list[list[str]]:
        """The rows as text."""
        return [[_text(cell, self.digits) for cell in row] for row in self.rows]

    def __str__(self) -> str:
        """Returns plain text."""
        lines = [list(self.columns), *self.cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [
            "  ".join(
                cell.ljust(width) if column < self.names else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        return "\n".join([*self.before, *map(str.rstrip, aligned), *self.after])

    def to_rich(self) -> Any:
        """Returns what rich prints."""
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, collapse_padding=True)
        # A narrow terminal breaks names between their words, before numbers are cut.
        words = [word for row in self.cells for word in row[0].split()]
        table.add_column(self.columns[0], min_width=max(map(len, words), default=1))
        for place, column in enumerate(self.columns[1:], 1):
            is_name = place < self.names
            table.add_column(
                column, justify="left" if is_name else "right", no_wrap=True
            )
        for row in self.cells:
            table.add_row(*map(Text, row))
        return Group(*map(Text, self.before), table, *map(Text, self.after))

    def to_html(self) -> str:
        """Returns HTML."""

        def line(tag: str, cells: Sequence[str]) -> str:
            joined = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
            return f"<tr>{joined}</tr>"

        def paragraphs(lines: Sequence[str]) -> str:
            return "".join(f"<p>{html.escape(text)}</p>" for text in lines)

        body = "".join(line("td", row) for row in self.cells)
        table = f"<table>{line('th', self.columns)}{body}</table>"
        return paragraphs(self.before) + table + paragraphs(self.after)


class TableResult:
    """A result that is shown as a table, wherever it is printed."""

    def to_table(self) -> ResultTable:
        """Returns the table."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Returns the table as plain text."""
        return str(self.to_table())

    def __rich__(self) -> Any:
        """Returns what rich prints."""
        return self.to_table().to_rich()

    def _repr_html_(self) -> str:
        return self.to_table().to_html()


def plain(value: Any) -> Any:
    """Returns a value with `None` in the place of NaN and infinity."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _text(cell: Any, digits: int) -> str:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if not isinstance(cell, float):
        return str(cell)
    return re.sub("e([+-])0", r"e\1", f"{cell:.{digits}g}")  # 1e-5: columns are narrow.
