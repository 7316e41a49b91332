"""The same seeds give the same episodes through every face, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from chatter import MOODY, Chatter, ShyWorld, as_action, as_text, chat
from gymnasium.vector import AutoresetMode

from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.pettingzoo import SimulatorPolicy, conversation_v0
from crs_gym.rollout import config_of, replay, rollout, trace_of
from crs_gym.trace import Trace
from crs_gym.worlds import load_world

SETUPS: dict[str, Callable[[], dict[str, Any]]] = {
    "sample": dict,
    "text": lambda: {"text": True},
    "noisy": lambda: {"simulator": "agenda:noise=0.4,patience=5", "max_turns": 7, "split": "test"},
    "shy": lambda: {"world": ShyWorld()},
    "moody": lambda: {"simulator": MOODY},
    "one place": lambda: {"k": 1, "reward": {"preference": 0.3, "recommend": 0.7, "novelty": 0.11}},
}
LEARNED = "learned"
"""The setup whose user is a language model: a tiny one, which a fixture makes."""

SEEDS, EPISODES = range(64), 2

FACTS = ("success", "accepted", "hit_rank", "targets", "outcome", "error")

Record = list[Any]
"""Of one episode, what a face tells: how it begins, and after each step observation, reward, flags and information."""


@pytest.fixture(scope="module", params=[*SETUPS, LEARNED])
def setup(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == LEARNED:
        return {"simulator": request.getfixturevalue("tiny_model").spec}
    return SETUPS[request.param]()


@pytest.fixture(scope="module")
def reference(setup: dict[str, Any]) -> tuple[dict[tuple[int, int], Record], list[Trace]]:
    """What single envs play: records by (seed, episode), and the traces of seed 0."""
    env = gym.make("CRS-Sample-v0", **setup)
    records: dict[tuple[int, int], Record] = {}
    for seed in SEEDS:
        for episode in range(EPISODES):
            records[seed, episode] = play_single(env, seed if episode == 0 else None, setup)
    return records, traces_of_single(setup, 8)


def write(dialogue: str, turn: int, catalog: Catalog, setup: dict[str, Any]) -> Any:
    said = chat(dialogue, turn, catalog)
    return as_text(said, catalog) if setup.get("text") else as_action(said, catalog, setup.get("k", 10))


def begun(dialogue: str, turn: Any, info: dict[str, Any]) -> Record:
    return [(dialogue, int(turn), info["task_id"], int(info["seed"]), int(info["episode"]), info["messages"])]


def stepped(dialogue: str, turn: Any, reward: Any, terminated: Any, truncated: Any, info: dict[str, Any]) -> Any:
    terms = info.get("reward_terms")
    told = {key: info[key].item() if isinstance(info[key], np.generic) else info[key] for key in FACTS if key in info}
    terms = None if terms is None else {name: float(value) for name, value in terms.items()}
    flags = (bool(terminated), bool(truncated))
    return (dialogue, int(turn), float(reward), *flags, terms, info["shown"], info["messages"], told)


def play_single(env: gym.Env[Any, Any], seed: int | None, setup: dict[str, Any]) -> Record:
    catalog = env.unwrapped.catalog  # type: ignore[attr-defined]
    observation, info = env.reset(seed=seed)
    record = begun(observation["dialogue"], observation["turn"], info)
    over = False
    while not over:
        observation, *rest = env.step(write(observation["dialogue"], observation["turn"], catalog, setup))
        record.append(stepped(observation["dialogue"], observation["turn"], *rest))
        over = rest[1] or rest[2]
    return record


def setting_of(setup: dict[str, Any]) -> Any:
    return rollout(config(setup), Chatter(catalog_of(setup)), episodes=1)[0].setting


def config(setup: dict[str, Any]) -> EnvConfig:
    return config_of("CRS-Sample-v0", **{key: value for key, value in setup.items() if key != "text"})


def catalog_of(setup: dict[str, Any]) -> Catalog:
    return load_world(setup.get("world", "sample")).catalog


def traces_of_single(setup: dict[str, Any], episodes: int) -> list[Trace]:
    env, setting = gym.make("CRS-Sample-v0", **setup), setting_of(setup)
    traces = []
    for episode in range(episodes):
        play_single(env, 0 if episode == 0 else None, setup)
        traces.append(trace_of(env.unwrapped.engine, 0, setting, "Chatter"))  # type: ignore[attr-defined]
    return traces


def test_the_reference_has_something_of_everything(
    reference: tuple[dict[tuple[int, int], Record], list[Trace]],
) -> None:
    """What the other tests compare would be worth little if all episodes were alike."""
    ends = [record[-1] for record in reference[0].values()]
    assert len({end[-1]["outcome"] for end in ends}) >= 2
    assert any(end[-1].get("success") for end in ends)
    assert any(not end[-1].get("success") for end in ends)
    assert len({step[2] for record in reference[0].values() for step in record[1:]}) > 50


# ---------------------------------------------------------------- vectors


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_vector(setup: dict[str, Any], reference: Any, width: int, mode: AutoresetMode) -> None:
    envs = gym.make_vec("CRS-Sample-v0", width, "vector_entry_point", autoreset_mode=mode, **setup)
    assert_as_single(envs, mode, setup, reference[0])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_sync_vector_of_single_envs(setup: dict[str, Any], reference: Any, mode: AutoresetMode) -> None:
    envs = gym.make_vec("CRS-Sample-v0", 7, "sync", vector_kwargs={"autoreset_mode": mode}, **setup)
    assert_as_single(envs, mode, setup, reference[0])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_async_vector_of_single_envs(mode: AutoresetMode) -> None:
    single = gym.make("CRS-Sample-v0")
    expected = {(seed, e): play_single(single, None if e else seed, {}) for seed in range(2) for e in range(EPISODES)}
    envs = gym.make_vec("CRS-Sample-v0", 2, "async", vector_kwargs={"autoreset_mode": mode})
    try:
        assert_as_single(envs, mode, {}, expected)
    finally:
        envs.close()


def assert_as_single(envs: Any, mode: AutoresetMode, setup: dict[str, Any], expected: dict[Any, Record]) -> None:
    played = dict(play_vector(envs, mode, setup, catalog_of(setup)))
    wanted = {(seed, episode) for seed in range(envs.num_envs) for episode in range(EPISODES)}
    assert wanted <= set(played)
    for key in sorted(wanted):
        assert played[key] == expected[key], key


def play_vector(
    envs: Any, mode: AutoresetMode, setup: dict[str, Any], catalog: Catalog
) -> Iterator[tuple[tuple[int, int], Record]]:
    """The records of the first `EPISODES` episodes of each env, as they end."""
    n = envs.num_envs
    observations, infos = envs.reset(seed=0)
    records = [begun(*seen(observations, i), info_of(infos, i)) for i in range(n)]
    ended, over = [0] * n, np.zeros(n, bool)
    while min(ended) < EPISODES:
        if mode is AutoresetMode.DISABLED and over.any():
            observations, infos = envs.reset(options={"reset_mask": over})
            for i in np.flatnonzero(over).tolist():
                records[i] = begun(*seen(observations, i), info_of(infos, i))
            over = np.zeros(n, bool)
        actions = [write(*seen(observations, i), catalog, setup) for i in range(n)]
        observations, rewards, terminated, truncated, infos = envs.step(batched(actions))
        assert envs.observation_space.contains(observations)
        was_over, over = over, terminated | truncated
        for i in range(n):
            if was_over[i] and mode is AutoresetMode.NEXT_STEP:
                assert (rewards[i], terminated[i], truncated[i]) == (0, False, False)
                records[i] = begun(*seen(observations, i), info_of(infos, i))
                continue
            flags = (rewards[i], terminated[i], truncated[i])
            if over[i] and mode is AutoresetMode.SAME_STEP:
                last = infos["final_obs"][i]
                final = info_of(infos["final_info"], i)
                records[i].append(stepped(last["dialogue"], last["turn"], *flags, final))
            else:
                records[i].append(stepped(*seen(observations, i), *flags, info_of(infos, i)))
            if over[i]:
                ended[i] += 1
                yield (records[i][0][3], records[i][0][4]), records[i]
                if mode is AutoresetMode.SAME_STEP:
                    records[i] = begun(*seen(observations, i), info_of(infos, i))


def seen(observations: dict[str, Any], i: int) -> tuple[str, int]:
    return observations["dialogue"][i], int(observations["turn"][i])


def info_of(infos: dict[str, Any], i: int) -> dict[str, Any]:
    """Env `i`'s information, by gymnasium's masks."""
    return {
        key: info_of(value, i) if isinstance(value, dict) else value[i]
        for key, value in infos.items()
        if not key.startswith("_") and infos[f"_{key}"][i]
    }


def batched(actions: list[Any]) -> Any:
    if isinstance(actions[0], str):
        return tuple(actions)
    return {
        "utterance": tuple(action["utterance"] for action in actions),
        "items": np.stack([action["items"] for action in actions]),
    }


# ---------------------------------------------------------------- rollouts and PettingZoo


@pytest.mark.parametrize("num_envs", [1, 3, 64])
def test_rollout(setup: dict[str, Any], reference: Any, num_envs: int) -> None:
    agent = Chatter(catalog_of(setup), text=bool(setup.get("text")))
    assert rollout(config(setup), agent, episodes=8, num_envs=num_envs) == reference[1]


def test_replay(setup: dict[str, Any], reference: Any) -> None:
    world = load_world(setup.get("world", "sample"))
    assert [replay(trace, world) for trace in reference[1]] == reference[1]


def test_pettingzoo(setup: dict[str, Any], reference: Any) -> None:
    env, setting = conversation_v0.env(**setup), setting_of(setup)
    user, catalog = SimulatorPolicy(env), catalog_of(setup)
    traces, records = [], []
    for episode in range(8):
        env.reset(seed=0 if episode == 0 else None)
        record: Record = []
        for agent in env.agent_iter():
            observation, _, terminated, truncated, _ = env.last()
            if terminated or truncated:
                env.step(None)
            elif agent == "user":
                assert env.observation_space("user").contains(observation)
                answers = env.unwrapped.engine.waiting is not None
                env.step(user.act())
                if answers:
                    ends = (env.terminations["recommender"], env.truncations["recommender"])
                    now = env.observe("recommender")
                    info = env.infos["recommender"]
                    record.append(stepped(now["dialogue"], now["turn"], env.rewards["recommender"], *ends, info))
            else:
                record = record or begun(observation["dialogue"], observation["turn"], env.infos["recommender"])
                env.step(write(observation["dialogue"], observation["turn"], catalog, setup))
        records.append(record)
        traces.append(trace_of(env.unwrapped.engine, 0, setting, "Chatter"))
    assert traces == reference[1]
    assert records[:EPISODES] == [reference[0][0, episode] for episode in range(EPISODES)]


def test_pettingzoo_parallel(setup: dict[str, Any], reference: Any) -> None:
    env, setting = conversation_v0.parallel_env(**setup), setting_of(setup)
    user, catalog = SimulatorPolicy(env), catalog_of(setup)
    traces, returns = [], []
    for episode in range(8):
        observations, infos = env.reset(seed=0 if episode == 0 else None)
        returns.append(0.0)
        while env.agents:
            active = infos["recommender"]["active_agent"]
            now = observations["recommender"]
            action = user.act() if active == "user" else write(now["dialogue"], now["turn"], catalog, setup)
            observations, rewards, _, _, infos = env.step({active: action})
            returns[-1] += rewards["recommender"]
        traces.append(trace_of(env.unwrapped.engine, 0, setting, "Chatter"))
    assert traces == reference[1]
    for trace, total in zip(traces, returns, strict=True):
        assert trace.total_return is None or trace.total_return == total


# ---------------------------------------------------------------- nothing from outside


def test_twins_agree_whatever_else_happens(setup: dict[str, Any]) -> None:
    """Two envs of the same seed step alike, with other envs and changed global generators between their steps."""
    first, second = gym.make("CRS-Sample-v0", **setup), gym.make("CRS-Sample-v0", **setup)
    other = gym.make("CRS-Sample-v0", **setup)
    catalog = catalog_of(setup)
    other.reset(seed=99)
    for episode in range(4):
        seed = 5 if episode == 0 else None
        one = first.reset(seed=seed)
        np.random.seed(episode)  # noqa: NPY002  # the global generator is what is tampered with
        random.seed(episode)
        two = second.reset(seed=seed)
        assert one == two
        over = False
        while not over:
            action = write(one[0]["dialogue"], one[0]["turn"], catalog, setup)
            one = first.step(action)  # type: ignore[assignment]
            np.random.seed(7)  # noqa: NPY002
            result = other.step(other.action_space.sample())
            if result[2] or result[3]:
                other.reset()
            two = second.step(action)  # type: ignore[assignment]
            assert one == two
            over = one[2] or one[3]  # type: ignore[misc]


def test_the_global_generators_are_left_alone() -> None:
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    before = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    rollout("CRS-Sample-v0", Chatter(load_world("sample").catalog), episodes=4)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[index]  # noqa: NPY002


def test_seeds_and_episodes_differ(reference: Any) -> None:
    tasks = {(record[0][2], record[0][0]) for record in reference[0].values()}
    assert len(tasks) > 100
