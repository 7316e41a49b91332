"""An observation of the Discrete view, number by number.

`FIELDS` names every number; docs/discrete.md is held to it by a test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.discrete.belief import AGAINST, FOR, MOST_SAID, Belief, span
from crs_gym.discrete.candidates import Candidates
from crs_gym.numeric import FloatArray, IntArray

CANDIDATE_FEATURES: Final = (
    "present",
    "closeness",
    "popularity",
    *(f"{kind}_said" for kind in FACET_KINDS),
    "like_liked",
    "like_disliked",
)
"""The numbers of one candidate, in order."""

BROAD_KINDS: Final = ("genre", "decade")
"""The kinds whose facets have a place each. There are too many directors and stars: what was said of them stands with
the candidates that have them."""

REACTIONS: Final = ("film_for", "film_against", "facet_named")
"""What the user did in its last turn."""

_STATEMENT: Final = np.float32(1 / MOST_SAID)

MOST_ASKED: Final = 2.0
"""After so many questions about a kind of facet no further one counts."""


@dataclass(frozen=True)
class Field:
    """One entry of the observation.

    Attributes:
        name: Its key.
        numbers: What its numbers stand for, in order; of `candidates`, those of one candidate.
        low: The lowest value.
    """

    name: str
    numbers: tuple[str, ...]
    low: float = 0.0


class Encoder:
    """Writes what is known of `num_dialogues` dialogues into arrays.

    Args:
        catalog: The catalogue.
        num_dialogues: N.
        n_candidates: C.
        k: How many films a turn may show.
        max_turns: The turn limit.
        more: Fields that someone else writes, behind these.
    """

    def __init__(
        self,
        catalog: Catalog,
        num_dialogues: int,
        n_candidates: int,
        k: int,
        max_turns: int,
        *,
        more: tuple[Field, ...] = (),
    ) -> None:
        kinds = [FACET_KINDS[kind] for kind in catalog.facet_kinds.tolist()]
        self._broad = np.array([f for kind in BROAD_KINDS for f, own in enumerate(kinds) if own == kind], np.int64)
        broad = tuple(f"{kinds[facet]}:{catalog.facet_names[facet]}" for facet in self._broad.tolist())
        self.n_candidates = n_candidates
        self.fields = (
            Field("liked", broad),
            Field("disliked", broad),
            Field("candidates", CANDIDATE_FEATURES, low=-1.0),
            Field("asked", FACET_KINDS),
            Field("reaction", REACTIONS),
            Field("turn", ("turn",)),
            Field("shown", ("shown",)),
            Field(
                "action_mask", (*(f"recommend:{c}" for c in range(n_candidates)), *(f"ask:{k}" for k in FACET_KINDS))
            ),
            *more,
        )
        self._by_kind, self._spans = _grouped(catalog)
        self._k = k
        self._max_turns = max_turns
        places = np.empty(len(catalog) + 1, np.float32)
        places[catalog.by_popularity] = 1.0 - np.arange(len(catalog), dtype=np.float32) / np.float32(len(catalog))
        places[NO_ITEM] = 0.0
        self._popularity = places
        askable = np.bincount(catalog.facet_kinds, minlength=len(FACET_KINDS)) > 0
        self._askable = askable if askable.any() else ~askable
        self.arrays = {field.name: np.zeros((num_dialogues, *self._shape(field)), np.float32) for field in self.fields}
        self.masks = np.ones((num_dialogues, n_candidates + len(FACET_KINDS)), bool)

    def space(self) -> spaces.Dict:
        """The space of one observation."""
        return spaces.Dict(
            {field.name: spaces.Box(field.low, 1.0, self._shape(field), np.float32) for field in self.fields}
        )

    def encode(self, rows: IntArray, belief: Belief, candidates: Candidates, turn: IntArray) -> None:
        """Write what is known of `rows`; `turn` is how many turns each of all N dialogues has had."""
        arrays = self.arrays
        at = span(rows)
        items, scores = candidates.items[at], candidates.scores[at]
        balance = belief.balance[at].take(self._broad, axis=1) * _STATEMENT
        arrays["liked"][at] = np.maximum(balance, 0)
        arrays["disliked"][at] = np.maximum(-balance, 0)
        there = items != NO_ITEM
        for feature, values in enumerate(self._candidates(rows, belief, items, scores, there)):
            arrays["candidates"][at, :, feature] = values
        arrays["asked"][at] = np.minimum(belief.asked[at] / np.float32(MOST_ASKED), 1)
        arrays["reaction"][at] = belief.reaction[at]
        arrays["turn"][at, 0] = turn[at] / self._max_turns
        arrays["shown"][at, 0] = belief.shown[at] / np.float32(self._k * self._max_turns)
        self.masks[at, : self.n_candidates] = there
        self.masks[at, self.n_candidates :] = self._askable
        arrays["action_mask"][at] = self.masks[at]

    def _candidates(
        self, rows: IntArray, belief: Belief, items: IntArray, scores: FloatArray, there: NDArray[np.bool_]
    ) -> Iterator[FloatArray | NDArray[np.bool_]]:
        """`(n, C)` for each of `CANDIDATE_FEATURES`; all 0 where there is no candidate."""
        yield there
        best = np.where(there[:, :1], scores[:, :1], np.float32(0))
        yield np.exp(scores - best, dtype=np.float32)
        yield self._popularity[items]
        # One look-up in flat columns takes a fifth of the time of one by row and place.
        first = rows[:, None] * belief.balance.shape[1]
        balance = belief.balance.reshape(-1)
        said = balance.take(self._by_kind.take(items, axis=1) + first)  # (widest, n, C)
        for of_kind in self._spans:
            statements = np.add.reduce(said[of_kind], axis=0, dtype=np.int8)
            yield np.minimum(np.maximum(statements, -MOST_SAID), MOST_SAID) * _STATEMENT
        places = rows[:, None] * belief.likeness.shape[2] + items
        for side in (FOR, AGAINST):
            films = np.maximum(belief.judged[side, rows], 1)[:, None]
            likeness = belief.likeness[side].reshape(-1).take(places) / films
            yield np.minimum(np.maximum(likeness, np.float32(-1)), np.float32(1))

    def _shape(self, field: Field) -> tuple[int, ...]:
        numbers = len(field.numbers)
        return (self.n_candidates, numbers) if field.name == "candidates" else (numbers,)


def _grouped(catalog: Catalog) -> tuple[IntArray, list[slice]]:
    """`(widest, n_items + 1)` the facets of items, kind behind kind, and where each kind stands; `NO_ITEM` has none."""
    kinds = np.append(catalog.facet_kinds, len(FACET_KINDS))[catalog.slate_facets]
    tables: list[IntArray] = []
    spans: list[slice] = []
    start = 0
    for kind in range(len(FACET_KINDS)):
        own = kinds == kind
        width = int(own.sum(axis=1).max(initial=0))
        first = np.argsort(~own, axis=1, kind="stable")[:, :width]  # this kind's facets to the front
        facets = np.take_along_axis(catalog.slate_facets, first, axis=1)
        tables.append(np.where(np.take_along_axis(own, first, axis=1), facets, catalog.n_facets))
        spans.append(slice(start, start + width))
        start += width
    return np.ascontiguousarray(np.hstack(tables).T), spans
