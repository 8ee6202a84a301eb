"""Tables as plain text, for a rich terminal and as HTML for a notebook."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table of numbers, to two digits, and names between lines of text.

    Examples:
    >>> from keras_inits.utils.table import Table
    >>> print(Table(["layer", "gain"], [["dense", 1.4142]], ["A net"], ["Done."]))
    A net
    layer  gain
    dense   1.4
    Done.

    Args:
        columns: Headings.
        rows: As many cells in each: numbers, text, or `None` for an empty cell.
        before: Lines above the table.
        after: Lines below it.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    before: Sequence[str] = ()
    after: Sequence[str] = ()

    @property
    def cells(self) -> list[list[str]]:
        """The rows as text."""
        return [[_text(cell) for cell in row] for row in self.rows]

    def __str__(self) -> str:
        """Returns plain text."""
        lines = [list(self.columns), *self.cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        aligned = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
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
        for column in self.columns[1:]:
            table.add_column(column, justify="right", no_wrap=True)
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


def plain(value: Any) -> Any:
    """Returns a value with `None` in the place of NaN and infinity."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell)
    return re.sub("e([+-])0", r"e\1", f"{cell:.2g}")  # 1e-5: columns are narrow.
