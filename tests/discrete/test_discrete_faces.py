"""The Discrete view plays the same game through the single env, vectors of any width and mode, and the plain face."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from chatter import MOODY, ShyWorld, as_action
from discrete_play import ENV_ID, choose, play_single, row_of, same_observations, same_records
from gymnasium.vector import AutoresetMode
from msgspec.structs import replace

from crs_gym.rollout import replay, trace_of
from crs_gym.trace import Trace
from crs_gym.worlds import load_world

SETUPS: dict[str, Callable[[], dict[str, Any]]] = {
    "sample": dict,
    "noisy": lambda: {"simulator": "agenda:noise=0.1,patience=5", "max_turns": 7, "split": "test", "k": 3},
    "shy": lambda: {"world": ShyWorld()},
    "moody": lambda: {"simulator": MOODY},
    "silent": lambda: {"simulator": "silent", "show_while_asking": False, "candidates": "popularity"},
    "by ranking": lambda: {"candidates": "item-knn", "n_candidates": 7, "k": 9},
}
SEEDS, EPISODES = range(6), 2


@pytest.fixture(scope="module", params=[*SETUPS])
def setup(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SETUPS[request.param]()


@pytest.fixture(scope="module")
def reference(setup: dict[str, Any]) -> tuple[dict[tuple[int, int], list[Any]], dict[tuple[int, int], Trace]]:
    """What single envs play, and its traces, by (seed, episode)."""
    env: Any = gym.make(ENV_ID, **setup).unwrapped
    records, traces = {}, {}
    for seed in SEEDS:
        for episode in range(EPISODES):
            records[seed, episode] = play_single(env, seed if episode == 0 else None)
            traces[seed, episode] = trace_of(env.engine, 0, env.setting, "policy")
    return records, traces


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("width", [1, 6])
def test_vector(setup: dict[str, Any], reference: Any, width: int, mode: AutoresetMode) -> None:
    envs: Any = gym.make_vec(ENV_ID, width, "vector_entry_point", autoreset_mode=mode, **setup)
    records, traces = play_vector(envs, mode)
    for seed in range(width):
        for episode in range(EPISODES):
            assert same_records(records[seed, episode], reference[0][seed, episode]), (seed, episode)
            if mode is not AutoresetMode.SAME_STEP:  # there the next episode has begun when one could look
                assert traces[seed, episode] == reference[1][seed, episode]


def play_vector(envs: Any, mode: AutoresetMode) -> tuple[dict[Any, Any], dict[Any, Trace]]:
    """The records and traces of the first `EPISODES` episodes of each env."""
    n = envs.num_envs
    observations, infos = envs.reset(seed=0)
    records: list[list[Any]] = [[(row_of(observations, i), infos["task_id"][i])] for i in range(n)]
    played, traces, ended, over = {}, {}, [0] * n, np.zeros(n, bool)
    while min(ended) < EPISODES:
        if mode is AutoresetMode.DISABLED and over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            for i in np.flatnonzero(over).tolist():
                records[i] = [(row_of(observations, i), infos["task_id"][i])]
            over = np.zeros(n, bool)
        actions = np.array([choose(row_of(observations, i)) for i in range(n)])
        assert np.array_equal(envs.action_masks(), observations["action_mask"].astype(bool))
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        assert envs.observation_space.contains(observations)
        was_over, over = over, terminated | truncated
        for i in range(n):
            if was_over[i] and mode is AutoresetMode.NEXT_STEP:
                assert (rewards[i], terminated[i], truncated[i]) == (0, False, False)
                records[i] = [(row_of(observations, i), infos["task_id"][i])]
                continue
            moved = over[i] and mode is AutoresetMode.SAME_STEP
            told = infos["final_info"] if moved else infos
            seen = infos["final_obs"][i] if moved else row_of(observations, i)
            terms = {name: float(values[i]) for name, values in told["reward_terms"].items() if name[0] != "_"}
            shown = tuple(item for item in told["shown"][i].tolist() if item >= 0)
            flags = (float(rewards[i]), bool(terminated[i]), bool(truncated[i]))
            records[i].append((seen, *flags, terms if told["_reward_terms"][i] else None, shown))
            if over[i]:
                key = i, ended[i]
                played[key] = records[i]
                if not moved:
                    traces[key] = trace_of(envs.engine, i, envs.setting, "policy")
                ended[i] += 1
                records[i] = [(row_of(observations, i), infos["task_id"][i])] if moved else records[i]
    return played, traces


def test_the_plain_face_with_the_same_turns_gives_the_same_traces(setup: dict[str, Any], reference: Any) -> None:
    settings = {
        name: value for name, value in setup.items() if name in ("simulator", "max_turns", "split", "k", "world")
    }
    env: Any = gym.make("CRS-Sample-v0", **settings).unwrapped
    for seed in SEEDS:
        wanted = reference[1][seed, 0]
        env.reset(seed=seed)
        for turn in wanted.turns:
            env.step(as_action(turn.agent, env.catalog, env.config.k))
        # A ranking is what the plain face has no place for.
        turns = tuple(replace(turn, agent=dataclasses.replace(turn.agent, ranking=())) for turn in wanted.turns)
        assert trace_of(env.engine, 0, env.setting, "policy") == replace(wanted, turns=turns)


def test_replay(setup: dict[str, Any], reference: Any) -> None:
    world = load_world(setup.get("world", "sample"))
    for trace in reference[1].values():
        assert replay(trace, world) == trace


def test_the_reference_has_something_of_everything(setup: dict[str, Any], reference: Any) -> None:
    traces = list(reference[1].values())
    asks = ["?" in turn.agent.utterance for trace in traces for turn in trace.turns]
    assert any(asks)
    assert not all(asks)
    assert len({turn.agent.items for trace in traces for turn in trace.turns}) > len(traces)
    assert len({trace.outcome for trace in traces}) >= (1 if setup.get("simulator") == "silent" else 2)


def test_a_wider_vector_changes_no_bit() -> None:
    """Sums over a batch must not depend on its width."""
    wide: Any = gym.make_vec(ENV_ID, 96, "vector_entry_point", autoreset_mode="disabled")
    observations, _ = wide.reset(seed=0)
    actions = np.array([choose(row_of(observations, i)) for i in range(96)])
    after = wide.step(actions)[0]
    single = gym.make(ENV_ID)
    for i in range(0, 96, 12):
        assert same_observations(single.reset(seed=i)[0], row_of(observations, i))
        assert same_observations(single.step(actions[i])[0], row_of(after, i))


def test_twins_agree(setup: dict[str, Any]) -> None:
    one, two = gym.make(ENV_ID, **setup), gym.make(ENV_ID, **setup)
    for seed in range(2):
        assert same_records(play_single(one, seed), play_single(two, seed))
