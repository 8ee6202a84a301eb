"""Reports: text, tables and pictures, as Markdown and HTML."""

import base64
import html
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
.chance { background: #eeeeee; }
"""

Claim = tuple[str, str, bool]
"""What is said, what was measured, and whether it held."""

_RICH_STYLES = {"inside": "green", "outside": "red", "chance": "dim"}


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Args:
        title: What it shows.
        columns: Headings.
        rows: Cells, as many in each row as there are columns.
        styles: For each cell `"inside"`, `"outside"` or `"chance"`, which colour it,
            or `""`. Defaults to no colours.
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
    return Table(
        title,
        ["claim", "measured", "held"],
        [[claim, found, "yes" if held else "no"] for claim, found, held in claims],
        [["", "", "inside" if held else "outside"] for *_, held in claims],
    )


@dataclass
class Report:
    """A page of text, tables and pictures.

    Args:
        title: Heading of the page.
        parts: What it holds, in order: paragraphs, tables, and paths of PNG files.
    """

    title: str
    parts: list[str | Table | Path] = field(default_factory=list)

    def write(self, folder: Path, name: str) -> list[Path]:
        """Writes `name.md` and a self-contained `name.html`; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        markdown, page = [f"# {self.title}"], [f"<h1>{html.escape(self.title)}</h1>"]
        for part in self.parts:
            if isinstance(part, Table):
                markdown += [f"**{part.title}**", part.to_markdown()]
                page += [f"<h2>{html.escape(part.title)}</h2>", part.to_html()]
            elif isinstance(part, Path):
                markdown.append(f"![{part.stem}]({part.name})")
                data = base64.b64encode(part.read_bytes()).decode()
                page.append(
                    f'<img alt="{part.stem}" src="data:image/png;base64,{data}">'
                )
            else:
                markdown.append(part)
                page.append(f"<p>{html.escape(part)}</p>")
        paths = [folder / f"{name}.md", folder / f"{name}.html"]
        paths[0].write_text("\n\n".join(markdown) + "\n", encoding="utf-8")
        head = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>{html.escape(self.title)}</title><style>{_STYLE}</style></head>"
        )
        body = "\n".join(page)
        paths[1].write_text(f"{head}\n<body>\n{body}\n</body></html>\n", "utf-8")
        return paths


def mean_sd(values: Sequence[float]) -> str:
    """Formats percentages as mean ± standard deviation; the mean alone for one value.

    Examples:
        >>> mean_sd([88.0, 90.0])
        '89.0 ± 1.4'
        >>> mean_sd([])
        ''
    """
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean
