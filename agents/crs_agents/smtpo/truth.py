"""Whether a thought quotes its candidates, and what was asked before, as they are.

A policy that is paid for its films alone learns to say of each candidate that it has all that is liked: such words cost
nothing, and explain nothing (docs/agents/smtpo.md has what was seen).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from crs_agents.smtpo.candidates import Candidates
from crs_agents.smtpo.grammar import Thought
from crs_agents.smtpo.prompts import line_facets
from crs_gym.catalog import Catalog


def is_true(
    thought: Thought, found: Candidates, catalog: Catalog, spoken_of: Container[int], asked: Sequence[str]
) -> bool:
    """Whether each match has its candidate's own fit and the facets of its line, no more and no less; and whether
    what was asked is what is said to have been asked.

    Args:
        thought: Its numbers are those of candidates (`grammar.parse`).
        found: The candidates.
        catalog: Knows their facets.
        spoken_of: As for the lines; see `prompts.candidate_line`.
        asked: What the user was asked about so far; see `prompts.asked_before`.
    """
    if thought.asked not in (None, tuple(asked)):
        return False
    for match in thought.matches:
        item, fit = found.items[match.number - 1], found.fits[match.number - 1]
        if match.fit not in (None, fit) or match.facets != line_facets(item, catalog, spoken_of):
            return False
    return True
