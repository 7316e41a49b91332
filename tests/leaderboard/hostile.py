"""An agent that says what would break a page that trusted it, and a simulator that always fails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crs_gym.agent import Observation
from crs_gym.catalog import NO_ITEM, Catalog
from crs_gym.errors import SimulatorError
from crs_gym.numeric import IntArray
from crs_gym.simulator import Seeker
from crs_gym.turns import AgentTurn, AgentTurns, UserTurns

HOSTILE_NAME = '</title></svg><script>alert("name")</script>$\\frac{1}{$'
HOSTILE_TEXT = (
    '</script><img src=x onerror=alert(1)><a href="http://evil.example">&amp; "quoted" \' {{ 7*7 }} {% raw %}'
)


class HostileAgent:
    """Shows two items, says what would break a page that trusted it, and had to be repaired on its second turn."""

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [
            AgentTurn(
                HOSTILE_TEXT,
                (o.turn * 2, o.turn * 2 + 1),
                reasoning="<b>bold</b>\x00\u202eturned",
                well_formed=o.turn != 1,
            )
            for o in observations
        ]


class FailingSimulator:
    """Fails in every dialogue, on the first turn."""

    revision = "failing-1"

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int) -> None:
        del catalog, num_dialogues, max_turns

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        pass

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns(np.zeros(len(rows), np.int8), np.full(len(rows), NO_ITEM, np.int32), lambda _: ("Hi", ()))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return UserTurns.of([SimulatorError("the <endpoint> is down") for _ in rows])
