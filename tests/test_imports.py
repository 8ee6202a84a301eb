"""Every import goes down: a part of the package uses only the parts below it."""

import pathlib

import pytest

import keras_inits
from tools.import_graph import imports_of

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


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: module_of(path)
)
def test_imports_go_down(path):
    place = part_of(module_of(path))
    for module in imports_of(path, "keras_inits"):
        assert part_of(module) >= place, f"{module_of(path)} imports {module}"


def test_the_test_can_fail():
    assert part_of("keras_inits.population.batches") < part_of("keras_inits.utils")
    assert part_of("keras_inits.diagnostics.units.states") > part_of(
        "keras_inits.diagnostics.result"
    )
