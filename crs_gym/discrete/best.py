"""The best of each row of scores, without sorting the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.numeric import FloatArray, IntArray

_LOWEST: Final = np.finfo(np.float32).min
_NOTHING: Final = np.iinfo(np.int64).min


def reached(scores: FloatArray, count: int) -> FloatArray:
    """`(n, 1)` float32, finite: what `count` finite places of each row reach at least, where it has as many.

    Places meet in pairs, of which the better goes on, for as long as enough are left: so many winners are so many
    places. What the last of the best winners scores lies close below what the last of the best places does.
    """
    left = scores
    while left.shape[1] >= 4 * count:
        half = left.shape[1] // 2
        left = np.maximum(left[:, :half], left[:, half : 2 * half])
    last = left.shape[1] - count
    lowest: FloatArray = np.maximum(np.partition(left, last, axis=1)[:, last, None], _LOWEST)
    return lowest


class Contenders(NamedTuple):
    """What may be among the best of `n` rows.

    Attributes:
        items: `(m,)` int64, row by row.
        scores: `(m,)` float32, finite.
        counts: `(n,)` int64, how many items of each row these are.
    """

    items: IntArray
    scores: FloatArray
    counts: IntArray


class Best:
    """The `count` best items of each row, ties by popularity.

    Args:
        catalog: The items.
        count: How many; at most the number of items.
    """

    def __init__(self, catalog: Catalog, count: int) -> None:
        self._count = count
        self._by_popularity = catalog.by_popularity
        self._rank = np.empty(len(catalog), np.int64)  # the higher, the more popular: what breaks ties
        self._rank[catalog.by_popularity] = np.arange(len(catalog) - 1, -1, -1, dtype=np.int64)

    def contenders(self, scores: FloatArray) -> Contenders:
        """The few places of `(n, n_items)` scores, no number in it -0.0 or NaN, that may be among the best."""
        n, n_items = scores.shape
        (flat,) = (scores >= reached(scores, self._count)).reshape(-1).nonzero()
        firsts = np.arange(0, n * n_items + 1, n_items)
        starts = flat.searchsorted(firsts)
        counts = starts[1:] - starts[:-1]
        items = flat - np.repeat(firsts[:-1], counts) if n > 1 else flat
        return Contenders(items, scores.reshape(-1).take(flat), counts)

    def of(self, blocks: Sequence[Contenders]) -> tuple[IntArray, FloatArray]:
        """The best of the contenders of blocks of rows.

        Returns:
            `(n, count)` int64, best first, `NO_ITEM` in the last places of rows with fewer contenders, and `(n, count)`
            float32, their scores, `-inf` there.
        """
        items, scores, counts = blocks[0] if len(blocks) == 1 else map(np.concatenate, zip(*blocks, strict=True))
        # An integer whose upper half orders scores, and whose lower half orders items, is sorted faster than both.
        ordered = _ordered(scores.view(np.int32)).astype(np.int64) << 32 | self._rank[items]
        n = len(counts)
        width = max(int(counts.max(initial=0)), self._count)
        keys = np.full((n, width), _NOTHING)
        places = np.arange(len(items))
        if n > 1:
            places += np.repeat(np.arange(0, n * width, width) - (counts.cumsum() - counts), counts)
        keys.reshape(-1)[places] = ordered
        keys.sort(axis=1)
        best = keys[:, : -self._count - 1 : -1]
        there = best != _NOTHING
        items = np.where(there, self._by_popularity[len(self._rank) - 1 - (best & 0xFFFFFFFF)], NO_ITEM)
        values = np.where(there, _ordered((best >> 32).astype(np.int32)).view(np.float32), np.float32(-np.inf))
        return items, values


def _ordered(bits: IntArray) -> IntArray:
    """The bits of float32 numbers, read as int32, in the order of the numbers; or these as bits again.

    They are once those below the sign of negative ones are turned.
    """
    turned: IntArray = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return turned
