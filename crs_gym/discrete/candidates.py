"""The best films that a seeker has not met: by a source's scores, and by the evidence of what was said."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.belief import Belief, span
from crs_gym.discrete.source import Source
from crs_gym.numeric import FloatArray, IntArray

BLOCK: Final = 2**16
"""About how many scores are worked on at once: few enough to stay in a core's cache from one pass to the next."""


class Candidates:
    """The C candidates of each dialogue, best first; ties by popularity.

    Attributes:
        items: `(N, C)` int64, `NO_ITEM` in the last places where fewer films are left.
        scores: `(N, C)` float32, their log scores, `-inf` where there is none.
    """

    def __init__(self, catalog: Catalog, source: Source, num_dialogues: int, n_candidates: int) -> None:
        n_items = len(catalog)
        if n_candidates > n_items:
            raise ValueError(f"n_candidates={n_candidates}: must be at most {n_items}, the catalogue's number of items")
        self._source = source
        self._by_popularity = catalog.by_popularity
        self._rank_bits = np.empty(n_items, np.int64)  # the higher, the more popular: what breaks ties
        self._rank_bits[catalog.by_popularity] = np.arange(n_items - 1, -1, -1, dtype=np.int64)
        self._by_films = np.zeros((num_dialogues, n_items), np.float32)
        block = min(num_dialogues, max(BLOCK // n_items, 1))
        self._scores = np.empty((block, n_items), np.float32)
        self._bits = np.empty((block, n_items), np.int32)
        self._keys = np.empty((block, n_items), np.int64)
        self.items = np.full((num_dialogues, n_candidates), NO_ITEM, np.int64)
        self.scores = np.full((num_dialogues, n_candidates), -np.inf, np.float32)

    def find(self, rows: IntArray, belief: Belief) -> None:
        """Find the candidates of `rows` anew; each row once, in order."""
        self._source.update(self._by_films, rows, belief)
        for start in range(0, len(rows), len(self._scores)):
            self._find(rows[start : start + len(self._scores)], belief)

    def _find(self, rows: IntArray, belief: Belief) -> None:
        scores = self._scores[: len(rows)]
        if self._source.reads_all:
            belief.unmet(rows, out=scores)
        else:
            belief.evidence(rows, out=scores)
        scores += self._by_films[span(rows)]
        width = self.items.shape[1]
        keys = self._sort_keys(scores)
        if width < keys.shape[1]:
            keys.partition(keys.shape[1] - width, axis=1)
            keys = keys[:, -width:]
        keys.sort(axis=1)
        best = self._by_popularity[len(self._by_popularity) - 1 - (keys[:, ::-1] & 0xFFFFFFFF)]
        values = scores.reshape(-1).take(best + np.arange(len(rows))[:, None] * scores.shape[1])
        self.scores[rows] = values
        self.items[rows] = np.where(np.isfinite(values), best, NO_ITEM)

    def _sort_keys(self, scores: FloatArray) -> NDArray[np.int64]:
        """`(n, n_items)` integers in the order of (score, popularity), all different within a row.

        numpy sorts integers faster than it finds places (`argpartition`); so each key holds its item in its lower half.
        A float32's bits, read as an integer, are in the order of the numbers once the bits below the sign of negative
        ones are turned.
        """
        scores += np.float32(0.0)  # turns -0.0 into 0.0
        bits, ordered, keys = scores.view(np.int32), self._bits[: len(scores)], self._keys[: len(scores)]
        np.right_shift(bits, 31, out=ordered)
        ordered &= np.int32(0x7FFFFFFF)
        ordered ^= bits
        np.left_shift(ordered, 32, out=keys, dtype=np.int64)
        keys |= self._rank_bits
        return keys
