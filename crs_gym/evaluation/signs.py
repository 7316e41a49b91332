"""Signs of degenerate answers: which figures of an agent a reader is pointed to, in a terminal and on a page."""

from __future__ import annotations

import math
from typing import Final

from crs_gym.evaluation.results import AgentResults

IDENTICAL: Final = 0.5
"""Above it answers are said to be identical (our choice: two seekers of the corpora seldom want the same)."""
COPIED: Final = 0.5
"""Above it answers are said to be copied (our choice; by chance it is one in as many as there are candidates)."""
DRIFT: Final = 1.5
"""Above it, or below 1 over it, the length of thoughts is said to have drifted from the baseline's (our choice)."""


def signs_of(agent: AgentResults, baseline: AgentResults | None = None) -> list[str]:
    """What is odd in how an agent answers, in a few words each; empty for most agents.

    Args:
        agent: Whose answers are looked at.
        baseline: Whose thoughts its own are measured by, such as the policy before a training.
    """
    identical, formed = agent.diversity.identical_answers, _mean(agent, "well_formed")
    copied, first = _mean(agent, "copied_order"), _mean(agent, "first_listed")
    drift = length_drift(agent, baseline)
    signs = []
    if identical is not None and identical > IDENTICAL:
        signs.append(f"{identical:.0%} identical answers")
    if formed is not None and formed < 1.0:
        signs.append(f"{math.floor(1000 * formed) / 10:.1f}% of turns well-formed")  # what is below 100 says so
    if copied is not None and copied > COPIED:
        signs.append(f"{copied:.0%} of answers copy the order of the candidates")
    elif first is not None and first > COPIED:
        signs.append(f"{first:.0%} of answers begin with the first candidate")
    if drift is not None and not 1.0 / DRIFT <= drift <= DRIFT:
        signs.append(f"thoughts {drift:.2f} times as long as the baseline's")
    return signs


def length_drift(agent: AgentResults, baseline: AgentResults | None) -> float | None:
    """The mean length of an agent's thoughts over that of the baseline's; `None` where either has none."""
    if baseline is None or agent.name == baseline.name:
        return None
    own, before = _mean(agent, "reasoning_words"), _mean(baseline, "reasoning_words")
    return None if own is None or not before else own / before


def _mean(agent: AgentResults, metric: str) -> float | None:
    figure = agent.metrics.get(metric)
    return None if figure is None else figure.mean
