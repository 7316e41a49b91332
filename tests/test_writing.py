"""An agent's earlier observations, from what it sees now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crs_gym.agent import NamedAgent, Observation
from crs_gym.config import EnvConfig
from crs_gym.game import Game
from crs_gym.rollout import play_game
from crs_gym.turns import AgentTurn
from crs_gym.writing import earlier_observations


class Remembers:
    """Shows one film a turn, thinks aloud, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def act(self, observations: list[Observation]) -> list[AgentTurn]:
        self.seen += observations
        return [AgentTurn("This one?", (o.turn,), reasoning=f"thought {o.turn}") for o in observations]


def test_earlier_observations_are_what_was_seen() -> None:
    agent = Remembers()
    game = Game(EnvConfig.of(world="sample", simulator="silent"), num_dialogues=1)
    list(play_game(game, NamedAgent("remembers", agent), [game.next_episode(3, 0)]))
    last = agent.seen[-1]
    assert last.turn >= 2
    assert last.thoughts == tuple(f"thought {turn}" for turn in range(last.turn))
    assert earlier_observations(last) == [replace(o, key=0) for o in agent.seen[:-1]]


def test_a_dialogue_without_the_agents_messages_is_refused() -> None:
    with pytest.raises(ValueError, match="turn 2 of a dialogue with 0 messages"):
        earlier_observations(Observation((), 2, 5, 10, 50, 0))
