"""Tests of what is computed from the paper's matrices alone."""

import numpy as np
import pytest

from experiments.lee2024 import matrices

WIDENING = [(200, 100), (100, 100), (12, 10)]
NARROWING = [(100, 200), (6, 10), (10, 784)]


def number(text):
    return float(text.rstrip(" °%"))


def test_a_matrix_has_orthonormal_rows_or_columns():
    for outputs, inputs in [(20, 40), (40, 20)]:
        matrix = matrices.proposed(outputs, inputs, 0.01)
        assert matrix.shape == (outputs, inputs)
        gram = matrix @ matrix.T if outputs < inputs else matrix.T @ matrix
        np.testing.assert_allclose(gram, np.eye(20), atol=1e-12)


@pytest.mark.parametrize("epsilon", [1e-4, 0.01, 0.1])
@pytest.mark.parametrize(("outputs", "inputs"), WIDENING + NARROWING)
def test_lemma_2_and_theorem_2_hold(outputs, inputs, epsilon):
    label, sums, means, _, positive = matrices.claim(outputs, inputs, epsilon)
    assert label == (f"{outputs} x {inputs}, {epsilon:g}", "")
    assert 0 < number(sums[0]) <= epsilon and sums[1] == "inside"
    assert abs(number(means[0]) - 1) < 0.05 and means[1] == "inside"
    assert 90 < number(positive[0]) <= 100


@pytest.mark.parametrize(
    ("shapes", "style", "low", "high"),
    [(WIDENING, "inside", 0, 3), (NARROWING, "outside", 5, 40)],
    ids=["outputs >= inputs", "outputs < inputs"],
)
def test_corollary_1_needs_as_many_outputs_as_inputs(shapes, style, low, high):
    for outputs, inputs in shapes:
        angle, given = matrices.claim(outputs, inputs, 0.1)[3]
        assert low <= number(angle) < high and given == style


def test_figure_1_is_a_picture_and_a_line_for_each_case(tmp_path):
    path, table = matrices.figure1(None, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert len(table.rows) == len(table.styles) == 16
    assert {len(row) for row in (table.columns, *table.rows, *table.styles)} == {5}


def test_figure_2_has_more_positive_entries_than_random_matrices(tmp_path):
    path, table = matrices.figure2(None, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")
    shares = {row[0]: float(row[1].split(" ± ")[0]) for row in table.rows}
    assert len(shares) == 6
    for name, share in shares.items():
        low, high = (85, 100) if name.startswith("proposed") else (40, 60)
        assert low < share < high, name
