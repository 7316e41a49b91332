"""`item-knn`: items that train dialogues name together with the films of this one.

Similarity is the cosine of co-mention with shrinkage, `c_ij / (sqrt(c_ii c_jj) + shrink)`, after ItemKNN in Ferrari
Dacrema et al., "Are We Really Making Much Progress?" (RecSys 2019); `c_ij` is the number of train dialogues that name
both items. An item's score is the sum of its similarities to the films of the dialogue, those named last counting most.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_agents.history import history_matrix, session_matrix, wanted_items
from crs_agents.ranking import RankingAgent
from crs_gym.agent import AgentEntry, Observation
from crs_gym.numeric import FloatArray
from crs_gym.worlds.world import Sessions, World

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SHRINK: Final = 40.0
"""In co-mentions: pulls down similarities that rest on few dialogues. Chosen on held-out train dialogues."""

DECAY: Final = 0.8
"""The weight of a named film relative to the one named after it; as in `ease`."""


def item_similarity(sessions: Sessions, n_items: int, shrink: float) -> csr_array[np.float32]:
    """`(n_items, n_items)` float32 similarities of co-mention, 0 on the diagonal.

    Args:
        sessions: The train dialogues.
        n_items: How many items there are.
        shrink: Added to the cosine's denominator.
    """
    x = session_matrix(sessions, n_items)
    together = (x.T @ x).tocoo()
    counts = together.diagonal()
    row, column = together.coords
    norms = np.sqrt(counts[row] * counts[column]) + np.float32(shrink)
    together.data = np.where(row == column, np.float32(0), together.data / norms).astype(np.float32)
    similarity = together.tocsr()
    similarity.eliminate_zeros()
    return similarity


class ItemKnnScorer:
    """Scores items by their summed similarity to the films of the dialogue; all 0 where it names none."""

    def __init__(self, world: World, shrink: float = SHRINK, decay: float = DECAY) -> None:
        self._similarity = item_similarity(world.sessions(), len(world.catalog), shrink)
        self._reader = FeedbackReader(world.catalog)
        self._decay = decay

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 scores."""
        histories = [wanted_items(observation, self._reader) for observation in observations]
        mentions = history_matrix(histories, self._similarity.shape[0], self._decay)
        scores: FloatArray = (mentions @ self._similarity).toarray()
        return scores


def build(world: World) -> RankingAgent:
    """The agent for a world."""
    return RankingAgent(world.catalog, ItemKnnScorer(world))


ITEM_KNN = AgentEntry(build, "the nearest items by co-mention, to the films of the dialogue")
