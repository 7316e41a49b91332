"""What the seekers of a batch like: utilities of items, and the facets that they can tell about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.numeric import FloatArray, IntArray, as_float32, cells, plain, put_cells, row_sum
from crs_gym.task import Profile
from crs_gym.worlds.batch import Profiles, TasteColumns

NO_FACET: Final = -1
NO_KIND: Final = -1
_ALL_KINDS: Final = np.arange(len(FACET_KINDS))
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
        self._kinds = np.append(catalog.facet_kinds, NO_KIND)
        self._exact = False  # some seeker has a true taste: all are looked up in `_utility` from then on
        self._estimated: set[int] = set()
        self._weights = np.zeros((n, catalog.n_facets + 1), np.float32)
        self._utility = np.zeros((n, 0), np.float32)
        self._sample = np.linspace(0, items - 1, min(items, _SAMPLE_SIZE)).astype(np.int64)
        self._sample_facets = catalog.facet_table[self._sample]
        self._sample_values = catalog.facet_values[self._sample]

    def seat(self, rows: IntArray, profiles: Profiles) -> None:
        """Put seekers into `rows`."""
        # One seeker on plain numbers, many in columns: see `crs_gym.numeric`.
        row, likes, dislikes = plain(rows, profiles.likes, profiles.dislikes)
        self.seen[row] = NOT_SEEN
        put_cells(self.seen, row, likes, SEEN_LIKED)
        put_cells(self.seen, row, dislikes, SEEN_DISLIKED)
        self.seen[row, NO_ITEM] = NOTHING
        self.favourites[row] = NO_FACET
        if profiles.tastes is not None:
            self._know(rows, profiles.likes, profiles.dislikes, profiles.tastes)
            return
        for place, profile in enumerate(profiles):
            if profile.taste is not None:
                taste = TasteColumns.of([profile.taste], self._catalog.n_facets)
                alone = slice(place, place + 1)
                self._know(rows[alone], profiles.likes[alone], profiles.dislikes[alone], taste)
                continue
            one = int(rows[place])
            self._estimate(one, profile)
            self._estimated.add(one)
            if self._exact:
                self._look_up(one)

    def utility(self, row: Any, items: IntArray) -> FloatArray:
        """`(n, k)` float32, how much `(n,)` seekers like each item; `-inf` for seen ones and `NO_ITEM`."""
        if self._exact:
            return as_float32(cells(self._utility, row, items))
        weights = cells(self._weights, row, self._catalog.slate_facets[items])
        utility = as_float32(row_sum(weights * self._catalog.slate_values[items]))
        utility[cells(self.seen, row, items) != NOT_SEEN] = -np.inf
        return utility

    def liking(self, row: Any, item: Any) -> FloatArray:
        """`(n, widest)` float32, how much `(n,)` seekers like each facet of one item each; 0 for `NO_ITEM`."""
        return as_float32(cells(self._weights, row, self._catalog.slate_facets[item]))

    def _know(self, rows: IntArray, likes: IntArray, dislikes: IntArray, tastes: TasteColumns) -> None:
        """True tastes."""
        self._estimated.difference_update(rows.tolist())
        if not self._exact:
            self._exact = True
            self._utility = np.full((len(self.bar), len(self._catalog) + 1), -np.inf, np.float32)
            for other in self._estimated:
                self._look_up(other)
        row, likes, dislikes, facets, weights, bar, like_bar = plain(
            rows, likes, dislikes, tastes.facets, tastes.weights, tastes.bar, tastes.like_bar
        )
        self._utility[row, :-1] = tastes.utility
        put_cells(self._utility, row, likes, -np.inf)  # and so is that of NO_ITEM
        put_cells(self._utility, row, dislikes, -np.inf)
        self.bar[row], self.like_bar[row] = bar, like_bar
        self._weights[row] = 0.0
        put_cells(self._weights, row, facets, weights)
        self._remember(row, facets, weights)

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
        self._remember(row, own, weights[own])

    def _remember(self, row: Any, facets: IntArray, weights: FloatArray) -> None:
        """Keep what seekers can say about facets: of `(n,)` rows `(n, m)`, best liked first; or of one row `(m,)`."""
        if facets.ndim == 1:
            self._remember_one(self.favourites[row], facets.tolist(), weights.tolist())
            return
        told = (self._kinds[facets][..., None] == _ALL_KINDS) & (weights > 0)[..., None]  # (n, m, kinds)
        rank = np.cumsum(told, axis=1)
        at, place, kind = np.nonzero(told & (rank <= TOLD_PER_KIND))
        self.favourites[row[at], kind, rank[at, place, kind] - 1] = facets[at, place]

    def _remember_one(self, favourites: IntArray, facets: Sequence[int], weights: Sequence[float]) -> None:
        filled = [0] * len(FACET_KINDS)
        kinds = self._catalog.facet_kind_list
        for facet, weight in zip(facets, weights, strict=True):
            if weight > 0 and filled[kind := kinds[facet]] < TOLD_PER_KIND:
                favourites[kind, filled[kind]] = facet
                filled[kind] += 1
