"""Whether a thought is true, as far as that can be looked up.

A policy that is paid for its films alone learns to say of each candidate that it has all that is liked: such words cost
nothing, and explain nothing (docs/agents/smtpo.md has what was seen).
"""

from __future__ import annotations

from crs_agents.smtpo.candidates import Candidates
from crs_agents.smtpo.grammar import Thought
from crs_agents.smtpo.prompts import facet_text
from crs_gym.catalog import Catalog


def is_true(thought: Thought, found: Candidates, catalog: Catalog) -> bool:
    """Whether each match has its candidate's own fit, and names liked facets only that this candidate has.

    Args:
        thought: Its numbers are those of candidates (`grammar.parse`).
        found: The candidates.
        catalog: Knows their facets.
    """
    likes = set(thought.likes)
    for match in thought.matches:
        item, fit = found.items[match.number - 1], found.fits[match.number - 1]
        has = {facet_text(catalog.facet_names[facet]) for facet in catalog.facets_of(item).tolist()}
        if match.fit not in (None, fit) or not likes.intersection(has).issuperset(match.facets):
            return False
    return True
