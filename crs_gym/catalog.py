"""The catalogue: what can be recommended, in columns.

One array per property, indexed by item number `0 … len(catalog) - 1`, so that the engine scores a whole batch of
dialogues with a few gathers. `Item` is the readable view of one row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.numeric import FloatArray, IntArray, as_float32, read_only, row_sum

if TYPE_CHECKING:
    from crs_gym.resolver import TitleResolver

FACET_KINDS: Final = ("genre", "director", "star", "decade")
"""The kinds of facet, in the order of their numbers."""

KIND_SHARES: Final = (0.4, 0.2, 0.2, 0.2)
"""How much each kind of facet counts in the similarity of two items (our choice): genre as much as two of the others,
since every item has one, and people name it first."""

_BELOW_ONE: Final = 0.99
"""Keeps what is "above popular items" a fraction even in a catalogue whose items are all alike."""

POPULAR_ITEMS: Final = 100
"""How many of the most popular items make up "popular items" where a score is held against them."""

NO_ITEM: Final = -1
"""Stands in an array of items for "no item in this place"."""


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the catalogue.

    Attributes:
        index: The item's number in its catalogue.
        name: The title as people write it in a list, as in `Catalog.names`.
        title: The title without its year.
        year: The year of release; `None` where the corpus does not say.
        facets: From each kind of `FACET_KINDS` to the item's values, e.g. `{"genre": ("comedy",), …}`.
    """

    index: int
    name: str
    title: str
    year: int | None
    facets: Mapping[str, tuple[str, ...]]


