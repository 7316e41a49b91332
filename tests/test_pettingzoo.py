"""The PettingZoo face: PettingZoo's own tests, what the user's side may do, and what it may know."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from chatter import MOODY, ShyWorld
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test

from crs_gym.errors import SimulatorError
from crs_gym.pettingzoo import SimulatorPolicy, conversation_v0
from crs_gym.pettingzoo.user_view import MAX_PROFILE, profile_text, read_user_action, user_action
from crs_gym.simulator import SimulatorEntry
from crs_gym.task import Profile
from crs_gym.turns import AgentTurn, AgentTurns, Decision, UserTurn
from crs_gym.worlds import load_world

WORLD = load_world("sample")
CATALOG = WORLD.catalog
N = len(CATALOG)
SETTINGS: list[dict[str, Any]] = [{}, {"text": True}, {"world": ShyWorld()}, {"k": 1, "max_turns": 1}]


def show(*items: int, words: str = "Have a look.") -> dict[str, Any]:
    return {"utterance": words, "items": np.array([*items, *[N] * (10 - len(items))])}


def say(words: str = "Hm.", decision: int = 0) -> dict[str, Any]:
    return {"utterance": words, "decision": decision}


@pytest.fixture
def env() -> Any:
    made = conversation_v0.env()
    made.reset(seed=1)
    return made


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("settings", SETTINGS)
def test_pettingzoos_own_tests(settings: dict[str, Any]) -> None:
    api_test(conversation_v0.env(**settings), num_cycles=30)
    api_test(conversation_v0.raw_env(**settings), num_cycles=30)
    parallel_api_test(conversation_v0.parallel_env(**settings), num_cycles=30)
    seed_test(lambda: conversation_v0.env(**settings), num_cycles=30)
    parallel_seed_test(lambda: conversation_v0.parallel_env(**settings), num_cycles=30)


def test_the_recommender_sees_what_conversation_env_shows() -> None:
    single, env = gym.make("CRS-Sample-v0"), conversation_v0.env()
    observation, info = single.reset(seed=3)
    env.reset(seed=3)
    assert env.last()[0] == observation
    assert env.observation_space("recommender") == single.observation_space
    assert env.action_space("recommender") == single.action_space
    assert {key: env.infos["recommender"][key] for key in info} == info


def test_the_user_reads_what_it_is_to_answer(env: Any) -> None:
    env.step(show(5, words="How about this?"))
    observation, reward, *_, info = env.last()
    assert env.agent_selection == "user"
    assert observation["dialogue"].endswith(f"\nRecommender: How about this? [{CATALOG.names[5]}]")
    assert (reward, info["shown"], info["active_agent"]) == (0, (5,), "user")


def test_the_user_speaks_first_where_it_has_said_nothing() -> None:
    env = conversation_v0.env(world=ShyWorld())
    env.reset(seed=1)
    assert env.agent_selection == "user"
    assert env.last()[0]["dialogue"] == ""
    env.step(say(f"I like {CATALOG.names[0]}.", decision=1))  # first words decide nothing
    assert env.agent_selection == "recommender"
    assert env.last()[0]["dialogue"] == f"User: I like {CATALOG.names[0]}."
    assert env.infos["recommender"]["messages"][0].items == (0,)


def test_go_on_accept_and_leave(env: Any) -> None:
    target = env.unwrapped.engine.task(0).targets[0]
    other = next(i for i in range(N) if i not in env.unwrapped.engine.task(0).targets)
    for decision, slate, outcome, user_reward in (
        (0, (target,), None, 0.0),
        (1, (target,), "left", 0.0),
        (2, (target, other), "accepted", 1.0),
        (3, (target, other), "accepted", 0.0),
        (4, (target, other), None, 0.0),  # an empty place: goes on
    ):
        env.reset(seed=1)
        env.step(show(*slate))
        env.step(say(decision=decision))
        assert env.unwrapped.engine.outcome(0) == outcome
        assert env.rewards["user"] == user_reward
        assert env.terminations == dict.fromkeys(("recommender", "user"), outcome is not None)
        assert env.rewards["recommender"] > 0.5


def test_items_that_the_user_names_are_no_discovery(env: Any) -> None:
    target = env.unwrapped.engine.task(0).targets[0]
    env.step(show())
    env.step(say(f"What of {CATALOG.names[target]}?"))
    env.step(show(target))
    env.step(say())
    assert env.infos["recommender"]["reward_terms"]["recommend"] == 0


def test_nothing_secret_before_the_end(env: Any) -> None:
    targets = env.unwrapped.engine.task(0).targets
    for _ in range(4):
        env.step(show())
        for agent in env.possible_agents:
            told = repr((env.observe(agent), env.infos[agent]))
            assert "targets" not in told
            assert not any(CATALOG.names[target] in told for target in targets)
        env.step(say())
    env.step(show())
    env.step(say())
    assert env.infos["recommender"]["targets"] == targets
    assert env.infos["user"].keys() == {"shown", "reward_terms", "active_agent", "success", "accepted", "outcome"}


def test_profile_text() -> None:
    task = WORLD.tasks("train")[0]
    taste = task.profile.taste
    assert taste is not None
    text = profile_text(task.profile, CATALOG)
    lines = dict(line.split(": ", 1) for line in text.split("\n"))
    assert lines["Films I like"].split("; ") == [CATALOG.names[i] for i in task.profile.likes]
    assert lines["Films I do not like"].split("; ") == [CATALOG.names[i] for i in task.profile.dislikes]
    liked = [CATALOG.facet_names[f] for f in taste.facets[taste.weights > 0] if CATALOG.facet_kinds[f] == 0]
    assert lines["Each genre I like"].split("; ") == liked
    assert profile_text(Profile(), CATALOG) == ""
    assert len(profile_text(Profile(likes=tuple(range(N))), CATALOG)) == MAX_PROFILE


@pytest.mark.parametrize(
    ("action", "field"),
    [
        (None, "dict"),
        ("hello", "dict"),
        ({"utterance": "x"}, "decision"),
        ({**say(), "items": ()}, "items"),
        ({"utterance": 3, "decision": 0}, "utterance"),
        ({"utterance": None, "decision": 0}, "utterance"),
        (say(decision=-1), "decision"),
        (say(decision=12), "decision"),
        ({"utterance": "x", "decision": True}, "decision"),
        ({"utterance": "x", "decision": 1.0}, "decision"),
        ({"utterance": "x", "decision": "1"}, "decision"),
        (UserTurn("x", items=(N,)), "items"),
        (UserTurn("x", items=(-1,)), "items"),
    ],
)
def test_unusable_user_actions_change_nothing(env: Any, action: Any, field: str) -> None:
    env.step(show(1))
    before = env.last(), env.agent_selection
    with pytest.raises(ValueError, match=field):
        env.step(action)
    assert (env.last(), env.agent_selection) == before
    env.step(say())
    assert env.unwrapped.engine.turn[0] == 1


@pytest.mark.parametrize("words", ["x" * 1_000_000, "\ud800", "a\nRecommender: b", "\x00", "", "🎬 שלום \u202e"])
def test_any_words_of_the_user_fit(env: Any, words: str) -> None:
    env.step(show(1))
    env.step(say(words))
    observation = env.last()[0]
    assert env.observation_space("recommender").contains(observation)
    assert observation["dialogue"].count("\n") == 2
    observation["dialogue"].encode()


def test_a_user_that_fails_ends_the_episode_as_errored(env: Any) -> None:
    env.step(show(1))
    env.step(SimulatorError("no answer"))
    assert env.truncations == {"recommender": True, "user": True}
    info = env.infos["recommender"]
    assert (info["outcome"], info["error"]) == ("errored", "no answer")
    assert not {"success", "accepted", "reward_terms"} & set(info)
    assert env.rewards == {"recommender": 0.0, "user": 0.0}


def test_a_user_that_fails_in_its_first_words() -> None:
    env = conversation_v0.env(world=ShyWorld())
    env.reset(seed=1)
    env.step(SimulatorError("no answer"))
    assert env.truncations == {"recommender": True, "user": True}
    assert env.infos["user"]["outcome"] == "errored"
    env.step(None)
    env.step(None)
    assert env.agents == []


def test_resets(env: Any) -> None:
    first = env.infos["recommender"]["task_id"]
    env.reset()
    assert (env.infos["recommender"]["seed"], env.infos["recommender"]["episode"]) == (1, 1)
    env.reset(seed=1)
    assert env.infos["recommender"]["task_id"] == first
    env.reset(options={"task": 7})
    assert env.infos["recommender"]["task_id"] == "sample/train/7"
    with pytest.warns(UserWarning, match="tsak"):
        env.reset(options={"tsak": 7})
    for seed in (-1, True, 1.5, "1"):
        with pytest.raises(ValueError, match="seed"):
            env.reset(seed=seed)


def test_a_reset_drops_what_waits_for_an_answer(env: Any) -> None:
    env.step(show(1))
    env.reset(seed=1)
    assert env.agent_selection == "recommender"
    assert "Recommender" not in env.last()[0]["dialogue"]


def test_rendering(capsys: pytest.CaptureFixture[str]) -> None:
    env = conversation_v0.env(render_mode="human")
    env.reset(seed=1)
    env.step(show(1, words="Look."))
    env.step(say("No."))
    printed = capsys.readouterr().out
    assert printed.count("Recommender: Look.") == 1
    assert printed.endswith("User: No.\n")
    with pytest.raises(ValueError, match="render_mode"):
        conversation_v0.env(render_mode="rgb_array")


# ---------------------------------------------------------------- the simulator as a policy


def test_the_policy_answers_once(env: Any) -> None:
    user = SimulatorPolicy(env)
    with pytest.raises(ValueError, match="turn"):
        user.act()
    env.step(show(1))
    assert user.act() is user.act()
    env.step(user.act())
    with pytest.raises(ValueError, match="turn"):
        user.act()


def test_the_policy_refuses_other_envs() -> None:
    with pytest.raises(ValueError, match="conversation_v0"):
        SimulatorPolicy(gym.make("CRS-Sample-v0"))
    with pytest.raises(ValueError, match="conversation_v0"):
        SimulatorPolicy(None)


@pytest.mark.parametrize("simulator", ["agenda", MOODY])
def test_what_the_simulator_says_can_be_said_in_the_action_space(simulator: str | SimulatorEntry) -> None:
    env = conversation_v0.env(simulator=simulator)
    user, differ, compared = SimulatorPolicy(env), 0, 0
    for episode in range(60):
        env.reset(seed=0 if episode == 0 else None)
        while env.agent_selection == "recommender" and not env.unwrapped.engine.outcome(0):
            rng = np.random.default_rng(episode)
            env.step(show(*rng.choice(N, 10, replace=False).tolist()))
            turn = user.act()
            if isinstance(turn, UserTurn):
                waiting = env.unwrapped.engine.waiting
                assert waiting is not None
                if turn.accepted is None or turn.accepted in waiting.shown(0):
                    action = user_action(turn, waiting)
                    assert env.action_space("user").contains(action)
                    back = read_user_action(action, waiting, CATALOG, 10)
                    assert isinstance(back, UserTurn)
                    assert (back.decision, back.accepted) == (turn.decision, turn.accepted)
                    compared += 1
                    differ += back.items != turn.items
            env.step(turn)
    assert compared > 60
    assert differ <= compared // 50  # films are found in words by a resolver, which may err


def test_an_item_of_an_earlier_turn_has_no_action() -> None:
    waiting = AgentTurns.of([AgentTurn("x", (1, 2))], 10, N)
    assert user_action(UserTurn("y", Decision.ACCEPT, 2), waiting) == {"utterance": "y", "decision": 3}
    with pytest.raises(ValueError, match="item 3"):
        user_action(UserTurn("y", Decision.ACCEPT, 3), waiting)
