"""Every import goes down: a part of the package uses only the parts below it."""

import ast
import pathlib

import pytest

import keras_inits

PACKAGE = pathlib.Path(keras_inits.__file__).parent

PARTS = (
    "keras_inits",
    "keras_inits.tuning",
    "keras_inits.comparison",
    "keras_inits.callbacks",
    "keras_inits.diagnostics",
    "keras_inits.diagnostics.curvature",
    "keras_inits.diagnostics.units",
    "keras_inits.calibration",
    "keras_inits.suitability",
    "keras_inits.initializers",
    "keras_inits.population",
    "keras_inits.inspection",
    "keras_inits.utils",
)
"""From the top of the house to its cellar."""


def part_of(module):
    """Returns the place among `PARTS` of the one that a module belongs to."""
    parts = [part for part in PARTS if f"{module}.".startswith(f"{part}.")]
    return PARTS.index(max(parts, key=len))


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imports_of(path):
    """Lists the modules of this package that a file imports, wherever in it."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            base = node.module or ""
            # What is imported from the package itself may be a part of it.
            names = [f"{base}.{alias.name}" for alias in node.names]
            modules += [base] if base != "keras_inits" else names
    return [module for module in modules if module.startswith("keras_inits")]


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: module_of(path)
)
def test_imports_go_down(path):
    place = part_of(module_of(path))
    for module in imports_of(path):
        assert part_of(module) >= place, f"{module_of(path)} imports {module}"


def test_the_test_can_fail():
    assert part_of("keras_inits.population.batches") < part_of("keras_inits.utils")
    assert part_of("keras_inits.diagnostics.units.states") > part_of(
        "keras_inits.diagnostics.result"
    )
