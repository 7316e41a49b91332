"""Everything that is registered keeps its contract. What cannot be built fails; what needs weights has small ones here.

Users that a language model plays are checked with a tiny model in the place of theirs: real, but of random weights. The
default user of recorded worlds is played with its own weights, too, where these are installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from chatter import MOODY, ShyWorld
from corpora import REAL_DATA, need_corpora

import crs_gym
from crs_gym import worlds
from crs_gym.agent import AGENTS
from crs_gym.lm.scripted import ScriptedModel
from crs_gym.registration import DEFAULT_SIMULATOR, WORLDS
from crs_gym.simulator import SIMULATORS
from crs_gym.testing import check_agent, check_env, check_simulator, check_world
from crs_gym.testing.check import run_checks
from crs_gym.testing.env_checks import ENV_CHECKS, EnvSubject

SPLIT_THERE = {"inspired": "valid"}
"""The split that is played where the data folder has no train split: of INSPIRED it may hold the dev file only."""

RECORDED = [name for name in worlds.WORLDS if name != "sample"]
RECORDED_IDS = [env_id for env_id in crs_gym.ENV_IDS if "Sample" not in env_id]


@pytest.fixture(autouse=True, scope="module")
def _data_folder(real_cache: Path) -> Iterator[None]:
    """The data folder, if there is one, and the cache that goes with it."""
    with pytest.MonkeyPatch.context() as patch:
        if REAL_DATA.is_dir():
            patch.setenv("CRS_GYM_DATA", str(REAL_DATA))
        patch.setenv("CRS_GYM_CACHE", str(real_cache))
        worlds._recorded.cache_clear()
        yield
        worlds._recorded.cache_clear()


def need(world: str) -> None:
    if world != "sample":
        need_corpora(world)


def world_of(env_id: str) -> str:
    return next(name for part, name in WORLDS.items() if part in env_id)


def make(env_id: str, **settings: Any) -> gym.Env[Any, Any]:
    """An environment of a split that is there, with candidates that need no other one."""
    world = world_of(env_id)
    if "-Discrete-" in env_id and world in SPLIT_THERE:
        settings["candidates"] = "popularity"
    return gym.make(env_id, split=SPLIT_THERE.get(world, "train"), **settings)


def small_weights(simulator: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options with which a simulator has small weights in the place of its own; none where it needs no weights."""
    if simulator in ("sft", "sft-oracle"):
        tiny = request.getfixturevalue("tiny_model")
        return {"base": str(tiny.base), "adapter": str(tiny.adapter)}
    if simulator == "zero-shot":  # it asks of each film by itself: a tiny model takes a minute
        return {"model": ScriptedModel(odds=lambda _, words: [0.9 / len(words)] * len(words))}
    return {}


# ---------------------------------------------------------------- environments


def test_ids_of_a_world_with_exact_tastes_need_no_model() -> None:
    for env_id in crs_gym.ENV_IDS:
        wanted = DEFAULT_SIMULATOR if env_id in RECORDED_IDS else "agenda"
        assert gym.spec(env_id).kwargs["simulator"] == wanted, env_id


@pytest.mark.parametrize("env_id", [env_id for env_id in crs_gym.ENV_IDS if env_id not in RECORDED_IDS])
def test_envs(env_id: str) -> None:
    check_env(lambda: make(env_id))


@pytest.mark.parametrize("simulator", [DEFAULT_SIMULATOR, "agenda"])
@pytest.mark.parametrize("env_id", RECORDED_IDS)
def test_envs_of_recorded_worlds(env_id: str, simulator: str, request: pytest.FixtureRequest) -> None:
    need(world_of(env_id))
    options = small_weights(simulator, request)
    spec = ":".join([simulator, *([",".join(f"{name}={value}" for name, value in options.items())] if options else [])])
    check_env(lambda: make(env_id, simulator=spec))


@pytest.fixture(scope="module")
def weights(smollm2: Path) -> Iterator[None]:
    """The default user's own, which stay loaded from one test to the next."""
    del smollm2
    from crs_gym.lm.loading import load_language_model
    from crs_simulators.sft.simulator import ADAPTER, BASE

    loaded = load_language_model(BASE, adapter=ADAPTER)
    yield
    del loaded


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("env_id", RECORDED_IDS)
def test_ids_as_they_are_registered(env_id: str) -> None:
    """With nothing but the id's own settings: a turn each, since a real model takes its time."""
    need(world_of(env_id))
    env = make(env_id)
    assert env.unwrapped.setting.simulator == DEFAULT_SIMULATOR  # type: ignore[attr-defined]
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    observation, _, _, _, info = env.step(env.action_space.sample())
    assert env.observation_space.contains(observation)
    assert info.get("outcome") != "errored"
    assert info["messages"][-1].role == "user"


@pytest.mark.usefixtures("weights")
def test_an_id_as_it_is_registered_refuses_what_it_should() -> None:
    """The checks that play the least; the others are as those above, with a tiny model."""
    need("redial")
    checks = {name: ENV_CHECKS[name] for name in ("bad-actions", "end")}
    run_checks(checks, EnvSubject(lambda: make("CRS-Redial-v0", k=2, max_turns=1)), "CRS-Redial-v0")


@pytest.mark.parametrize("settings", [{"k": 1, "max_turns": 2}, {"simulator": MOODY}, {"reward": {"recommend": 1}}])
def test_env_settings(settings: dict[str, object]) -> None:
    check_env(lambda: gym.make("CRS-Sample-v0", **settings))


def test_env_where_the_user_speaks_first() -> None:
    world = ShyWorld()
    check_env(lambda: gym.make("CRS-Sample-v0", world=world))


# ---------------------------------------------------------------- users


@pytest.mark.parametrize("simulator", list(SIMULATORS))
def test_simulators(simulator: str, request: pytest.FixtureRequest) -> None:
    check_simulator(simulator, **small_weights(simulator, request))


@pytest.mark.parametrize("simulator", list(SIMULATORS))
def test_simulators_without_tastes(simulator: str, request: pytest.FixtureRequest) -> None:
    check_simulator(simulator, ShyWorld(), **small_weights(simulator, request))


def test_simulator_options() -> None:
    check_simulator("agenda:noise=0.4,patience=1")
    check_simulator("agenda", noise=1.0)
    check_simulator(MOODY)


@pytest.mark.parametrize("simulator", [DEFAULT_SIMULATOR, "agenda"])
@pytest.mark.parametrize("world", RECORDED)
def test_users_of_recorded_worlds(world: str, simulator: str, request: pytest.FixtureRequest) -> None:
    need(world)
    check_simulator(simulator, world, **small_weights(simulator, request))


# ---------------------------------------------------------------- recommenders and worlds


TRAINED = {"dual-view", "smtpo", "maskable-ppo", "ppo", "dqn", "recurrent-ppo"}
"""Agents that need a folder of weights: checked with small ones in `tests/agents/`."""

SPECS = {"moved": "moved:sample:ease"}
"""Agents that say nothing without an argument, with one."""


@pytest.mark.parametrize("agent", [name for name in AGENTS if name not in TRAINED])
def test_agents(agent: str) -> None:
    check_agent(SPECS.get(agent, agent))


@pytest.mark.parametrize("world", worlds.WORLDS)
def test_worlds(world: str) -> None:
    need(world)
    check_world(world)
