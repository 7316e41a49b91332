"""The best films that a seeker has not met: by a source's scores, and by the evidence of what was said."""

from __future__ import annotations

from typing import Final

import numpy as np

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.discrete.belief import Belief
from crs_gym.discrete.best import Best
from crs_gym.discrete.source import Source
from crs_gym.numeric import IntArray

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
        self._best = Best(catalog, n_candidates)
        self._block = min(num_dialogues, max(BLOCK // n_items, 1))
        self._scores = np.empty((self._block, n_items), np.float32)
        self._scratch = np.empty_like(self._scores)
        self.items = np.full((num_dialogues, n_candidates), NO_ITEM, np.int64)
        self.scores = np.full((num_dialogues, n_candidates), -np.inf, np.float32)

    def find(self, rows: IntArray, belief: Belief) -> None:
        """Find the candidates of `rows` anew; each row once, in order."""
        by_films = self._source.scores(rows, belief)
        contenders = []
        for start in range(0, len(rows), self._block):
            block = slice(start, start + self._block)
            n = len(rows[block])
            scores = self._scores[:n]
            if self._source.reads_all:
                belief.unmet(rows[block], out=scores)
            else:
                belief.evidence(rows[block], out=scores, scratch=self._scratch[:n])
            scores += by_films[block]  # evidence is never -0.0, so no score is
            contenders.append(self._best.contenders(scores))
        self.items[rows], self.scores[rows] = self._best.of(contenders)
