"""How alike films are by their facets, beyond what popular films share: that someone likes dramas says little.

A film's likeness to all others is worked out when it is first asked for.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray, IntArray, row_sum

MOST_KEPT: Final = 2_048
"""How many films' likenesses are kept: 57 MB for ReDial's 6,924 films."""


class Likeness:
    """The products of the items' unit vectors (`Catalog.facet_values`), row by row.

    From the vector of the film that others are compared with, the mean of popular films (`Catalog.popular_centroid`) is
    taken off in the facets that the film has. So likeness is not symmetric; 0 is that of films that share nothing.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._place = np.full(len(catalog), -1, np.int64)
        self._rows = list(np.zeros((min(len(catalog), MOST_KEPT), len(catalog) + 1), np.float32))
        self._kept = 0

    def of(self, items: IntArray) -> list[FloatArray]:
        """For each of `n` items `(n_items + 1,)` float32 in [-1, 1], how alike every item is to it; `NO_ITEM` is not.

        To be read at once: a later call may write other films' likenesses there.
        """
        places = self._place[items]
        if places.min(initial=0) < 0:
            if not self._keep(np.unique(items[places < 0]), items):
                return [self._row(item) for item in items.tolist()]
            places = self._place[items]
        return [self._rows[place] for place in places.tolist()]

    def _keep(self, missing: IntArray, wanted: IntArray) -> bool:
        """Work out the likenesses of `missing` films among the `wanted`; False where these are more than are kept."""
        if self._kept + len(missing) > len(self._rows):  # begin anew, with those that are asked for now
            self._place[:] = -1
            self._kept, missing = 0, np.unique(wanted)
            if len(missing) > len(self._rows):
                return False
        for item in missing.tolist():
            self._rows[self._kept][:] = self._row(item)
            self._place[item] = self._kept
            self._kept += 1
        return True

    def _row(self, item: int) -> FloatArray:
        catalog = self._catalog
        facets = catalog.facet_table[item]
        vector = np.zeros(catalog.n_facets + 1, np.float32)
        vector[facets] = catalog.facet_values[item] - catalog.popular_centroid[facets]
        likeness: FloatArray = row_sum(vector[catalog.slate_facets] * catalog.slate_values)
        return likeness
