"""Committed reports are what their committed CSV files alone make."""

import pathlib
import re
import shutil

import pytest

import experiments
from experiments import registry
from keras_inits.inspection import keras_private

RESULTS = pathlib.Path(experiments.__file__).parent / "results"
NAMES = sorted(path.parent.name for path in RESULTS.glob("*/report.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_committed_report_is_rebuilt_from_its_csv_alone(name, tmp_path):
    text = (RESULTS / name / "report.md").read_text("utf-8")
    (command,) = re.findall(
        "^Made by `python -m experiments (.+?)`", text, re.MULTILINE
    )
    size = dict(re.findall(r"--(preset|seeds|epochs) (\w+)", command))
    if name.startswith("bench-exactness") and not keras_private.has_exact_xla():
        pytest.skip("Releases before TensorFlow 2.21 are checked on other cases.")
    (tmp_path / name).mkdir()
    for csv in (RESULTS / name).glob("*.csv"):
        shutil.copy(csv, tmp_path / name)
    publication = registry.find(name).publication(
        size.get("preset", "desk"),
        int(size.get("seeds", 0)),
        int(size.get("epochs", 0)),
    )
    publication.write(tmp_path)
    made = {path.name for path in (tmp_path / name).iterdir()}
    committed = {path.name for path in (RESULTS / name).iterdir()}
    assert made == committed
    assert (tmp_path / name / "report.md").read_text("utf-8") == text


def test_the_index_has_every_result():
    index = (RESULTS / "README.md").read_text("utf-8")
    for name in NAMES:
        assert f"({name}/report.md)" in index
    linked = re.findall(r"\(([\w/.-]+)\)", index)
    assert all((RESULTS / path).exists() for path in linked)
