"""Tests of reports and of the tables beside the published numbers."""

import base64
import re

import pytest

from experiments import plots, tables
from experiments.ledger import Ledger
from experiments.report import Report, Table, mean_sd

TABLE = Table("Accuracy <%>", ["method", "ours"], [["he & co", "11.3"], ["qr", "86.7"]])
PRINTED = [
    {"dataset": "mnist", "activation": "relu", "method": m, "val_accuracy": v}
    for m, v in (("proposed", "86.7"), ("he", "11.3"), ("gsm", "11.3"))
]
RUN = {
    "experiment": "lee-table2",
    "dataset": "mnist",
    "activation": "relu",
    "hidden": "10-6x120",
    "samples_per_class": "all",
    "epochs": 10,
    "protocol": {"epsilon": 0.1},
}


def row(method, seed, accuracy, **other):
    run = RUN | {"method": method, "seed": seed, "val_accuracy": accuracy}
    return run | other


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


def test_a_table_as_html_escapes_its_text():
    page = TABLE.to_html()
    assert "<td>he &amp; co</td><td>11.3</td>" in page
    assert page.count("<tr>") == 3


def test_a_report_as_html_needs_no_other_file(tmp_path):
    rows = [row("he", 0, 0.5, epoch=0)]
    picture = plots.curves(rows, "a title", tmp_path / "picture.png")
    report = Report("A < B", ["some <text>", TABLE, picture])
    markdown, page = report.write(tmp_path, "report")
    text = page.read_text("utf-8")
    assert "<h1>A &lt; B</h1>" in text and "<p>some &lt;text&gt;</p>" in text
    assert "<h2>Accuracy &lt;%&gt;</h2>" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert base64.b64decode(data) == picture.read_bytes()
    assert TABLE.to_markdown() in markdown.read_text("utf-8")
    (linked,) = re.findall(r"!\[.*\]\((.+)\)", markdown.read_text("utf-8"))
    assert (tmp_path / linked).exists()


# Beside the published numbers


def test_ours_stands_beside_the_published_number():
    rows = [row("proposed", 0, 0.88), row("proposed", 1, 0.90), row("he", 0, 0.113)]
    (table,) = tables.beside_published(rows, PRINTED)
    assert table.rows == [
        ["proposed", "89.0 ± 1.4", "2", "86.7", "+2.3"],
        ["he", "11.3", "1", "11.3", "+0.0"],
        ["gsm", "", "", "11.3", ""],
    ]
    assert "mnist, relu" in table.title


def test_a_cell_that_was_not_published_has_ours_alone():
    rows = [row("he", 0, 0.5, dataset="digits")]
    (table,) = tables.beside_published(rows, PRINTED)
    assert table.rows == [["he", "50.0", "1", "", ""]]


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "fashion_mnist"},
        {"activation": "tanh"},
        {"hidden": "10-6x20"},
        {"epochs": 3},
        {"samples_per_class": 5},
        {"protocol": {"epsilon": 0.2}},
    ],
)
def test_what_was_run_otherwise_has_a_table_of_its_own(other):
    rows = [row("he", 0, 0.1), row("he", 1, 0.3), row("he", 0, 0.9, **other)]
    one, two = tables.beside_published(rows, [])
    assert one.rows == [["he", "20.0 ± 14.1", "2", "", ""]]
    assert two.rows == [["he", "90.0", "1", "", ""]]


def record(folder, *rows):
    ledger = Ledger(folder / "ledger.sqlite")
    for one in rows:
        run = {key: value for key, value in one.items() if key != "val_accuracy"}
        identity = ledger.begin(run)
        for epoch in range(one["epochs"]):
            values = {"val_accuracy": [one["val_accuracy"]]}
            ledger.record([identity], epoch, values)


def test_the_report_is_made_from_the_ledger_alone(tmp_path):
    record(
        tmp_path,
        row("proposed", 0, 0.88, dataset="fashion_mnist", epochs=2),
        row("proposed", 0, 0.90, dataset="fashion_mnist", epochs=3),
    )
    beside, written = tables.write("lee-table2", tmp_path)
    assert [table.rows[0][:2] for table in beside] == [
        ["proposed", "88.0"],
        ["proposed", "90.0"],
    ]
    assert len(set(written)) == 5 and all(path.stat().st_size for path in written)
    suffixes = [path.suffix for path in written]
    assert suffixes == [".png", ".png", ".md", ".html", ".csv"]
    text = written[2].read_text("utf-8")
    assert "--dataset fashion_mnist --activation relu --seeds 1 --epochs 3`" in text
    assert "epsilon = 0.1" in text
    assert len(written[4].read_text("utf-8").splitlines()) == 3


def test_a_ledger_without_finished_runs_has_no_report(tmp_path):
    Ledger(tmp_path / "ledger.sqlite").begin(RUN | {"method": "he", "seed": 0})
    with pytest.raises(FileNotFoundError, match="experiments run lee-table2"):
        tables.write("lee-table2", tmp_path)


# Pictures


def test_a_picture_over_epsilon_needs_two_values(tmp_path):
    def result(epsilon):
        values = {"initializer": "lee_qr", "epsilon": epsilon}
        return {"values": values, "mean": 0.5, "sd": 0.1, "scores": {0: 0.5}}

    path = tmp_path / "epsilon.png"
    assert plots.epsilon([result(0.1)], "a title", path) is None
    assert not path.exists()
    assert plots.epsilon([result(0.1), result(1.0)], "a title", path) == path
    assert path.read_bytes().startswith(b"\x89PNG")
