"""What an action does: slates, questions, words; what the mask forbids; what is refused."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from discrete_play import ENV_ID

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.discrete.env import DiscreteEnv
from crs_gym.discrete.wording import NOTHING_LEFT, worded
from crs_gym.errors import UnknownNameError
from crs_gym.questions import NO_QUESTION, asked_facet
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds import load_world

C = 20


def begun(**settings: Any) -> DiscreteEnv:
    env = gym.make(ENV_ID, **settings).unwrapped
    assert isinstance(env, DiscreteEnv)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("first", [0, 3, 9, 10, 19])
def test_a_candidate_comes_first_and_the_best_others_behind(first: int) -> None:
    env = begun()
    best = env.view.candidates(0)
    assert len(set(best)) == C
    env.step(first)
    others = [item for item in best if item != best[first]]
    turn = env.engine.log(0)[0].agent()
    assert turn.items == (best[first], *others[:9])
    assert turn.ranking == (best[first], *others)
    assert asked_facet(turn.utterance) == NO_QUESTION


@pytest.mark.parametrize("kind", range(len(FACET_KINDS)))
def test_a_question_is_asked_and_films_are_shown_with_it(kind: int) -> None:
    env = begun()
    best = env.view.candidates(0)
    observation = env.step(C + kind)[0]
    turn = env.engine.log(0)[0].agent()
    assert asked_facet(turn.utterance) == kind
    assert turn.items == best[:10]
    assert observation["asked"].tolist() == [0.5 if other == kind else 0.0 for other in range(4)]
    silent = begun(show_while_asking=False)
    observation = silent.step(C + kind)[0]
    turn = silent.engine.log(0)[0].agent()
    assert (turn.items, asked_facet(turn.utterance)) == ((), kind)
    assert observation["shown"] == 0


def test_nothing_is_shown_twice() -> None:
    env = begun(simulator="silent", max_turns=9)
    shown: list[int] = []
    for action in (0, C, 5, C + 3, 19, 0, 1, 2, 3):
        assert not set(env.view.candidates(0)) & set(shown)
        shown += env.step(action)[-1]["shown"]
    assert len(set(shown)) == len(shown) == 90


def test_what_the_mask_forbids_falls_back() -> None:
    """77 turns of 12 films use up all 914 films of the catalogue, of which the seeker has named two."""
    env = begun(simulator="silent", k=12, max_turns=80)
    for _ in range(77):
        left = env.view.candidates(0)
        mask = env.action_masks()
        assert mask[:C].tolist() == [place < len(left) for place in range(C)]
        assert mask[C:].all()
        forbidden = C - 1  # for as long as it is there, it is allowed
        observation, _, _, _, info = env.step(forbidden)
        assert env.observation_space.contains(observation)
        first = left[-1] if len(left) == C else left[0] if left else None
        assert (info["shown"][0] if info["shown"] else None) == first
    assert not env.view.candidates(0)
    assert env.action_masks()[:C].sum() == 0
    env.step(0)
    assert env.engine.log(0)[-1].agent() == AgentTurn(NOTHING_LEFT)
    env.step(C)
    assert env.engine.log(0)[-1].agent().items == ()


@pytest.mark.parametrize(
    "bad", [-1, C + 4, 1.0, np.float32(2), np.nan, True, "3", None, [1], np.array([0]), {"a": 1}, [[1], [2, 3]]]
)
def test_unusable_actions_name_the_field_and_change_nothing(bad: Any) -> None:
    env, twin = begun(), begun()
    with pytest.raises(ValueError, match="action"):
        env.step(bad)
    assert str(env.step(2)) == str(twin.step(2))


@pytest.mark.parametrize("bad", [0, [0], np.zeros(3), np.zeros((2, 1), int), [0, 24], [[0], [1, 2]]])
def test_unusable_actions_of_a_vector(bad: Any) -> None:
    envs = gym.make_vec(ENV_ID, 2, "vector_entry_point")
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        envs.step(bad)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("encode", "words", "must be one of belief"),
        ("n_candidates", 0, "must be a whole number from 1"),
        ("n_candidates", 2.0, "must be a whole number from 1"),
        ("n_candidates", 915, "at most 914"),
        ("show_while_asking", 1, "must be True or False"),
        ("candidates", "", "must be an agent's name"),
        ("candidates", "oracle", "it is shown the targets"),
        ("k", 0, "k=0"),
    ],
)
def test_unusable_settings(setting: str, value: Any, message: str) -> None:
    for make in (lambda **s: gym.make(ENV_ID, **s), lambda **s: gym.make_vec(ENV_ID, 2, "vector_entry_point", **s)):
        with pytest.raises(ValueError, match=message):
            make(**{setting: value})


def test_unknown_names_are_told() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'ease'"):
        gym.make(ENV_ID, candidates="eases")
    with pytest.raises(UnknownNameError, match="n_candidate"):
        gym.make(ENV_ID, n_candidate=3)


def test_words_are_what_a_turn_made_of_them_would_be() -> None:
    """Words that are rendered late must not differ from words that are cleaned at once, and ask what is known."""
    env = begun()
    for action in (4, C + 1, C + 3):
        if not env.engine.active[0]:
            break
        env.step(action)
        record = env.engine.log(0)[-1]
        turn = record.agent()
        columns = AgentTurns.of([turn], 10, len(env.catalog))
        assert columns.turn(0) == turn
        assert columns.asked() == record.agents.asked()


def test_no_title_turns_a_sentence_into_a_question() -> None:
    rows = [(str(i), title, 1990, {}) for i, title in enumerate(("Which Decade?", "Who? What genre?", "Up\nDown"))]
    catalog = Catalog.from_rows(rows)
    assert asked_facet(worded(catalog, (0, 1), NO_QUESTION)) == NO_QUESTION
    assert asked_facet(worded(catalog, (0, 1), 2)) == 2
    assert worded(catalog, (2,), NO_QUESTION).isprintable()
    sample = load_world("sample").catalog
    for item in range(0, len(sample), 7):
        for asked in (NO_QUESTION, *range(4)):
            assert asked_facet(worded(sample, (item,), asked)) == asked
