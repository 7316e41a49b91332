"""A policy plays the same dialogues as an agent, from words, as in the Discrete env."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID, choose, play_single, row_of
from msgspec.structs import replace

from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.rollout import rollout, trace_of
from crs_gym.worlds import load_world


def policy(observations: Any, masks: Any) -> Any:
    assert np.array_equal(observations["action_mask"].astype(bool), masks)
    return np.array([choose(row_of(observations, i)) for i in range(len(masks))])


@pytest.mark.parametrize(
    ("simulator", "settings"),
    [
        ("silent", {}),
        ("silent", {"candidates": "item-knn", "n_candidates": 7, "show_while_asking": False}),
        ("scripted", {"candidates": "popularity"}),
    ],
)
def test_an_agent_plays_what_the_env_plays(simulator: str, settings: dict[str, Any]) -> None:
    """Users whom the env reads, too. `agenda` may tell more in columns than a reader finds in its words."""
    env: Any = gym.make(ENV_ID, simulator=simulator, **settings).unwrapped
    played = []
    for episode in range(6):
        play_single(env, 0 if episode == 0 else None)
        played.append(trace_of(env.engine, 0, env.setting, "DiscreteAgent"))
    agent = DiscreteAgent(load_world("sample"), policy, **settings)
    for num_envs in (1, 4):
        traces = rollout("CRS-Sample-v0", agent, episodes=6, num_envs=num_envs, simulator=simulator)
        assert [replace(trace, agent="DiscreteAgent") for trace in traces] == played


def test_no_observations_no_turns() -> None:
    assert DiscreteAgent(load_world("sample"), policy, candidates="popularity").act([]) == []
