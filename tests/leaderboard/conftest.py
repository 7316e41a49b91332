"""Small run folders of the Sample world, played once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import HOSTILE_NAME, FailingSimulator, HostileAgent

from crs_gym.agent import NamedAgent
from crs_gym.config import EnvConfig
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.run import Contender
from crs_gym.simulator import SimulatorEntry


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all kinds of agents, one of them hostile."""
    out = tmp_path_factory.mktemp("runs") / "talking"
    hostile = NamedAgent(HOSTILE_NAME, HostileAgent(), adversary=True)
    agents: list[Contender] = ["random", "popularity", "copy-mention", "oracle", "prober", hostile]
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
