"""What the seekers of a batch like: utilities of items, and the facets that they can tell about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.numeric import FloatArray, IntArray, as_float32, row_sum
from crs_gym.task import Profile

NO_FACET: Final = -1
TOLD_PER_KIND: Final = 3
"""How many facets of a kind a seeker can name, its favourites first."""

NOT_SEEN, SEEN_LIKED, SEEN_DISLIKED, NOTHING = range(4)
"""What a seeker knows of an item; `NOTHING` stands at `NO_ITEM`."""

ACCEPTED_SHARE: Final = 0.002
"""Without a true taste: the seeker accepts what it takes for the best five hundredth of the catalogue (our choice)."""
LIKED_SHARE: Final = 0.05
"""The seeker has a good word for what it takes for the best twentieth of it (our choice)."""
DISLIKE_WEIGHT: Final = 0.5
"""Without a true taste: how much a disliked film counts against its facets, a liked one counting 1 for them. Recorded
labels say "not liked" of films that share most of their facets with liked ones, so the weight is below 1."""
_ROUNDING: Final = 1e-5
"""A bar is some item's utility, and many items have just the same facets: it lies this much lower, so that no rounding
tells them apart."""
_SAMPLE_SIZE: Final = 1024
"""How many items of the catalogue stand for all of it where a quantile of utilities is needed."""


class Tastes:
    """The tastes of `num_dialogues` seekers, in columns."""

    def __init__(self, catalog: Catalog, num_dialogues: int) -> None:
        self._catalog = catalog
        n, items = num_dialogues, len(catalog)
        self.bar = np.zeros(n, np.float32)
        """`(N,)` the utility from which on an unseen item is accepted."""
        self.like_bar = np.zeros(n, np.float32)
        """`(N,)` the utility from which on an unseen item is spoken well of."""
        self.seen = np.zeros((n, items + 1), np.int8)
        """`(N, n_items + 1)` NOT_SEEN, SEEN_LIKED or SEEN_DISLIKED; the last place is `NO_ITEM`'s: NOTHING."""
        self.favourites = np.full((n, len(FACET_KINDS) + 1, TOLD_PER_KIND + 1), NO_FACET, np.int64)
        """`(N, kinds + 1, TOLD_PER_KIND + 1)` liked facets, best first, padded with `NO_FACET`. The last kind (that "no
        question", -1, looks up) and the last place (behind all that can be told) hold `NO_FACET` only."""
        self._exact = False  # some seeker has a true taste: all are looked up in `_utility` from then on
        self._estimated: set[int] = set()
        self._weights = np.zeros((n, catalog.n_facets + 1), np.float32)
        self._utility = np.zeros((n, 0), np.float32)
        self._sample = np.linspace(0, items - 1, min(items, _SAMPLE_SIZE)).astype(np.int64)
        self._sample_facets = catalog.facet_table[self._sample]
        self._sample_values = catalog.facet_values[self._sample]

    def seat(self, row: int, profile: Profile) -> None:
        """Put a seeker into a row."""
        seen = self.seen[row]
        seen[:] = NOT_SEEN
        seen[NO_ITEM] = NOTHING
        seen[list(profile.likes)] = SEEN_LIKED
        seen[list(profile.dislikes)] = SEEN_DISLIKED
        if profile.taste is None:
            self._estimate(row, profile)
            self._estimated.add(row)
            if self._exact:
                self._look_up(row)
            return
        self._estimated.discard(row)
        if not self._exact:
            self._exact = True
            self._utility = np.full((len(self.bar), len(self._catalog) + 1), -np.inf, np.float32)
            for other in self._estimated:
                self._look_up(other)
        taste = profile.taste
        self._utility[row, :-1] = taste.utility
        self._utility[row, [*profile.likes, *profile.dislikes]] = -np.inf
        self.bar[row], self.like_bar[row] = taste.bar, taste.like_bar
        weights = self._weights[row]
        weights.fill(0.0)
        weights[taste.facets] = taste.weights
        self._remember(row, taste.facets.tolist(), taste.weights.tolist())

    def utility(self, row: Any, items: IntArray) -> FloatArray:
        """`(n, k)` float32, how much `(n,)` seekers like each item; `-inf` for seen ones and `NO_ITEM`."""
        at = row[:, None] if items.ndim > 1 else row
        if self._exact:
            return as_float32(self._utility[at, items])
        facets = self._catalog.slate_facets[items]
        weights = self._weights[at[:, None] if items.ndim > 1 else at, facets]
        utility = as_float32(row_sum(weights * self._catalog.slate_values[items]))
        utility[self.seen[at, items] != NOT_SEEN] = -np.inf
        return utility

    def liking(self, rows: IntArray, items: IntArray) -> FloatArray:
        """`(n, widest)` float32, how much the seekers of `rows` like each facet of one item each; 0 for `NO_ITEM`."""
        return as_float32(self._weights[rows[:, None], self._catalog.slate_facets[items]])

    def _look_up(self, row: int) -> None:
        """Write the estimated utilities where true ones stand, for worlds with seekers of both kinds."""
        catalog = self._catalog
        utility = row_sum(self._weights[row][catalog.slate_facets] * catalog.slate_values)
        self._utility[row] = np.where(self.seen[row] == NOT_SEEN, utility, -np.inf)

    def _estimate(self, row: int, profile: Profile) -> None:
        """A taste from the films that the seeker says it knows: likes for, dislikes against their facets.

        What popular films have in common is taken off: that someone likes dramas says little, since half of all are.
        """
        catalog = self._catalog
        weights = catalog.centroid(profile.likes, out=self._weights[row])
        if profile.dislikes:
            weights -= DISLIKE_WEIGHT * catalog.centroid(profile.dislikes)
        named = np.unique(catalog.facet_table[[*profile.likes, *profile.dislikes]])
        own = named[weights[named] != 0]  # without the padding, and facets that likes and dislikes make even
        weights[own] -= catalog.popular_centroid[own]
        # Always of one shape, so einsum, which is faster than `row_sum`, always adds in one order.
        utility = np.einsum("if,if->i", weights.take(self._sample_facets), self._sample_values)
        places = [int(len(utility) * (1 - share)) for share in (LIKED_SHARE, ACCEPTED_SHARE)]
        # A seeker of whom nothing is known likes everything alike; a bar above that keeps it from accepting at random.
        bars = np.maximum(np.partition(utility, places)[places] - _ROUNDING, np.finfo(np.float32).eps)
        self.like_bar[row], self.bar[row] = bars
        own = own[np.argsort(-weights[own], kind="stable")]
        self._remember(row, own.tolist(), weights[own].tolist())

    def _remember(self, row: int, facets: Sequence[int], weights: Sequence[float]) -> None:
        """Keep what the seeker can say about facets; they come best liked first."""
        favourites = self.favourites[row]
        favourites.fill(NO_FACET)
        filled = [0] * len(FACET_KINDS)
        kinds = self._catalog.facet_kind_list
        for facet, weight in zip(facets, weights, strict=True):
            if weight <= 0:
                break
            kind = kinds[facet]
            if filled[kind] < TOLD_PER_KIND:
                favourites[kind, filled[kind]] = facet
                filled[kind] += 1
