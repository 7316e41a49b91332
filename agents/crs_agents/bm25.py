"""`bm25`: full-text search, the user's words against each item's title, year and facets.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); the implementation is
the library bm25s (arXiv 2407.03618), in its `lucene` variant with its default settings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crs_agents.ranking import RankingAgent
from crs_gym.agent import AgentEntry, Observation
from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray
from crs_gym.worlds.world import World


class Bm25Scorer:
    """Scores items by the words that the user has written; ties, and users who wrote nothing, by popularity."""

    def __init__(self, catalog: Catalog) -> None:
        import bm25s

        self._n_items = len(catalog)
        self._index = bm25s.BM25(backend="numpy")
        documents = bm25s.tokenize(item_documents(catalog), return_ids=False, show_progress=False)
        self._index.index(documents, show_progress=False)
        self._tokenize = bm25s.tokenize

    def __call__(self, observations: Sequence[Observation]) -> FloatArray:
        """`(n, n_items)` float32 scores."""
        queries = [user_words(observation) for observation in observations]
        scores = np.zeros((len(queries), self._n_items), np.float32)
        tokens = self._tokenize(queries, return_ids=False, show_progress=False)
        for row, words in zip(scores, tokens, strict=True):
            known = [word for word in words if word in self._index.vocab_dict]
            if known:
                row[:] = self._index.get_scores(known)
        return scores


def item_documents(catalog: Catalog) -> list[str]:
    """One text an item: title, year and all its facets."""
    names = np.array(catalog.facet_names, dtype=object)
    return [" ".join((name, *names[catalog.facets_of(i)].tolist())) for i, name in enumerate(catalog.names)]


def user_words(observation: Observation) -> str:
    """All that the user has written so far."""
    return " ".join(message.text for message in observation.messages if message.role == "user")


def build(world: World) -> RankingAgent:
    """The agent for a world."""
    return RankingAgent(world.catalog, Bm25Scorer(world.catalog))


BM25 = AgentEntry(build, "full-text search over titles and facets, with the user's words")
