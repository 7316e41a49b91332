"""Arithmetic that treats each dialogue by itself, on plain numbers or in columns.

The rules of the game and of the `agenda` user are written once, for "a number, or a column of them": many dialogues are
decided in columns, a single one on plain numbers. numpy takes as long for one number in an array as for a hundred,
and a tenth of that for a plain one, so this is what makes a single env fast. Only these operations differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
"""Numbers that index: of the type that numpy indexes with, since it converts any other at each look-up."""


def row_sum(values: NDArray[Any]) -> Any:
    """The sum over the last axis of a contiguous array, for each row by itself.

    Matrix products and einsum choose their order of summation by the shape of the whole batch, so a row's last digits
    would depend on its neighbours. Here they do not.
    """
    return np.add.reduce(values, axis=-1)


def row_count(holds: NDArray[np.bool_]) -> Any:
    """How often a condition holds along the last axis."""
    return np.count_nonzero(holds) if holds.ndim == 1 else np.add.reduce(holds, axis=-1)


def between_0_and_1(values: Any) -> Any:
    """`values`, cut at 0 and at 1."""
    if isinstance(values, np.ndarray):
        return np.minimum(np.maximum(values, 0.0), 1.0)
    return type(values)(min(max(values, 0.0), 1.0))  # of the same precision, or sums would round otherwise


def larger(values: Any, others: Any) -> Any:
    """The larger of each two."""
    return np.maximum(values, others) if isinstance(values, np.ndarray) else max(values, others)


def pick(condition: Any, then: Any, otherwise: Any) -> Any:
    """`then` where the condition holds, `otherwise` elsewhere."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def at_place(values: NDArray[Any], place: Any) -> Any:
    """`(…, k)` values and `(…)` places: the value at each row's place."""
    if values.ndim == 1:
        return values[place]
    return values[np.arange(len(values)), place]


def plain(rows: IntArray, *columns: Any) -> Sequence[Any]:
    """`(n,)` rows and `n` values of each as they are; a single row and its values without their columns."""
    return [values[0] for values in (rows, *columns)] if len(rows) == 1 else (rows, *columns)


def cells(table: NDArray[Any], rows: Any, columns: Any) -> Any:
    """`(n, …)` columns of `(n,)` rows of a table; of one row, `(…)` columns."""
    if isinstance(rows, np.ndarray):
        return table.reshape(-1).take(_places(table, rows, columns))
    return table[rows][columns]  # numpy takes five times as long for `table[rows, columns]`


def put_cells(table: NDArray[Any], rows: Any, columns: Any, values: Any) -> None:
    """Write into a table's cells, as `cells` reads them."""
    if isinstance(rows, np.ndarray):
        table[rows.reshape(-1, *[1] * (columns.ndim - 1)), columns] = values
    else:
        table[rows][columns] = values


def _places(table: NDArray[Any], rows: IntArray, columns: IntArray) -> IntArray:
    """Where the cells stand in the flat table; one look-up there takes a fraction of the time of one by two indices."""
    width = table.shape[1]
    first = (rows * width).reshape(-1, *[1] * (columns.ndim - 1))
    places: IntArray = np.where(columns < 0, columns + width, columns) + first
    return places


def column(values: Any) -> NDArray[Any]:
    """A plain number as a column of one; a column as it is."""
    return values if isinstance(values, np.ndarray) and values.ndim else np.array([values])


def listed(values: Any) -> Any:
    """A plain number as a list of one; a column as it is. Cheaper than `column`, for what is only read by place."""
    return values if isinstance(values, np.ndarray) and values.ndim else [values]


def read_only(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view of `values` that cannot be written through."""
    view = values.view()
    view.flags.writeable = False
    return view


def as_float32(values: NDArray[Any]) -> FloatArray:
    """`values` as float32, typed."""
    return np.asarray(values, np.float32)
