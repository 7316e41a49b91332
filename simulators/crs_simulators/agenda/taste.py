"""What the seekers of a batch like: utilities of items, and the facets that they can tell about."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog, FloatArray, IntArray, as_float32, row_sum
from crs_gym.task import Profile

NO_FACET: Final = -1
TOLD_PER_KIND: Final = 3
"""How many facets of a kind a seeker can name, its favourites first."""

NOT_SEEN, SEEN_LIKED, SEEN_DISLIKED = 0, 1, 2

ACCEPTED_SHARE: Final = 0.01
"""Without a true taste: the seeker accepts what it takes for the best hundredth of the catalogue (our choice)."""
LIKED_SHARE: Final = 0.10
"""The seeker has a good word for what it takes for the best tenth of the catalogue (our choice)."""
DISLIKE_WEIGHT: Final = 0.5
"""Without a true taste: how much a disliked film counts against its facets, a liked one counting 1 for them. Recorded
labels say "not liked" of films that share most of their facets with liked ones, so the weight is below 1."""
_SAMPLE_SIZE: Final = 512
"""How many items of the catalogue stand for all of it where a quantile of utilities is needed."""


class Tastes:
    """The tastes of `num_dialogues` seekers, in columns."""

    def __init__(self, catalog: Catalog, num_dialogues: int) -> None:
        self._catalog = catalog
        n, items = num_dialogues, len(catalog)
        self.bar = np.zeros(n, np.float32)
        """`(N,)` the utility from which on an unseen item is accepted."""
        self.like_bar = np.zeros(n, np.float32)
        """`(N,)` the utility from which on an item is spoken well of."""
        self.weights = np.zeros((n, catalog.n_facets + 1), np.float32)
        """`(N, n_facets + 1)` how much the seeker likes each facet; the last place is padding, 0."""
        self.seen = np.zeros((n, items + 1), np.int8)
        """`(N, n_items + 1)` NOT_SEEN, SEEN_LIKED or SEEN_DISLIKED; the last place is `NO_ITEM`'s."""
        self.favourites = np.full((n, len(FACET_KINDS), TOLD_PER_KIND), NO_FACET, np.int32)
        """`(N, kinds, TOLD_PER_KIND)` liked facets, best first, padded with `NO_FACET`."""
        self._exact = False
        self._utility = np.zeros((n, 0), np.float32)
        self._sample = np.linspace(0, items - 1, min(items, _SAMPLE_SIZE)).astype(np.int32)
        self._sample_facets = catalog.facet_table[self._sample]
        self._sample_values = catalog.facet_values[self._sample]

    def seat(self, row: int, profile: Profile) -> None:
        """Put a seeker into a row."""
        self.seen[row] = NOT_SEEN
        self.seen[row, list(profile.likes)] = SEEN_LIKED
        self.seen[row, list(profile.dislikes)] = SEEN_DISLIKED
        weights = self.weights[row]
        weights[:] = 0.0
        if profile.taste is None:
            self._estimate(row, profile)
        else:
            if not self._exact:
                self._exact = True
                self._utility = np.full((len(self.bar), len(self._catalog) + 1), -np.inf, np.float32)
            taste = profile.taste
            weights[taste.facets] = taste.weights
            self._utility[row, :-1] = taste.utility
            self.bar[row] = taste.bar
            self.like_bar[row] = taste.like_bar
            self._rank_favourites(row, taste.facets, taste.weights)

    def utility(self, rows: IntArray, items: IntArray) -> FloatArray:
        """`(n, k)` float32, how much each seeker likes each item; `-inf` for `NO_ITEM`."""
        if self._exact:
            return as_float32(self._utility[rows[:, None], items])
        facets = self._catalog.slate_facets[items]
        weights = self.weights[rows[:, None, None], facets]
        utility = as_float32(row_sum(weights * self._catalog.slate_values[items]))
        utility[items == NO_ITEM] = -np.inf
        return utility

    def reasons(self, rows: IntArray, items: IntArray) -> tuple[IntArray, IntArray]:
        """For one item a seeker, the facet of it that the seeker likes best and the one that it likes least.

        Args:
            rows: `(n,)`.
            items: `(n,)`.

        Returns:
            Two `(n,)` arrays of facets; `NO_FACET` where the seeker likes, or dislikes, none.
        """
        facets = self._catalog.slate_facets[items]
        weights = self.weights[rows[:, None], facets]
        at = np.arange(len(rows))
        best, worst = weights.argmax(axis=1), weights.argmin(axis=1)
        return (
            np.where(weights[at, best] > 0, facets[at, best], NO_FACET),
            np.where(weights[at, worst] < 0, facets[at, worst], NO_FACET),
        )

    def _estimate(self, row: int, profile: Profile) -> None:
        """A taste from the films that the seeker says it knows: likes for, dislikes against their facets.

        What popular films have in common is taken off: that someone likes dramas says little, since half of all are.
        """
        catalog = self._catalog
        weights = self.weights[row]
        if profile.likes:
            weights += catalog.centroid(profile.likes)
        if profile.dislikes:
            weights -= DISLIKE_WEIGHT * catalog.centroid(profile.dislikes)
        own = np.flatnonzero(weights)
        weights[own] -= catalog.popular_centroid[own]
        utility = as_float32(row_sum(weights[self._sample_facets] * self._sample_values))
        places = [int(len(utility) * (1 - ACCEPTED_SHARE)), int(len(utility) * (1 - LIKED_SHARE))]
        ordered = np.partition(utility, places)
        # A seeker of whom nothing is known likes everything alike; a bar above that keeps it from accepting at random.
        self.bar[row] = max(ordered[places[0]], np.finfo(np.float32).eps)
        self.like_bar[row] = max(ordered[places[1]], np.finfo(np.float32).eps)
        self._rank_favourites(row, own, weights[own])

    def _rank_favourites(self, row: int, facets: IntArray | NDArray[np.int64], weights: FloatArray) -> None:
        favourites = self.favourites[row]
        favourites[:] = NO_FACET
        kinds = self._catalog.facet_kinds[facets].tolist()
        filled = [0] * len(FACET_KINDS)
        numbers, values = facets.tolist(), weights.tolist()
        for place in sorted(range(len(numbers)), key=lambda place: (-values[place], numbers[place])):
            kind = kinds[place]
            if values[place] > 0 and filled[kind] < TOLD_PER_KIND:
                favourites[kind, filled[kind]] = numbers[place]
                filled[kind] += 1
