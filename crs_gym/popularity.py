"""Items that are as popular as another: the fair stand-in where one asks whether it is *this* item that pleases."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.randomness import generator

WINDOW: Final = 25
"""How far apart in the order of popularity a match may be (our choice: wide enough that few films are drawn twice)."""


class PopularityMatcher:
    """Draws items that are about as popular as a given one, so that popularity itself tells nothing between the two.

    Args:
        catalog: Its `popularity` orders the items; ties are in an arbitrary, fixed order.
    """

    def __init__(self, catalog: Catalog) -> None:
        ties = generator(0, "popularity-ties").random(len(catalog))
        self._order = np.lexsort((ties, -catalog.popularity))
        self._rank = np.empty(len(catalog), np.int64)
        self._rank[self._order] = np.arange(len(catalog))

    def match(self, item: int, rng: np.random.Generator, avoid: Collection[int]) -> int | None:
        """An item within `WINDOW` places of `item` in the order of popularity, uniformly; never one of `avoid`.

        `None` when `avoid` leaves none.
        """
        rank = int(self._rank[item])
        reach = min(WINDOW, rank, len(self._order) - 1 - rank)  # as far up as down: no side is favoured
        low, high = (rank - reach, rank + reach) if reach else (max(rank - 1, 0), min(rank + 1, len(self._order) - 1))
        free = [int(i) for i in self._order[low : high + 1] if i != item and int(i) not in avoid]
        return free[int(rng.integers(len(free)))] if free else None
