"""Tests of the pictures."""

import matplotlib.image
import pytest

from experiments.reporting import panels


def drawn(path):
    """Returns the image, which has something on it."""
    image = matplotlib.image.imread(path)
    assert image.std() > 0
    return image


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("number", "rows"), [(1, 1), (3, 2), (10, 2)])
def test_curves_have_a_panel_each(number, rows, log, tmp_path):
    lines = {"he": {1: [10.0, 20.0], 5: [30.0]}, "zero": {5: [50.0]}}
    by_heading = {f"panel {index}": lines for index in range(number)}
    by_heading[f"panel {number - 1}"] = {}  # What has not been run is an empty panel.
    path = panels.curves(by_heading, "epoch", tmp_path / "curves.png", log)
    assert drawn(path).shape[0] == rows * 384  # 3.2 inches at 120 dots


def test_heat_maps_may_lack_pairs_and_methods(tmp_path):
    maps = {"he": {(2, 2): 10.0, (4, 2): 90.0}, "zero": {}}
    drawn(panels.heat_maps(maps, "a title", tmp_path / "maps.png"))
