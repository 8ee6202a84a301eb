"""Reports: text, tables and pictures, as Markdown and HTML."""

import base64
import html
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import rich.table
import rich.text

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto;
       padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
td { white-space: pre-line; }
.inside { background: #e2f3e0; } .outside { background: #fbe3de; }
.chance { background: #eeeeee; } .wide { background: #fdf3cf; }
"""

Claim = tuple[str, str, bool | None]
"""What is said, what was measured, and whether it held; `None` where that is open."""

_RICH_STYLES = {"inside": "green", "outside": "red", "chance": "dim", "wide": "yellow"}


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        title: What it shows.
        columns: Headings.
        rows: Cells, as many in each row as there are columns.
        styles: For each cell `"inside"`, `"outside"`, `"chance"` or `"wide"`, which
            colour it, or `""`. Defaults to no colours.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    styles: Sequence[Sequence[str]] = ()

    def to_rich(self) -> rich.table.Table:
        """Returns the table for a terminal."""
        table = rich.table.Table(title=self.title, title_justify="left")
        for index, column in enumerate(self.columns):
            table.add_column(
                column,
                justify="right" if index else "left",
                min_width=0 if index else 16,
            )
        for row, styles in self._styled_rows():
            table.add_row(
                *(
                    rich.text.Text(cell, _RICH_STYLES.get(style, ""))
                    for cell, style in zip(row, styles, strict=True)
                )
            )
        return table

    def to_markdown(self) -> str:
        """Returns the table as Markdown.

        Examples:
            >>> table = Table("Accuracy", ["method", "%"], [["he", "11.3"]])
            >>> print(table.to_markdown())
            | method | % |
            | --- | ---: |
            | he | 11.3 |
        """
        lines = [self.columns, ["---", *["---:"] * (len(self.columns) - 1)], *self.rows]
        texts = (
            " | ".join(cell.replace("|", r"\|") for cell in line).replace("\n", "<br>")
            for line in lines
        )
        return "\n".join(f"| {text} |" for text in texts)

    def to_html(self) -> str:
        """Returns the table as HTML."""

        def line(tag: str, cells: Iterable[str], styles: Iterable[str]) -> str:
            classes = (f" class={style}" if style else "" for style in styles)
            text = "".join(
                f"<{tag}{name}>{html.escape(cell)}</{tag}>"
                for cell, name in zip(cells, classes, strict=True)
            )
            return f"<tr>{text}</tr>"

        head = line("th", self.columns, [""] * len(self.columns))
        rows = "\n".join(line("td", *row) for row in self._styled_rows())
        return f"<table>\n{head}\n{rows}\n</table>"

    def _styled_rows(self) -> Iterable[tuple[Sequence[str], Sequence[str]]]:
        plain = [[""] * len(self.columns)] * len(self.rows)
        return zip(self.rows, self.styles or plain, strict=True)


def claims_table(title: str, claims: Sequence[Claim]) -> Table:
    """Returns a table of claims, coloured by whether they held.

    Examples:
        >>> claims_table("Claims", [("2 + 2 = 5", "4", False)]).rows
        [['2 + 2 = 5', '4', 'no']]
    """
    words = {True: ("yes", "inside"), False: ("no", "outside"), None: ("open", "")}
    return Table(
        title,
        ["claim", "measured", "held"],
        [[text, measured, words[held][0]] for text, measured, held in claims],
        [["", "", words[held][1]] for *_, held in claims],
    )


Part = str | Table | Path
"""A paragraph, a table, or a file beside the report: a picture or a CSV."""


@dataclass(frozen=True)
class Report:
    """A page of text, tables and pictures.

    Args:
        title: Heading of the page.
        parts: What it holds, in order: paragraphs, tables, and files beside it.
    """

    title: str
    parts: Sequence[Part] = ()

    def write(self, folder: Path, name: str, html: bool = False) -> list[Path]:
        """Writes `name.md`, and a self-contained `name.html` if asked.

        Returns:
            The paths of the files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{name}.md"]
        paths[0].write_text(self.to_markdown(), encoding="utf-8")
        if html:
            paths.append(folder / f"{name}.html")
            paths[1].write_text(self.to_html(), encoding="utf-8")
        return paths

    def to_markdown(self) -> str:
        """Returns the page as Markdown, with links to the pictures beside it."""
        texts = [f"# {self.title}"]
        for part in self.parts:
            if isinstance(part, Table):
                texts += [f"**{part.title}**", part.to_markdown()]
            elif isinstance(part, Path):
                mark = "!" if part.suffix == ".png" else ""
                texts.append(f"{mark}[{part.stem}]({part.name})")
            else:
                texts.append(part)
        return "\n\n".join(texts) + "\n"

    def to_html(self) -> str:
        """Returns the page as HTML, with the pictures in it."""
        texts = [f"<h1>{html.escape(self.title)}</h1>"]
        for part in self.parts:
            if isinstance(part, Table):
                texts += [f"<h2>{html.escape(part.title)}</h2>", part.to_html()]
            elif isinstance(part, Path) and part.suffix != ".png":
                texts.append(f'<p><a href="{part.name}">{part.name}</a></p>')
            elif isinstance(part, Path):
                data = base64.b64encode(part.read_bytes()).decode()
                texts.append(
                    f'<img alt="{part.stem}" src="data:image/png;base64,{data}">'
                )
            else:
                texts.append(f"<p>{html.escape(part)}</p>")
        head = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head>"
        )
        body = "\n".join(texts)
        return f"{head}\n<body>\n{body}\n</body></html>\n"


def mean_sd(values: Sequence[float], digits: int = 1) -> str:
    """Formats mean ± standard deviation; the mean alone for one value.

    Values that are not finite are counted apart.

    Examples:
        >>> mean_sd([88.0, 90.0])
        '89.0 ± 1.4'
        >>> mean_sd([1.78, 1.8], digits=2)
        '1.79 ± 0.01'
        >>> mean_sd([88.0, 90.0, float("inf")])
        '89.0 ± 1.4, 1 of 3 not finite'
        >>> mean_sd([])
        ''
    """
    finite = [value for value in values if math.isfinite(value)]
    texts = []
    if finite:
        spread = f" ± {statistics.stdev(finite):.{digits}f}" if finite[1:] else ""
        texts.append(f"{statistics.fmean(finite):.{digits}f}{spread}")
    if len(finite) < len(values):
        texts.append(f"{len(values) - len(finite)} of {len(values)} not finite")
    return ", ".join(texts)
