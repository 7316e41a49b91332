"""What the policy says: the films, and one sentence that explains the first by facets that it truly has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crs_agents.smtpo.prompts import facet_text
from crs_agents.wording import NOTHING_LEFT, recommendation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.randomness import derived_key

SAID_AS: Final = {
    "genre": "it is {}",
    "director": "it was directed by {}",
    "star": "it has {}",
    "decade": "from the {}",
}
"""How a facet of each kind is given as a reason."""

REASONS: Final = ("{name} comes first because {reasons}.", "{name} fits best: {reasons}.")


def explained(catalog: Catalog, items: Sequence[int], liked: Sequence[str]) -> str:
    """The utterance of a turn; the same films and facets give the same words.

    Args:
        catalog: Names the films.
        items: What is shown, best first.
        liked: Names of facets that the seeker is taken to like; only those that the first film has are given.
    """
    if not items:
        return NOTHING_LEFT
    key = derived_key("smtpo", *items)
    said = recommendation(catalog, items, key)
    reasons = _reasons(catalog, items[0], liked)
    name = catalog.names[items[0]]
    if not reasons or "?" in name:  # a sentence with a question mark may be read as a question about a facet
        return said
    joined = f"{', '.join(reasons[:-1])} and {reasons[-1]}" if len(reasons) > 1 else reasons[0]
    return f"{said} {REASONS[key % len(REASONS)].format(name=name, reasons=joined)}"


def _reasons(catalog: Catalog, item: int, liked: Sequence[str]) -> list[str]:
    """One clause for each liked facet of the film, by kind."""
    wanted = set(liked)
    clauses: dict[str, list[str]] = {}
    for facet in catalog.facets_of(item).tolist():
        name = facet_text(catalog.facet_names[facet])
        if name in wanted and "?" not in name:
            clauses.setdefault(FACET_KINDS[catalog.facet_kind_list[facet]], []).append(name)
    return [SAID_AS[kind].format(" and ".join(names)) for kind, names in clauses.items()]
