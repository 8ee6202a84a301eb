"""The direction of imports: a package uses only those below it, and no other paper."""

import ast
import pathlib

import pytest

import experiments

ROOT = pathlib.Path(experiments.__file__).parent
PAPERS = (
    "lee2024",
    "sansone2017",
    "poli2024",
    "skorski2020",
    "relu_range",
    "deep_narrow",
    "diagnosis_score",
    "bench",
)
BELOW = {
    # The options of `search` are those of one search.
    "__main__": {
        *("running", "registry", "deep_narrow", "experiment", "reporting", "engine"),
    },
    "running": {"experiment", "reporting", "engine"},
    "registry": {"experiment", *PAPERS},
    **{paper: {"experiment", "reporting", "engine"} for paper in PAPERS},
    "experiment": {"reporting", "engine"},
    "reporting": {"engine"},
    "engine": set(),
}


def files():
    return sorted(
        path for path in ROOT.rglob("*.py") if path.parent != ROOT / "results"
    )


def part(path):
    """Returns the package, or the file beside the packages, that holds a file."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imported(path):
    """Returns the parts of `experiments` that a file imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {n.split(".")[1] for n in names if n.split(".")[0] == "experiments"}


def test_every_part_has_its_layer():
    assert {part(path) for path in files()} == {"__init__", *BELOW}


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_its_package_and_those_below(path):
    above = imported(path) - {part(path)} - BELOW.get(part(path), set())
    assert not above


def test_keras_inits_imports_no_experiment():
    library = ROOT.parent / "keras_inits"
    assert not {name for path in library.rglob("*.py") for name in imported(path)}


@pytest.mark.parametrize("layer", ["engine", "reporting", "experiment", "__main__"])
def test_only_the_registry_names_papers(layer):
    for path in files():
        if part(path) == layer:
            text = path.read_text("utf-8")
            names = ("lee2024", "skorski", "relu_range", "relu-range")
            assert not [name for name in names if name in text]
