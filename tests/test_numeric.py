"""What is written once for a number or a column gives the same for both."""

from __future__ import annotations

import numpy as np
import pytest

from crs_gym.numeric import cells, plain, put_cells

ROWS = np.array([2, 0])


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 3, 2)])
def test_cells_of_a_row_are_those_of_its_column(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    table = rng.random((4, 6))
    columns = rng.integers(-1, 6, shape)
    together = cells(table, ROWS, columns)
    assert together.shape == shape
    for i, row in enumerate(ROWS):
        assert (cells(table, row, columns[i]) == together[i]).all()
        assert together[i].ravel().tolist() == [table[row, column] for column in columns[i].ravel()]


def test_cells_are_written_alike() -> None:
    columns = np.array([[1, 3], [0, -1]])
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    together, alone = np.zeros((4, 6)), np.zeros((4, 6))
    put_cells(together, ROWS, columns, values)
    for i, row in enumerate(ROWS):
        put_cells(alone, row, columns[i], values[i])
    assert (together == alone).all()
    assert together[2].tolist() == [0, 1, 0, 2, 0, 0]
    assert together[0].tolist() == [3, 0, 0, 0, 0, 4]


def test_a_single_row_comes_without_its_column() -> None:
    values = np.array([[5, 6], [7, 8]])
    row, (a, b) = plain(ROWS[:1], values[:1])
    assert (row, a, b) == (2, 5, 6)
    assert not isinstance(row, np.ndarray)
    rows, same = plain(ROWS, values)
    assert rows is ROWS
    assert same is values
