"""Rows of tokens that begin alike, as a tree: members of a group meet the same user, and part where they choose.

What several rows read is a branch that they share; where they part, branches go on from it. So each token is computed
once, however many rows hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crs_gym.numeric import IntArray


@dataclass(slots=True, eq=False)
class Branch:
    """Tokens that one or several rows read behind what all of them have read.

    Attributes:
        row: One of the rows, the longest: the branch's tokens are its own.
        start: The place of its first token in these rows.
        end: The place behind its last one; some rows may end before.
        rows: All of the rows.
        parent: What they read before; `None` at the beginning.
        grows: Whether other branches go on from it.
    """

    row: int
    start: int
    end: int
    rows: list[int]
    parent: Branch | None = None
    grows: bool = False

    @property
    def length(self) -> int:
        """How many tokens it has."""
        return self.end - self.start

    @property
    def depth(self) -> int:
        """How many branches come before it."""
        return 0 if self.parent is None else self.parent.depth + 1


@dataclass(slots=True)
class _Tree:
    tokens: IntArray
    lengths: IntArray
    least: int
    branches: list[Branch] = field(default_factory=list)

    def grow(self, rows: list[int], start: int, parent: Branch | None) -> None:
        """Branches for rows that read the same up to `start`."""
        longest = max(rows, key=lambda row: int(self.lengths[row]))
        end = int(self.lengths[longest])
        span = np.arange(start, end)
        going = span < self.lengths[rows][:, None]
        differs = (going & (self.tokens[rows, start:end] != self.tokens[longest, start:end])).any(axis=0)
        parts = bool(differs.any())
        if parts:
            end = start + int(differs.argmax())
        if not parts or end - start >= self.least:
            parent = Branch(longest, start, end, rows, parent)
            self.branches.append(parent)
            start = end
        if not parts:
            return
        ways: dict[int, list[int]] = {}
        for row in rows:
            if self.lengths[row] > end:
                ways.setdefault(int(self.tokens[row, end]), []).append(row)
        if start < end:  # too short to be shared: rows that end here are read off the first way
            next(iter(ways.values())).extend(row for row in rows if self.lengths[row] <= end)
        elif parent is not None:
            parent.grows = True
        for way in ways.values():
            self.grow(way, start, parent)


def branches_of(rows: Sequence[Sequence[int]], least: int) -> list[Branch]:
    """The tree of some rows, a branch behind its parent.

    Args:
        rows: Their tokens. Rows without any are in no branch.
        least: The fewest tokens of a branch from which others go on: a pass of its own has its price.
    """
    lengths = np.array([len(row) for row in rows], np.int64)
    tokens = np.full((len(rows), int(lengths.max(initial=0))), -1, np.int64)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    tree = _Tree(tokens, lengths, least)
    ways: dict[int, list[int]] = {}
    for number in np.flatnonzero(lengths).tolist():
        ways.setdefault(int(tokens[number, 0]), []).append(number)
    for way in ways.values():
        tree.grow(way, 0, None)
    return tree.branches
