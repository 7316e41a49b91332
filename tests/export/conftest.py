"""Runs to export: an agent over the Discrete view, one that is none, and users who fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crs_gym.agent import NamedAgent
from crs_gym.config import EnvConfig
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.evaluation import evaluate
from crs_gym.worlds import load_world

pytest.importorskip("minari", reason='needs pip install "crs-gym[minari]"')
pytest.importorskip("h5py", reason='needs pip install "crs-gym[minari]"')

SEED = 3


def first_ask(observations: dict[str, Any], masks: Any) -> Any:
    """Asks about each kind in turn on early turns, and recommends some candidate then."""
    turn = np.rint(observations["turn"][:, 0] * 5).astype(int)
    return np.where(turn < 2, masks.shape[1] - 4 + turn, turn)


@pytest.fixture(scope="session")
def asker() -> NamedAgent:
    return NamedAgent("asker", DiscreteAgent(load_world("sample"), first_ask, candidates="popularity", n_candidates=7))


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory, asker: NamedAgent) -> Callable[..., Path]:
    def run(agents: Sequence[Any] = (asker,), *, tasks: int = 6, trials: int = 1, **settings: Any) -> Path:
        folder = tmp_path_factory.mktemp("run")
        options = {"simulator": "scripted", "k": 4, **settings}
        evaluate(
            EnvConfig(world="sample", **options), agents, tasks=tasks, trials=trials, seed=SEED, num_envs=4, out=folder
        )
        return folder

    return run


@pytest.fixture(scope="session")
def discrete_run(play: Callable[..., Path]) -> Path:
    """Two trials of six tasks."""
    return play(trials=2)


@pytest.fixture(scope="session")
def mixed_run(play: Callable[..., Path], asker: NamedAgent) -> Path:
    """The same agent, and one that shows other films."""
    return play([asker, "random"])
