"""Rows that begin alike as a tree: every row can be read off its branches, and what rows share stands there once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crs_gym.trl.branches import branches_of

ROWS = st.lists(st.lists(st.integers(0, 2), max_size=9), max_size=7)


@given(ROWS, st.integers(1, 5))
def test_each_row_is_read_off_a_chain_of_branches(rows: list[list[int]], least: int) -> None:
    branches = branches_of(rows, least)
    for number, row in enumerate(rows):
        mine = [branch for branch in branches if number in branch.rows]
        assert [branch.parent for branch in mine] == [None, *mine[:-1]][: len(mine)]
        assert [branch.start for branch in mine] == [0, *(branch.end for branch in mine[:-1])][: len(mine)]
        read = [token for branch in mine for token in rows[branch.row][branch.start : branch.end]]
        assert read[: len(row)] == row
        assert bool(mine) == bool(row)
    for branch in branches:
        children = [other for other in branches if other.parent is branch]
        assert branch.grows == bool(children)
        assert not children or branch.end - branch.start >= least
        assert len(children) != 1 or any(len(rows[row]) <= branch.end for row in branch.rows)
        assert branch.depth == (0 if branch.parent is None else branch.parent.depth + 1)


@given(ROWS)
def test_with_the_smallest_branches_no_token_stands_twice(rows: list[list[int]]) -> None:
    beginnings = {tuple(row[:end]) for row in rows for end in range(1, len(row) + 1)}
    assert sum(branch.end - branch.start for branch in branches_of(rows, 1)) == len(beginnings)


def test_a_beginning_that_is_too_short_is_no_branch() -> None:
    rows = [[1, 2, 3, 4], [1, 2, 5], [1, 2]]
    (trunk, *ways) = branches_of(rows, 2)
    assert (trunk.start, trunk.end, trunk.rows) == (0, 2, [0, 1, 2])
    assert [(way.start, way.end, way.rows) for way in ways] == [(2, 4, [0]), (2, 3, [1])]
    assert [(way.start, way.end, way.rows) for way in branches_of(rows, 3)] == [(0, 4, [0, 2]), (0, 3, [1])]
