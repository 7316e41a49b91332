"""What the policy says: the films, one sentence that explains the first by facets that it truly has, and a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crs_agents.smtpo.prompts import facet_text
from crs_agents.wording import NOTHING_LEFT, recommendation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key

SAID_AS: Final = {
    "genre": "it is {}",
    "director": "it was directed by {}",
    "star": "it has {}",
    "decade": "it is from the {}",
}
"""How a facet of each kind is given as a reason."""

REASONS: Final = ("{name} comes first because {reasons}.", "{name} fits best: {reasons}.")


def utterance(catalog: Catalog, items: Sequence[int], liked: Sequence[str], ask: str | None = None) -> str:
    """The utterance of a turn; the same films, facets and question give the same words.

    Args:
        catalog: Names the films.
        items: What is shown, best first.
        liked: Names of facets that the seeker is taken to like; only those that the first film has are given.
        ask: The kind of facet that is asked about, behind all else.

    Raises:
        KeyError: `ask` is none of `crs_gym.questions.QUESTIONS`.
    """
    told = _explained(catalog, items, liked) if items else NOTHING_LEFT
    return told if ask is None else f"{told} {QUESTIONS[ask]}"


def _explained(catalog: Catalog, items: Sequence[int], liked: Sequence[str]) -> str:
    key = derived_key("smtpo", *items)
    named = recommendation(catalog, items, key)
    reasons = _reasons(catalog, items[0], liked)
    name = catalog.names[items[0]]
    if not reasons or "?" in name:  # a sentence with a question mark may be read as a question about a facet
        return named
    joined = f"{', '.join(reasons[:-1])} and {reasons[-1]}" if len(reasons) > 1 else reasons[0]
    return f"{named} {REASONS[key % len(REASONS)].format(name=name, reasons=joined)}"


def _reasons(catalog: Catalog, item: int, liked: Sequence[str]) -> list[str]:
    """One clause for each liked facet of the film, by kind."""
    wanted = set(liked)
    clauses: dict[str, list[str]] = {}
    for facet in catalog.facets_of(item).tolist():
        name = facet_text(catalog.facet_names[facet])
        if name in wanted and "?" not in name:
            clauses.setdefault(FACET_KINDS[catalog.facet_kind_list[facet]], []).append(name)
    return [SAID_AS[kind].format(" and ".join(names)) for kind, names in clauses.items()]
