"""Which facets a dialogue speaks for and against, counted: what the user says of facets, and the films spoken of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_agents.history import wanted_items
from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.numeric import DoubleArray

STATED: Final = 3.0
"""What it weighs that the user names a facet, in films that have it (our choice)."""

KIND_WEIGHTS: Final = {"genre": 1.0, "director": 0.5, "star": 0.25, "decade": 0.25}
"""What a film says for a facet of each kind (our choice: every film has several genres and stars, and people name
films for their genre first)."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Facets with their weights, all above 0; no facet is on both sides."""

    likes: dict[int, float]
    dislikes: dict[int, float]


class PreferenceReader:
    """Reads preferences over one catalogue; holds nothing of any dialogue."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reader = FeedbackReader(catalog)
        counts = np.bincount(catalog.facet_ids, minlength=catalog.n_facets)
        kinds = [KIND_WEIGHTS[FACET_KINDS[kind]] for kind in catalog.facet_kind_list]
        # That someone likes a drama says little: half of all films are dramas.
        rarity = np.log(len(catalog) / np.maximum(counts, 1)) / max(math.log(len(catalog)), 1.0)
        self._weights = np.array(kinds) * np.minimum(2.0 * rarity, 1.0)
        # A film that is refused speaks against its genres: hardly anyone refuses it for a minor star.
        self._against = self._weights * (catalog.facet_kinds == FACET_KINDS.index("genre"))

    def __call__(self, observation: Observation) -> Preference:
        """What one dialogue says."""
        said = self._reader.opinions(observation.messages)
        disliked = [item for item, balance in said.items.items() if balance < 0]
        totals: dict[int, float] = {}
        self._add(totals, wanted_items(observation, self._reader), self._weights)
        self._add(totals, disliked, -self._against)
        for facet, balance in said.facets.items():
            totals[facet] = totals.get(facet, 0.0) + math.copysign(STATED, balance)
        return Preference(
            likes={facet: total for facet, total in totals.items() if total > 0.0},
            dislikes={facet: -total for facet, total in totals.items() if total < 0.0},
        )

    def _add(self, totals: dict[int, float], items: Iterable[int], weights: DoubleArray) -> None:
        for item in items:
            for facet in self._catalog.facets_of(item).tolist():
                totals[facet] = totals.get(facet, 0.0) + float(weights[facet])