class Catalog:
    """All items of a world, in columns.

    Attributes:
        titles: `n_items` titles, without years.
        years: `(n_items,)` int16, 0 where not known.
        keys: `n_items` identifiers that the corpus itself uses (ReDial's movie ids, …).
        popularity: `(n_items,)` float32, how often train dialogues mention the item (any non-negative scale).
        facet_names: `n_facets` values such as `"comedy"` or `"1990s"`.
        facet_kinds: `(n_facets,)` int8, each facet's kind as an index into `FACET_KINDS`.
        facet_offsets: `(n_items + 1,)` int64; item `i` has `facet_ids[facet_offsets[i]:facet_offsets[i + 1]]`.
        facet_ids: `(nnz,)` int64, facet numbers in item order (CSR).
    """

    def __init__(
        self,
        *,
        titles: Sequence[str],
        years: NDArray[np.int16],
        keys: Sequence[str],
        popularity: FloatArray,
        facet_names: Sequence[str],
        facet_kinds: NDArray[np.int8],
        facet_offsets: IntArray,
        facet_ids: IntArray,
    ) -> None:
        # Agents share the catalogue: what one of them writes into a column would change what the next one sees.
        self.titles = tuple(titles)
        self.years = read_only(years)
        self.keys = tuple(keys)
        self.popularity = read_only(popularity)
        self.facet_names = tuple(facet_names)
        self.facet_kinds = read_only(facet_kinds)
        self.facet_offsets = read_only(facet_offsets)
        self.facet_ids = read_only(facet_ids)
        n = len(self.titles)
        if not (len(years) == len(self.keys) == len(popularity) == n and len(facet_offsets) == n + 1):
            raise ValueError(
                f"the catalogue's columns differ in length: {n} titles, {len(years)} years, {len(self.keys)} keys, "
                f"{len(popularity)} popularities, {len(facet_offsets)} facet offsets (one more than items)"
            )

    @classmethod
    def from_rows(
        cls,
        rows: Sequence[tuple[str, str, int | None, Mapping[str, Sequence[str]]]],
        popularity: Sequence[float] | FloatArray | None = None,
    ) -> Catalog:
        """Build the columns from `(key, title, year, facets)` rows; `decade` is derived from the year.

        Args:
            rows: One tuple an item; `facets` maps kinds of `FACET_KINDS` (`decade` left out) to values.
            popularity: One number an item; all 1 when left out.
        """
        numbers: dict[tuple[int, str], int] = {}
        offsets = [0]
        ids: list[int] = []
        for _, _, year, facets in rows:
            values = {**facets, "decade": (f"{year // 10 * 10}s",) if year else ()}
            for kind_number, kind in enumerate(FACET_KINDS):
                for value in dict.fromkeys(values.get(kind, ())):
                    ids.append(numbers.setdefault((kind_number, value), len(numbers)))
            offsets.append(len(ids))
        return cls(
            titles=[title for _, title, _, _ in rows],
            years=np.array([year or 0 for _, _, year, _ in rows], dtype=np.int16),
            keys=[key for key, _, _, _ in rows],
            popularity=np.ones(len(rows), np.float32) if popularity is None else np.asarray(popularity, np.float32),
            facet_names=[value for _, value in numbers],
            facet_kinds=np.array([kind for kind, _ in numbers], dtype=np.int8),
            facet_offsets=np.array(offsets, dtype=np.int64),
            facet_ids=np.array(ids, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def n_facets(self) -> int:
        """How many facets there are, over all kinds."""
        return len(self.facet_names)

    def __getitem__(self, index: int) -> Item:
        """Item `index` as a readable row.

        Raises:
            IndexError: There is no such item.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"no item {index}: the catalogue holds items 0 to {len(self) - 1}")
        facets: dict[str, list[str]] = {kind: [] for kind in FACET_KINDS}
        for facet in self.facets_of(index):
            facets[FACET_KINDS[self.facet_kinds[facet]]].append(self.facet_names[facet])
        year = int(self.years[index])
        values = {kind: tuple(names) for kind, names in facets.items()}
        return Item(index, self.names[index], self.titles[index], year or None, values)

    def facets_of(self, index: int) -> IntArray:
        """The facet numbers of one item."""
        return self.facet_ids[self.facet_offsets[index] : self.facet_offsets[index + 1]]

    @cached_property
    def facet_kind_list(self) -> list[int]:
        """`facet_kinds` as a list, for code that looks at one facet at a time."""
        return list(self.facet_kinds.tolist())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """`n_items` display names: `Heat (1995)`, and the bare title where no year is known.

        An undated item that shares its title is `Heat (undated)`: the bare title means the most popular film.
        """
        from crs_gym.resolver.naming import display_names

        return display_names(self.titles, self.years.tolist())

    @cached_property
    def by_popularity(self) -> IntArray:
        """`(n_items,)` item numbers, most popular first; ties by item number."""
        return read_only(np.argsort(-self.popularity, kind="stable").astype(np.int64))

    @cached_property
    def facet_table(self) -> IntArray:
        """`(n_items, widest)` facet numbers of each item, padded with `n_facets`."""
        counts = np.diff(self.facet_offsets)
        table = np.full((len(self), max(int(counts.max(initial=0)), 1)), self.n_facets, np.int64)
        table[np.arange(table.shape[1]) < counts[:, None]] = self.facet_ids
        return read_only(table)

    @cached_property
    def facet_values(self) -> FloatArray:
        """`(n_items, widest)` the value of each facet in the item's unit vector; 0 on the padding of `facet_table`.

        Within an item every kind holds its share of `KIND_SHARES`, split evenly over its facets, so the dot product of
        two items is a mean over kinds of the cosine of their facet sets: 1 for the same facets, 0 for none shared.
        """
        kinds = np.append(self.facet_kinds, len(FACET_KINDS))[self.facet_table]
        squared = np.zeros(self.facet_table.shape, np.float32)
        for kind, share in enumerate(KIND_SHARES):
            of_kind = kinds == kind
            squared += of_kind * (share / np.maximum(of_kind.sum(axis=1, keepdims=True), 1))
        total = np.maximum(squared.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return read_only(as_float32(np.sqrt(squared / total)))

    @cached_property
    def slate_facets(self) -> IntArray:
        """`facet_table` with one more row, all padding, so that `NO_ITEM` can be looked up like any item."""
        return read_only(
            np.vstack([self.facet_table, np.full((1, self.facet_table.shape[1]), self.n_facets, np.int64)])
        )

    @cached_property
    def slate_values(self) -> FloatArray:
        """`facet_values` with one more row of zeros, for `NO_ITEM`."""
        return read_only(np.vstack([self.facet_values, np.zeros((1, self.facet_values.shape[1]), np.float32)]))

    def centroid(self, items: Sequence[int] | IntArray, out: FloatArray | None = None) -> FloatArray:
        """`(n_facets + 1,)` the mean of the items' unit vectors; the last place is the padding's, always 0.

        Args:
            items: The items.
            out: Where to write it; a new array when left out.
        """
        if out is None:
            out = np.zeros(self.n_facets + 1, np.float32)
        else:
            out.fill(0.0)
        share = 1.0 / max(len(items), 1)
        for item in items:  # within an item no facet stands twice, but for the padding, whose value is 0
            out[self.facet_table[item]] += self.facet_values[item] * share
        return out

    @cached_property
    def popular_centroid(self) -> FloatArray:
        """`(n_facets + 1,)` the mean of the unit vectors of the `POPULAR_ITEMS` most popular items."""
        return read_only(self.centroid(self.by_popularity[:POPULAR_ITEMS]))

    @cached_property
    def popular_similarity(self) -> FloatArray:
        """`(n_items,)` each item's mean similarity to the `POPULAR_ITEMS` most popular items, in [0, 1)."""
        similarity = row_sum(self.popular_centroid[self.facet_table] * self.facet_values)
        return read_only(as_float32(np.minimum(similarity, _BELOW_ONE)))

    @cached_property
    def resolver(self) -> TitleResolver:
        """Finds the items that a text names. Built on first use."""
        from crs_gym.resolver import TitleResolver

        return TitleResolver(self.titles, self.years, self.popularity)

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever an item, its year, its key or a facet does."""
        digest = hashlib.blake2b(digest_size=8)
        for texts in (self.keys, self.names, self.facet_names):
            digest.update("\x1f".join(texts).encode())
            digest.update(b"\x1e")
        for column in (self.facet_kinds, self.facet_offsets, self.facet_ids, self.popularity):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()
