"""What the films of a dialogue say about another film, by co-mentions alone: the yardstick for a simulator's taste.

EASE^R (Steck, WWW 2019, equation 8) over the train split, fitted here with nothing else: no recency, no popularity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crs_gym.numeric import FloatArray, as_float32
from crs_gym.worlds.world import Sessions

RIDGE: Final = 200.0
"""The ridge penalty in dialogues, as the `ease` agent has it."""


class CoMentions:
    """A linear item-item model.

    Args:
        sessions: The train dialogues.
        n_items: How many items there are.
        l2: The ridge penalty, above 0.
    """

    def __init__(self, sessions: Sessions, n_items: int, l2: float = RIDGE) -> None:
        from scipy.linalg.lapack import dpotrf, dpotri
        from scipy.sparse import csr_array

        seen = np.unique(sessions.items)
        self._rows = np.full(n_items, len(seen), np.int64)
        self._rows[seen] = np.arange(len(seen))
        self._seen = seen
        self._n_items = n_items
        ones = np.ones(len(sessions.items))
        x = csr_array((ones, sessions.items, sessions.offsets), shape=(len(sessions), n_items))[:, seen]
        gram = (x.T @ x).toarray(order="F").astype(np.float64)
        np.fill_diagonal(gram, gram.diagonal() + l2)
        factor, _ = dpotrf(gram, lower=True, overwrite_a=True)
        inverse, _ = dpotri(factor, lower=True, overwrite_c=True)
        lower = np.tril(inverse)
        p = lower + np.tril(lower, -1).T
        weights = as_float32(p / -np.diag(p))
        np.fill_diagonal(weights, 0.0)
        self._weights = weights

    def scores(self, known: Sequence[int]) -> FloatArray:
        """`(n_items,)` float32, how far the known items speak for each item."""
        out = np.zeros(self._n_items, np.float32)
        rows = self._rows[list(known)]
        rows = rows[rows < len(self._seen)]
        if len(rows):
            out[self._seen] = self._weights[rows].sum(axis=0)
        return out
