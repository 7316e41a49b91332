"""`encode="minilm"`: what the user said as embeddings, beside the same belief, through every face."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID, choose, row_of
from tiny_models import need_transformers

from crs_gym.discrete import dialogue_encoder
from crs_gym.discrete.dialogue_encoder import WIDTH, DialogueEncoder, fields_of
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.errors import WeightsError
from crs_gym.rollout import rollout, trace_of
from crs_gym.task import Message
from crs_gym.worlds import load_world

SETTINGS: dict[str, Any] = {"encode": "minilm", "simulator": "scripted", "candidates": "popularity"}


class Hashes:
    """Stands for the model: a unit vector for each text, by its letters. Remembers what it was asked."""

    width = WIDTH

    def __init__(self) -> None:
        self.asked: list[str] = []

    def remembered(self, texts: list[str]) -> Any:
        self.asked += texts
        return np.array([self.vector(text) for text in texts], np.float16).reshape(len(texts), WIDTH)

    @staticmethod
    def vector(text: str) -> Any:
        letters = np.bincount([ord(c) % WIDTH for c in text] or [0], minlength=WIDTH).astype(np.float32)
        return letters / np.linalg.norm(letters)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Hashes:
    found = Hashes()
    monkeypatch.setattr(dialogue_encoder, "_loaded", lambda: found)
    return found


@pytest.fixture(scope="module")
def minilm() -> Iterator[None]:
    need_transformers()
    try:
        dialogue_encoder._loaded()
    except WeightsError as error:
        pytest.skip(str(error))
    yield
    dialogue_encoder._loaded.cache_clear()


def test_what_is_embedded_is_what_the_user_said(hashes: Hashes) -> None:
    dialogues = [
        [Message("user", "I love comedy."), Message("recommender", "Heat?"), Message("user", "No.")],
        [Message("recommender", "Hello!")],
    ]
    arrays = {field.name: np.full((2, WIDTH), np.nan, np.float32) for field in fields_of("minilm")}
    DialogueEncoder(dialogues.__getitem__).encode(np.array([0, 1]), arrays)
    first, last = (hashes.vector(text).astype(np.float16).astype(np.float32) for text in ("I love comedy.", "No."))
    np.testing.assert_array_equal(arrays["said"][0], last)
    np.testing.assert_allclose(arrays["all_said"][0], (first + last) / np.linalg.norm(first + last), rtol=1e-6)
    assert not arrays["said"][1].any()
    assert not arrays["all_said"][1].any()
    assert hashes.asked == ["I love comedy.", "No."]


@pytest.mark.usefixtures("hashes")
def test_the_belief_is_as_it_was() -> None:
    env, plain = gym.make(ENV_ID, **SETTINGS), gym.make(ENV_ID, **{**SETTINGS, "encode": "belief"})
    observation, other = env.reset(seed=1)[0], plain.reset(seed=1)[0]
    assert set(observation) - set(other) == {"said", "all_said"}
    over, last = False, None
    while not over:
        assert env.observation_space.contains(observation)
        assert all(np.array_equal(observation[name], other[name]) for name in other)
        assert not np.array_equal(observation["said"], last)
        last = observation["said"]
        action = choose(other)
        observation, _, terminated, truncated, _ = env.step(action)
        other = plain.step(action)[0]
        over = terminated or truncated


@pytest.mark.usefixtures("hashes")
def test_every_face_shows_the_same() -> None:
    envs, single = gym.make_vec(ENV_ID, 3, "vector_entry_point", **SETTINGS), gym.make(ENV_ID, **SETTINGS)
    observations, _ = envs.reset(seed=5)
    seen, over, turns = single.reset(seed=6)[0], False, 0
    while not over:
        assert envs.observation_space.contains(observations)
        assert all(np.array_equal(observations[name][1], seen[name]) for name in seen)
        actions = np.array([choose(row_of(observations, i)) for i in range(3)])
        observations = envs.step(actions)[0]
        seen, _, terminated, truncated, _ = single.step(int(actions[1]))
        over, turns = terminated or truncated, turns + 1
    assert turns > 1
    assert all(np.array_equal(observations[name][1], seen[name]) for name in seen)


@pytest.mark.usefixtures("hashes")
def test_an_agent_sees_what_the_env_shows() -> None:
    env: Any = gym.make(ENV_ID, **SETTINGS).unwrapped
    played = []
    for episode in range(3):
        observation, _ = env.reset(seed=0 if episode == 0 else None)
        over = False
        while not over:
            observation, _, terminated, truncated, _ = env.step(choose(observation))
            over = terminated or truncated
        played.append(trace_of(env.engine, 0, env.setting, "agent").turns)

    def policy(observations: Any, masks: Any) -> Any:
        return np.array([choose(row_of(observations, i)) for i in range(len(masks))])

    agent = DiscreteAgent(load_world("sample"), policy, candidates="popularity", encode="minilm")
    traces = rollout("CRS-Sample-v0", agent, episodes=3, simulator="scripted")
    assert [trace.turns for trace in traces] == played


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crs_gym.lm.sentence_encoder", None)
    dialogue_encoder._loaded.cache_clear()
    with pytest.raises(WeightsError, match=r"encode='minilm' needs .*crs-gym\[llm\]"):
        gym.make(ENV_ID, encode="minilm")
    monkeypatch.undo()


@pytest.mark.usefixtures("minilm")
def test_the_real_model() -> None:
    """People who say alike things look alike; and one model serves all envs."""
    texts = ["I'm in the mood for a good laugh.", "A funny comedy would be great.", "I like bloody slasher films."]
    dialogues = [[Message("user", text)] for text in texts]
    arrays = {field.name: np.zeros((3, WIDTH), np.float32) for field in fields_of("minilm")}
    DialogueEncoder(dialogues.__getitem__).encode(np.arange(3), arrays)
    said = arrays["said"]
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), 1, atol=2e-3)
    assert said[0] @ said[1] > said[0] @ said[2] + 0.1
    envs = gym.make_vec(ENV_ID, 2, "vector_entry_point", encode="minilm")
    single = gym.make(ENV_ID, encode="minilm")
    observations, _ = envs.reset(seed=0)
    np.testing.assert_allclose(observations["said"][0], single.reset(seed=0)[0]["said"], atol=0.02)
    assert dialogue_encoder._loaded() is dialogue_encoder._loaded()
