"""Signals: scores of all items that are counted, not learned. The network weighs them by the dialogue.

ease: the logarithm of EASE^R's score of the wanted films (collaborative). stated: how many facets that the user spoke
for an item has, less those that it spoke against. likeness: to the films that it spoke for, less those that it spoke
against or passed over, in facets (both semantic).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from crs_agents.belief import item_facet_matrix, sparse
from crs_agents.ease import EaseConfig, EaseScorer, popularity_share
from crs_agents.retriever.contexts import Contexts
from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.numeric import FloatArray
from crs_gym.worlds.world import World

if TYPE_CHECKING:
    pass

EASE: Final = EaseConfig(prior=0.0)
"""Without its popularity prior: the network has popularity by itself."""

FLOOR: Final = 2.0
"""Added to EASE's score before its logarithm, in units of the mean item's share of train dialogues, as in
`crs_agents.belief`."""


class Signals:
    """The signals of a world: of any catalogue, and with EASE where there are train dialogues.

    Args:
        world: Whose train split EASE is fitted to, once for all who ask.
    """

    def __init__(self, world: World) -> None:
        self._facets = _FacetSignals(world.catalog)
        self._n_items = len(world.catalog)
        self._ease: EaseScorer | None = None
        self.floor = 0.0
        if has_train_dialogues(world):
            self._ease = EaseScorer(world, EASE)
            self.floor = FLOOR * max(float(popularity_share(world).mean()), 1e-9)

    def __call__(self, contexts: Contexts, ease: FloatArray | None = None) -> FloatArray:
        """`(3, n, n_items)` float32, in the order of `crs_agents.retriever.network.SIGNALS`.

        Args:
            contexts: `n` dialogues.
            ease: `(n, n_items)` EASE's signal, where it is known already.
        """
        out = np.zeros((3, len(contexts), self._n_items), np.float32)
        if ease is not None:
            out[0] = ease
        elif self._ease is not None:
            out[0] = log_signal(self._ease.of_histories(contexts.wanted), self.floor)
        self._facets.fill(out[1], out[2], contexts)
        return out


def log_signal(scores: FloatArray, floor: float) -> FloatArray:
    """EASE's scores as a signal: 0 where EASE knows nothing for an item. Written over `scores`."""
    np.maximum(scores, 0, out=scores)
    scores *= np.float32(1 / floor)
    return np.log1p(scores, out=scores)


def has_train_dialogues(world: World) -> bool:
    """Whether there is something to learn from in this world, on this machine."""
    try:
        return len(world.sessions().items) > 0
    except WorldError:
        return False


class _FacetSignals:
    """The two signals that the facets of items tell."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._values = item_facet_matrix(catalog)  # (n_items, n_facets)
        self._facet_items = self._values.T.tocsr()
        self._has_facet = self._facet_items.astype(bool).astype(np.float32)

    def fill(self, stated: FloatArray, likeness: FloatArray, contexts: Contexts) -> None:
        """Write both, each `(n, n_items)`."""
        (sparse(contexts.facets, self._catalog.n_facets) @ self._has_facet).toarray(out=stated)
        films = sparse(contexts.judged, len(self._catalog))
        centres = films @ self._values
        # Less what popular films have in common: that someone likes dramas says little, since half of all films are.
        total: FloatArray = films.sum(axis=1)
        rows = np.repeat(np.arange(len(contexts)), np.diff(centres.indptr))
        centres.data -= total[rows] * self._catalog.popular_centroid[centres.indices]
        (centres @ self._facet_items).toarray(out=likeness)
