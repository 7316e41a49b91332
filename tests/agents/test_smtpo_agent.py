"""The agent `smtpo:DIR`, on a tiny model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crs_agents.smtpo import SMTPO
from crs_agents.smtpo.agent import PlayOptions, SmtpoAgent, build, play_options, stage_folder
from crs_agents.smtpo.options import PolicyOptions, read_options, write_options
from crs_gym.agent import AgentEntry, NamedAgent, Observation
from crs_gym.config import EnvConfig
from crs_gym.errors import WeightsError
from crs_gym.game import Game
from crs_gym.rollout import play_game
from crs_gym.testing import check_agent
from crs_gym.worlds import World


@pytest.fixture(scope="module")
def folder(tiny_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy without an adapter: the tiny model as it is."""
    directory = tmp_path_factory.mktemp("policy")
    write_options(PolicyOptions(base=str(tiny_model.base), n=6, listed=3), directory)
    return directory


@pytest.fixture(scope="module")
def act(folder: Path, sample: World) -> Callable[[], SmtpoAgent]:
    return lambda: build(sample, f"{folder},max_tokens=12,temperature=1")


def test_it_is_what_an_agent_is_held_to(folder: Path) -> None:
    check_agent(AgentEntry(lambda world: build(world, f"{folder},max_tokens=8,temperature=1"), "tiny"))


class Watches:
    """Lets another agent act, and keeps what it saw and said."""

    def __init__(self, agent: SmtpoAgent) -> None:
        self.agent = agent
        self.seen: list[Observation] = []
        self.said: list[tuple[str, tuple[int, ...]]] = []

    def act(self, observations: list[Observation]) -> list[object]:
        turns = self.agent.act(observations)
        self.seen += observations
        self.said += [(turn.reasoning, turn.items) for turn in turns]
        return list(turns)


def test_what_is_kept_between_turns_changes_nothing(act: Callable[[], SmtpoAgent]) -> None:
    watching = Watches(act())
    game = Game(EnvConfig.of(world="sample", simulator="silent", max_turns=3), num_dialogues=3)
    list(play_game(game, NamedAgent("watched", watching), [game.next_episode(5, number) for number in range(3)]))  # type: ignore[arg-type]
    assert {o.turn for o in watching.seen} == {0, 1, 2}
    fresh = act()
    again = [(turn.reasoning, turn.items) for turn in fresh.act(watching.seen)]
    assert again == watching.said
    assert len(set(again)) > 3


def test_slots_of_dialogues_that_are_over_are_forgotten(
    act: Callable[[], SmtpoAgent], observations: list[Observation]
) -> None:
    agent = act()
    agent.act(observations[:6])
    assert sum(map(len, agent._slots.values())) == 6
    agent.act(observations[:1])
    assert sum(map(len, agent._slots.values())) == 1
    agent.act([replace(observations[2], max_turns=1)])  # nothing comes after its last turn
    assert not agent._slots


def test_a_text_without_the_right_form_is_shown_and_says_so(
    folder: Path, sample: World, observations: list[Observation]
) -> None:
    for turn in build(sample, f"{folder},max_tokens=8,guided=false").act(observations[3:5]):
        assert turn.items
        assert turn.understood
        assert not turn.well_formed


def test_a_model_that_has_learned_nothing_is_well_formed_all_the_same(
    folder: Path, sample: World, observations: list[Observation]
) -> None:
    turns = build(sample, f"{folder},max_tokens=2000,temperature=1").act(observations)
    assert all(turn.well_formed for turn in turns)
    assert len({turn.reasoning for turn in turns}) > len(turns) / 2


def test_its_options_are_read() -> None:
    told = "temperature=0.5,max_tokens=9,base=there,candidates=bm25,guided=false,explore=question"
    assert play_options(told) == PlayOptions(
        temperature=0.5, max_tokens=9, base="there", candidates="bm25", guided=False, explore="question"
    )
    mistakes = {"heat=1": "no setting", "max_tokens=x": "a number", "guided=1": "true or false", "explore=x": "all, qu"}
    for wrong, words in mistakes.items():
        with pytest.raises(ValueError, match=words):
            play_options(wrong)


def test_what_it_needs_is_named(sample: World, folder: Path, tmp_path: Path) -> None:
    for argument in ("", "temperature=0"):
        with pytest.raises(ValueError, match="smtpo:DIR"):
            SMTPO.build(sample, argument)
    with pytest.raises(WeightsError, match="crs-gym train smtpo"):
        build(sample, str(tmp_path))
    with pytest.raises(ValueError, match="no scores for the whole catalogue"):
        build(sample, f"{folder},candidates=random")


def test_the_last_stage_of_a_training_is_played(tmp_path: Path) -> None:
    for stage in ("sft", "grpo"):
        (tmp_path / stage).mkdir()
        write_options(PolicyOptions(base=stage), tmp_path / stage)
        assert read_options(stage_folder(tmp_path)).base == stage
    assert stage_folder(tmp_path / "sft") == tmp_path / "sft"


@pytest.mark.parametrize("content", ["{", '{"base": "a", "n": 0}', '{"base": "a", "listed": 30}', '{"colour": 1}'])
def test_options_that_no_prompt_can_be_made_with_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "smtpo.json").write_text(content)
    with pytest.raises(WeightsError, match="train the policy again"):
        read_options(tmp_path)


def test_options_of_another_version_are_refused(tmp_path: Path) -> None:
    write_options(PolicyOptions(base="a", prompt_version=0), tmp_path)
    with pytest.raises(WeightsError, match="version 0"):
        read_options(tmp_path)
