"""Small run folders of the Sample world, played once a session."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crs_gym.agent import NamedAgent, Observation
from crs_gym.catalog import NO_ITEM, Catalog, IntArray
from crs_gym.config import EnvConfig
from crs_gym.errors import SimulatorError
from crs_gym.evaluation import evaluate
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.turns import AgentTurn, AgentTurns, UserTurns

HOSTILE_NAME = '</title></svg><script>alert("name")</script>$\\frac{1}{$'
HOSTILE_TEXT = '</script><img src=x onerror=alert(1)><a href="http://evil.example">&amp; "quoted" \' {{ 7*7 }} {% raw %}'


class HostileAgent:
    """Shows two items, and says what would break a page that trusted it."""

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [
            AgentTurn(HOSTILE_TEXT, (o.turn * 2, o.turn * 2 + 1), reasoning="<b>bold</b>\x00\u202eturned")
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


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all kinds of agents, one of them hostile."""
    out = tmp_path_factory.mktemp("runs") / "talking"
    hostile = NamedAgent(HOSTILE_NAME, HostileAgent(), adversary=True)
    agents = ["random", "popularity", "copy-mention", "oracle", "prober", hostile]
    evaluate(EnvConfig(), agents, tasks=40, baseline="popularity", out=out)
    return out


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same seekers with a user that gives no feedback."""
    out = tmp_path_factory.mktemp("runs") / "silent"
    evaluate(EnvConfig(simulator="silent"), ["random", "popularity"], tasks=40, baseline="popularity", out=out)
    return out


@pytest.fixture(scope="session")
def errored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which the simulator always failed: nothing has a score."""
    out = tmp_path_factory.mktemp("runs") / "errored"
    failing = SimulatorEntry(build=FailingSimulator, summary="fails")
    evaluate(EnvConfig(simulator=failing), ["popularity", "parrot"], tasks=5, trials=2, baseline="popularity", out=out)
    return out
