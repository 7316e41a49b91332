"""One episode as Minari keeps it: its columns, and what else is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from crs_gym.export.steps import Steps

_OF_A_COLUMN: Final = 6_000
"""Bytes that HDF5 keeps about a column: its header and an index of its chunks; measured 3,200."""
_OF_A_TEXT: Final = 64
"""Bytes that it keeps about a text."""


def columns_of(steps: Steps) -> dict[str, Any]:
    """What Minari keeps of an episode, by the names of its `EpisodeBuffer`."""
    trace, n_turns = steps.trace, len(steps.exact)
    ends = np.arange(n_turns) == n_turns - 1
    terms = [turn.reward_terms or {} for turn in trace.turns]
    found: dict[str, Any] = {
        "observations": steps.observations,
        "actions": steps.actions,
        "rewards": steps.rewards,
        "terminations": ends & (trace.outcome in ("accepted", "left")),
        "truncations": ends & (trace.outcome == "truncated"),
        # As Minari's own collector keeps them: the reset's first, which has no reward terms.
        "infos": {"reward_terms": {name: np.array([np.nan, *[turn[name] for turn in terms]]) for name in terms[0]}},
    }
    if (
        trace.episode == 0
    ):  # the first play of a task is what this reset begins; a further trial has no reset of its own
        found |= {"seed": trace.seed, "options": {"task": trace.task_id}}
    return found


def size_of(steps: Steps) -> int:
    """How many bytes an episode takes in HDF5 at most: each of its columns, and what the format keeps about it."""

    def sizes(entry: Any) -> Iterator[int]:
        if isinstance(entry, dict):
            for value in entry.values():
                yield from sizes(value)
        elif isinstance(entry, np.ndarray):
            yield entry.nbytes
        elif isinstance(entry, list):
            yield sum(len(text.encode()) + _OF_A_TEXT for text in entry)

    return sum(2 * size + _OF_A_COLUMN for size in sizes(columns_of(steps)))


def facts_of(steps: Steps) -> dict[str, Any]:
    """What else is known of an episode. Its targets are found by its task, and stand nowhere in a dataset."""
    trace = steps.trace
    return {
        "agent": trace.agent,
        "task_id": trace.task_id,
        "trial": trace.episode,
        "outcome": trace.outcome,
        "success": bool(trace.success),
        "accepted": bool(trace.accepted),
        "exact_turns": int(steps.exact.sum()),
    }
