"""The best films that a seeker has not met: by a source's scores, and by the evidence of what was said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.belief import Belief
from crs_gym.discrete.source import Source
from crs_gym.numeric import FloatArray, IntArray


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
        self.items = np.full((num_dialogues, n_candidates), NO_ITEM, np.int64)
        self.scores = np.full((num_dialogues, n_candidates), -np.inf, np.float32)

    def find(self, rows: IntArray, belief: Belief) -> None:
        """Find the candidates of `rows` anew."""
        self._source.update(self._by_films, rows, belief)
        scores = belief.unmet(rows) if self._source.reads_all else belief.evidence(rows)
        scores += self._by_films[rows]
        width = self.items.shape[1]
        keys = _sort_keys(scores, self._rank_bits)
        if width < keys.shape[1]:
            keys.partition(keys.shape[1] - width, axis=1)
            keys = keys[:, -width:]
        keys.sort(axis=1)
        best = self._by_popularity[len(self._by_popularity) - 1 - (keys[:, ::-1] & 0xFFFFFFFF)]
        values = np.take_along_axis(scores, best, axis=1)
        self.scores[rows] = values
        self.items[rows] = np.where(np.isfinite(values), best, NO_ITEM)


def _sort_keys(scores: FloatArray, rank_bits: IntArray) -> NDArray[np.int64]:
    """`(n, n_items)` integers in the order of (score, popularity), all different within a row.

    numpy sorts integers faster than it finds places (`argpartition`); so each key holds its item in its lower half.
    A float32's bits, read as an integer, are in the order of the numbers once the bits below the sign of negative ones
    are turned.
    """
    bits = (scores + np.float32(0.0)).view(np.int32)  # adding 0 turns -0.0 into 0.0
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    keys = ordered.astype(np.int64)
    keys <<= 32
    keys |= rank_bits
    return keys
