"""EASE^R's scores for train dialogues, each by the model that all others would give.

A model has seen the dialogues that it was fitted to: its scores know what comes next in them, and a network that learns
from such scores trusts them more than it will be right to. With `P = (X'X + l2 I)^-1` and a dialogue's items `x` left
out, `P' = P + (P x)(P x)' / (1 - x' P x)` (Sherman and Morrison, 1950), which is exact, and costs a few rows of `P`.
"""

from __future__ import annotations

import numpy as np

from crs_agents.ease import EaseConfig, ease_model
from crs_agents.history import session_matrix
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.worlds.world import World


class LeaveOneOut:
    """Scores histories of train dialogues without the dialogues that they are of.

    Args:
        world: With train dialogues.
        config: The model's settings; its popularity prior is left out.
    """

    def __init__(self, world: World, config: EaseConfig) -> None:
        self._sessions = world.sessions()
        self._decay = config.decay
        n_items = len(world.catalog)
        model = ease_model(world, config.l2)
        self._rows = model.rows
        self._n_seen = len(model.weights) - 1
        self._seen = np.flatnonzero(model.rows < self._n_seen)
        weights = model.weights[:-1, self._seen]  # (n_seen, n_seen), rows in the order of `seen`
        x = session_matrix(self._sessions, n_items)[:, self._seen]
        gram = (x.T @ x).tocoo()
        row, column = gram.coords
        # Column j of (X'X + l2 I) P = I, with P_ij = -B_ij P_jj, solved for P_jj.
        taken = np.bincount(column, weights=gram.data * weights[row, column], minlength=self._n_seen)
        self._diagonal: FloatArray = (1 / (config.l2 + gram.diagonal() - taken)).astype(np.float32)
        self._inverse: FloatArray = -weights * self._diagonal
        self._inverse[np.diag_indices(self._n_seen)] = self._diagonal

    def scores(self, history: tuple[int, ...], dialogue: int) -> FloatArray:
        """`(n_items,)` float32 scores of one history.

        Args:
            history: Items of the dialogue, the most recently named first.
            dialogue: Its row in `World.sessions()`.
        """
        scores = np.zeros(len(self._rows), np.float32)
        wanted = [(place, self._rows[item]) for place, item in enumerate(history) if self._rows[item] < self._n_seen]
        if not wanted:
            return scores
        start, end = self._sessions.offsets[dialogue : dialogue + 2]
        along = self._inverse[self._rows[self._sessions.items[start:end]]].sum(axis=0)  # P x: (n_seen,)
        left: IntArray = self._rows[self._sessions.items[start:end]]
        along_over = along / (1 - along[left].sum())
        rows = np.array([row for _, row in wanted])
        decays = np.float32(self._decay) ** np.array([place for place, _ in wanted], np.float32)
        products = decays @ self._inverse[rows] + (decays @ along[rows]) * along_over  # sum of rows of P'
        # B'_hj = -P'_hj / P'_jj, and 0 on the diagonal, where the items of the history itself stand.
        of_seen = -products / (self._diagonal + along * along_over)
        own = -(self._inverse[rows, rows] + along[rows] * along_over[rows]) / (
            self._diagonal[rows] + along[rows] * along_over[rows]
        )
        of_seen[rows] -= decays * own
        scores[self._seen] = of_seen
        return scores
