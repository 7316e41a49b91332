"""A belief over items from all that the dialogue says, as log-probabilities up to a constant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from crs_agents.ease import EaseConfig, EaseScorer, popularity_share
from crs_agents.feedback import FeedbackReader, Opinions
from crs_agents.history import own_start, wanted_items
from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray
from crs_gym.task import Message
from crs_gym.worlds.world import World

if TYPE_CHECKING:
    from scipy.sparse import csr_array

EASE_FLOOR: Final = 2.0
"""Added to EASE's score before its logarithm, in units of the mean item's share of train dialogues: what an item that
EASE knows nothing of gets."""

STATED: Final = 1.0
"""What an item gains by having a facet that the user named by itself, in the dialogue that the agent was given."""

ANSWERED: Final = 2.0
"""What it gains by having a facet that the user named to the agent, most often as the answer to a question."""

LIKED: Final = 4.0
"""The weight of likeness (`Catalog.facet_values`) to the films that the user liked, beyond that of popular films."""

DISLIKED: Final = 1.0
"""The weight against likeness to the films that it did not like."""

PASSED_OVER: Final = 3.0
"""The weight against likeness to the films that the agent showed and the user did not speak for."""

Weights = list[tuple[int, float]]


class BeliefScorer:
    """Scores items by EASE^R, stated facets, and the facets of liked, disliked and passed-over films.

    The constants of this module are its weights; they were chosen on train seekers of the Sample world and on held-out
    train dialogues of ReDial (docs/agents/ask_then_recommend.md).
    """

    def __init__(self, world: World) -> None:
        self._catalog = world.catalog
        self._reader = FeedbackReader(world.catalog)
        self._ease = EaseScorer(world, EaseConfig())
        self._floor = np.float32(EASE_FLOOR * max(float(popularity_share(world).mean()), 1e-9))
        self._item_facets = item_facet_matrix(world.catalog)
        self._facet_items = self._item_facets.T.tocsr()
        self._has_facet = self._facet_items.astype(bool).astype(np.float32)

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 log-probabilities up to a constant for each row."""
        histories = [wanted_items(observation, self._reader) for observation in observations]
        stated, liked = [], []
        for observation in observations:
            start = own_start(observation)
            context, own = observation.messages[:start], observation.messages[start:]
            before, since = self._reader.opinions(context), self._reader.opinions(own)
            stated.append(_facet_weights(before, STATED) + _facet_weights(since, ANSWERED))
            liked.append(_film_weights(own, {**before.items, **since.items}))
        scores = np.log(np.maximum(self._ease.of_histories(histories), 0) + self._floor, dtype=np.float32)
        scores += (sparse(stated, self._catalog.n_facets) @ self._has_facet).toarray()
        scores += (self._likeness_weights(liked) @ self._facet_items).toarray()
        return scores

    def _likeness_weights(self, films: Sequence[Weights]) -> csr_array[np.float32]:
        """`(n, n_facets)`: the weighted films' unit vectors, less what popular films have in common in those facets.

        That someone likes dramas says little, since half of all films are dramas.
        """
        weights = sparse(films, len(self._catalog)) @ self._item_facets
        total = np.array([sum(weight for _, weight in row) for row in films], np.float32)
        rows = np.repeat(np.arange(len(films)), np.diff(weights.indptr))
        weights.data -= total[rows] * self._catalog.popular_centroid[weights.indices]
        return weights


def _facet_weights(said: Opinions, weight: float) -> Weights:
    return [(facet, weight if balance > 0 else -weight) for facet, balance in said.facets.items()]


def _film_weights(own: Sequence[Message], opinions: Mapping[int, int]) -> Weights:
    """How much each film of the dialogue speaks for films like it; `own` is the agent's own part of the dialogue."""
    liked = [item for item, balance in opinions.items() if balance > 0]
    disliked = [item for item, balance in opinions.items() if balance < 0]
    shown = dict.fromkeys(item for message in own if message.role == "recommender" for item in message.items)
    passed_over = [item for item in shown if item not in opinions]
    groups = ((liked, LIKED), (disliked, -DISLIKED), (passed_over, -PASSED_OVER))
    return [(item, weight / len(items)) for items, weight in groups for item in items]


def item_facet_matrix(catalog: Catalog) -> csr_array[np.float32]:
    """`(n_items, n_facets)` float32: the items' unit vectors of `Catalog.facet_values`, sparse."""
    from scipy.sparse import csr_array

    filled = catalog.facet_table < catalog.n_facets
    parts = (catalog.facet_values[filled], catalog.facet_ids, catalog.facet_offsets)
    return csr_array(parts, shape=(len(catalog), catalog.n_facets))


def sparse(rows: Sequence[Sequence[tuple[int, float]]], width: int) -> csr_array[np.float32]:
    """`(n, width)` float32 from `n` lists of (column, weight)."""
    from scipy.sparse import csr_array

    places = np.fromiter((place for row in rows for place, _ in row), np.int64)
    values = np.fromiter((value for row in rows for _, value in row), np.float32)
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return csr_array((values, places, offsets), shape=(len(rows), width))
