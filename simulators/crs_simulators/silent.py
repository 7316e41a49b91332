"""`silent`: a user that gives no feedback. The control that tells feedback from mere further guesses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.numeric import IntArray
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.turns import AgentTurns, UserTurns

ANSWER: Final = "Hm. Go on."
OPENING: Final = "Hi! Can you recommend a film?"


class SilentSimulator:
    """Says the same on every turn, never accepts and never leaves."""

    revision = "silent-1"

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int) -> None:
        del catalog, num_dialogues, max_turns

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Nothing is kept of a seeker."""

    def open(self, rows: IntArray) -> UserTurns:
        """A greeting."""
        return _say(OPENING, len(rows))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Words without content."""
        del turns
        return _say(ANSWER, len(rows))


def _say(words: str, n: int) -> UserTurns:
    return UserTurns(decision=np.zeros(n, np.int8), accepted=np.full(n, NO_ITEM, np.int64), said=lambda _: (words, ()))


SILENT = SimulatorEntry(build=SilentSimulator, summary="gives no feedback, never ends the dialogue: a control")
