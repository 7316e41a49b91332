"""Whether a thought quotes its candidates as they are.

A policy that is paid for its films alone learns to say of each candidate that it has all that is liked: such words cost
nothing, and explain nothing (docs/agents/smtpo.md has what was seen).
"""

from __future__ import annotations

from collections.abc import Container

from crs_agents.smtpo.candidates import Candidates
from crs_agents.smtpo.grammar import Thought
from crs_agents.smtpo.prompts import line_facets
from crs_gym.catalog import Catalog


def is_true(thought: Thought, found: Candidates, catalog: Catalog, spoken_of: Container[int]) -> bool:
    """Whether each match has its candidate's own fit and the facets of its line, no more and no less.

    Args:
        thought: Its numbers are those of candidates (`grammar.parse`).
        found: The candidates.
        catalog: Knows their facets.
        spoken_of: As for the lines; see `prompts.candidate_line`.
    """
    for match in thought.matches:
        item, fit = found.items[match.number - 1], found.fits[match.number - 1]
        if match.fit not in (None, fit) or match.facets != line_facets(item, catalog, spoken_of):
            return False
    return True
