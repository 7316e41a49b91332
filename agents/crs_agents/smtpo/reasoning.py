"""The reasoning that is taught, made from a dialogue, its labels and facets; no other model has a part in it.

Preference, match, score, rank, as SMTPO has it (arXiv 2604.03671), in hindsight: of the facets that the dialogue speaks
for, those come first that the films have which the seeker turned out to want. The label only picks among facets that
can be read off the dialogue, with one exception: where no genre can be counted in it, the genre of most of these films
is named. People ask in words that no vocabulary holds, and those the language model is to understand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from crs_agents.smtpo.candidates import Candidates
from crs_agents.smtpo.grammar import Match, Thought
from crs_agents.smtpo.preferences import Preference
from crs_agents.smtpo.prompts import facet_text, line_facets
from crs_gym.catalog import FACET_KINDS, Catalog

MOST_LIKED: Final = 3
MOST_DISLIKED: Final = 2
"""Facets that a thought names of the user (our choice)."""

MATCHED: Final = 1.0
OPPOSED: Final = 2.0
"""What a liked and a disliked facet are worth to a candidate, in places of the order of recall (our choice)."""


class Reasoner:
    """Makes the thought behind one turn.

    Args:
        catalog: The films.
        listed: How many candidates are thought about, and listed by the answer.
        fit: Whether their fit is told.
    """

    def __init__(self, catalog: Catalog, listed: int, *, fit: bool = True) -> None:
        self._catalog = catalog
        self._listed = listed
        self._fit = fit

    def __call__(
        self,
        preference: Preference,
        found: Candidates,
        wanted: Sequence[int],
        ask: str | None = None,
        asked: tuple[str, ...] | None = None,
    ) -> Thought:
        """The thought.

        Args:
            preference: What the dialogue says.
            found: The candidates.
            wanted: What the seeker turned out to want. Those of them that are among the candidates come first; the
                others follow by fit, liked and disliked facets.
            ask: The kind of facet that is asked about.
            asked: Those that were asked about before; `None` where that is not told.
        """
        hindsight = {facet for item in wanted for facet in self._catalog.facets_of(item).tolist()}
        likes = sorted(preference.likes, key=lambda f: (f not in hindsight, -preference.likes[f], f))
        if not any(self._is_genre(facet) for facet in likes):
            likes = [*self._main_genre(wanted, preference), *likes]
        likes = likes[:MOST_LIKED]
        dislikes = [
            facet
            for facet in sorted(preference.dislikes, key=lambda f: (-preference.dislikes[f], f))
            if facet not in hindsight
        ][:MOST_DISLIKED]
        targets, spoken_of = set(wanted), preference.likes.keys() | preference.dislikes.keys()
        scored = []
        for number, (item, fit) in enumerate(zip(found.items, found.fits, strict=True), 1):
            has = set(self._catalog.facets_of(item).tolist())
            score = fit + MATCHED * len(has.intersection(likes)) - OPPOSED * len(has.intersection(dislikes))
            scored.append((item not in targets, -score, -fit, number, item))
        scored.sort()
        matches = [
            Match(number, line_facets(item, self._catalog, spoken_of), -fit if self._fit else None)
            for _, _, fit, number, item in scored[: self._listed]
        ]
        return Thought(
            likes=self._names(likes),
            dislikes=self._names(dislikes),
            matches=tuple(matches),
            answer=tuple([match.number for match in matches]),
            ask=ask,
            asked=asked,
        )

    def _is_genre(self, facet: int) -> bool:
        return FACET_KINDS[self._catalog.facet_kind_list[facet]] == "genre"

    def _main_genre(self, wanted: Sequence[int], preference: Preference) -> list[int]:
        """The genre of most of the wanted films, if there is one that nothing was said against."""
        genres = Counter(
            facet
            for item in wanted
            for facet in self._catalog.facets_of(item).tolist()
            if self._is_genre(facet) and facet not in preference.dislikes
        )
        return [facet for facet, _ in genres.most_common(1)]

    def _names(self, facets: Sequence[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(facet_text(self._catalog.facet_names[facet]) for facet in facets))
