"""Everything that is registered keeps its contract. What cannot be built fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest
from chatter import MOODY, ShyWorld

import crs_gym
from crs_gym import worlds
from crs_gym.agent import AGENTS
from crs_gym.registration import WORLDS
from crs_gym.simulator import SIMULATORS
from crs_gym.testing import check_agent, check_env, check_simulator, check_world

DATA = Path(os.environ.get("CRS_GYM_DATA") or Path(__file__).parents[2] / "shared" / "data")
SPLIT_THERE = {"inspired": "valid"}
"""The split that is played where the data folder has no train split: of INSPIRED it may hold the dev file only."""


@pytest.fixture(autouse=True, scope="module")
def _data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The data folder, if there is one, and a cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        if DATA.is_dir():
            patch.setenv("CRS_GYM_DATA", str(DATA))
        patch.setenv("CRS_GYM_CACHE", str(tmp_path_factory.mktemp("cache")))
        worlds._recorded.cache_clear()
        yield
        worlds._recorded.cache_clear()


def need(world: str) -> None:
    if world != "sample" and not (DATA / world).is_dir():
        pytest.skip(f"needs the corpus {world}: {DATA / world} is not there (set CRS_GYM_DATA)")


def world_of(env_id: str) -> str:
    return next(name for part, name in WORLDS.items() if part in env_id)


@pytest.mark.parametrize("env_id", crs_gym.ENV_IDS)
def test_envs(env_id: str) -> None:
    world = world_of(env_id)
    need(world)
    check_env(lambda: gym.make(env_id, split=SPLIT_THERE.get(world, "train")))


@pytest.mark.parametrize("settings", [{"k": 1, "max_turns": 2}, {"simulator": MOODY}, {"reward": {"recommend": 1}}])
def test_env_settings(settings: dict[str, object]) -> None:
    check_env(lambda: gym.make("CRS-Sample-v0", **settings))


def test_env_where_the_user_speaks_first() -> None:
    world = ShyWorld()
    check_env(lambda: gym.make("CRS-Sample-v0", world=world))


@pytest.mark.parametrize("simulator", list(SIMULATORS))
def test_simulators(simulator: str) -> None:
    check_simulator(simulator)


@pytest.mark.parametrize("simulator", list(SIMULATORS))
def test_simulators_without_tastes(simulator: str) -> None:
    check_simulator(simulator, ShyWorld())


def test_simulator_options() -> None:
    check_simulator("agenda:noise=0.4,patience=1")
    check_simulator("agenda", noise=1.0)
    check_simulator(MOODY)


@pytest.mark.parametrize("agent", list(AGENTS))
def test_agents(agent: str) -> None:
    check_agent(agent)


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_worlds(world: str) -> None:
    need(world)
    check_world(world)


@pytest.mark.parametrize("world", [name for name in worlds.WORLDS if name != "sample"])
def test_the_default_user_of_recorded_worlds(world: str) -> None:
    need(world)
    check_simulator("agenda", world)
