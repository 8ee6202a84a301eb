"""Tests of reports."""

import base64
import re

import pytest
import rich.console

from experiments.reporting import panels
from experiments.reporting.report import Report, Table, mean_sd

TABLE = Table("Accuracy <%>", ["method", "ours"], [["he & co", "11.3"], ["qr", "86.7"]])


@pytest.mark.parametrize(
    ("values", "text"),
    [([], ""), ([11.25], "11.2"), ([88.0, 90.0], "89.0 ± 1.4"), ([5, 5], "5.0 ± 0.0")],
)
def test_mean_and_sd(values, text):
    assert mean_sd(values) == text


def test_a_table_as_markdown():
    assert TABLE.to_markdown().splitlines() == [
        "| method | ours |",
        "| --- | ---: |",
        "| he & co | 11.3 |",
        "| qr | 86.7 |",
    ]


def test_a_cell_in_markdown_has_no_other_cells():
    table = Table("", ["|x|", "a"], [["1\n2", "b"]])
    assert table.to_markdown().splitlines() == [
        r"| \|x\| | a |",
        "| --- | ---: |",
        "| 1<br>2 | b |",
    ]


def test_a_table_as_html_escapes_its_text():
    page = TABLE.to_html()
    assert "<td>he &amp; co</td><td>11.3</td>" in page
    assert page.count("<tr>") == 3


def test_a_cell_of_two_lines():
    table = Table("", ["a", "b"], [["one", "50.0\n48.2 ✓"]], [["", "inside"]])
    assert table.to_markdown().splitlines()[-1] == "| one | 50.0<br>48.2 ✓ |"
    assert "<td class=inside>50.0\n48.2 ✓</td>" in table.to_html()


@pytest.mark.parametrize("styles", [(), [["", "outside"], ["", ""]]])
def test_colours_are_of_their_cells(styles):
    table = Table("Accuracy", TABLE.columns, TABLE.rows, styles)
    assert table.to_html().count("class=outside>11.3") == len(styles[:1])
    console = rich.console.Console(color_system="standard", force_terminal=True)
    with console.capture() as capture:
        console.print(table.to_rich())
    assert ("\x1b[31m11.3" in capture.get()) == bool(styles)
    assert "86.7" in capture.get()


def test_a_report_as_html_needs_no_other_file(tmp_path):
    lines = {"mnist": {"he": {1: [50.0]}}}
    picture = panels.curves(lines, "epoch", tmp_path / "picture.png")
    report = Report("A < B", ["some <text>", TABLE, picture])
    assert report.write(tmp_path, "report") == [tmp_path / "report.md"]
    markdown, page = report.write(tmp_path, "report", html=True)
    text = page.read_text("utf-8")
    assert "<h1>A &lt; B</h1>" in text and "<p>some &lt;text&gt;</p>" in text
    assert "<h2>Accuracy &lt;%&gt;</h2>" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert base64.b64decode(data) == picture.read_bytes()
    assert TABLE.to_markdown() in markdown.read_text("utf-8")
    (linked,) = re.findall(r"!\[.*\]\((.+)\)", markdown.read_text("utf-8"))
    assert (tmp_path / linked).exists()
