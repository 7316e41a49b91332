"""Observations from real games of the Sample world, at every turn."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_play import Game
from corpora import need_corpora

from crs_gym.agent import OracleObservation
from crs_gym.task import Message
from crs_gym.turns import AgentTurn
from crs_gym.worlds import World, load_world


@pytest.fixture(scope="session")
def sample() -> World:
    return load_world("sample")


@pytest.fixture(scope="session")
def redial(real_cache: Path) -> World:
    data = need_corpora("redial")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRS_GYM_DATA", str(data))
        patch.setenv("CRS_GYM_CACHE", str(real_cache))
        return load_world("redial")


@pytest.fixture(scope="session")
def observations(sample: World) -> list[OracleObservation]:
    """32 observations: a bare start, and games in which an agent asks, shows three items and is answered."""
    game = Game(sample, sample.tasks("train")[:14])
    seen = game.observations()
    by_popularity = sample.catalog.by_popularity.tolist()
    questions = ("What genre are you in the mood for?", "Which decade should the film be from?")
    for turn, question in enumerate(questions):
        shown = [[i for i in by_popularity if i not in o.named_items()][:3] for o in game.observations()]
        game.step([AgentTurn(question if turn % 2 else f"Try these. {question}", tuple(items)) for items in shown])
        seen += game.observations()
    empty = OracleObservation((), 0, 5, 10, 50, 1, targets=(3,))
    hello = OracleObservation((Message("user", "Hello there!"),), 0, 5, 10, 50, 2, targets=(900,))
    return [empty, hello, *seen[:10], *seen[-20:]]
