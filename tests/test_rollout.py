"""What rollouts hand an agent, and what they keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from chatter import ShyWorld

from crs_gym.agent import AgentEntry, NamedAgent, Observation, OracleObservation
from crs_gym.config import EnvConfig
from crs_gym.engine import Episode
from crs_gym.errors import SimulatorError
from crs_gym.rollout import play, replay, rollout
from crs_gym.simulator import SimulatorEntry
from crs_gym.turns import AgentTurn, UserTurn, UserTurns
from crs_gym.worlds import load_world
from crs_simulators.scripted import ScriptedSimulator


class Collector:
    """Keeps all that it is shown."""

    def __init__(self) -> None:
        self.seen: list[Observation] = []

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        self.seen += observations
        return [AgentTurn(f"Turn {o.turn}.", ranking=(1, 2)) for o in observations]


def test_observations() -> None:
    agent = Collector()
    rollout("CRS-Sample-v0", agent, episodes=2, num_envs=1, simulator="silent", max_turns=3, k=4, depth=6)
    assert [o.turn for o in agent.seen] == [0, 1, 2, 0, 1, 2]
    assert {(o.k, o.depth, o.max_turns) for o in agent.seen} == {(4, 6, 3)}
    assert len({o.key for o in agent.seen}) == 6  # noise of its own for each turn
    assert agent.seen[1].dialogue.endswith("\nRecommender: Turn 0.\nUser: Hm. Go on.")
    assert [len(o.messages) for o in agent.seen[:3]] == [1, 3, 5]
    again = Collector()
    rollout("CRS-Sample-v0", again, episodes=2, num_envs=2, simulator="silent", max_turns=3, k=4, depth=6)
    assert {(o.key, o.dialogue) for o in again.seen} == {(o.key, o.dialogue) for o in agent.seen}
    assert agent.seen[0].rng.random() == agent.seen[0].rng.random()


@pytest.mark.parametrize("aware", [False, True])
def test_targets_are_shown_to_target_aware_agents_only(aware: bool) -> None:
    agent = Collector()
    entry = AgentEntry(lambda world: agent, "collects", target_aware=aware)
    traces = rollout("CRS-Sample-v0", entry, episodes=2, num_envs=1)
    assert all(isinstance(o, OracleObservation) == aware for o in agent.seen)
    assert all(("sees targets" in trace.agent) == aware for trace in traces)
    if aware:
        assert {o.targets for o in agent.seen} == {trace.targets for trace in traces}  # type: ignore[attr-defined]
    assert not any("targets" in vars(o) for o in agent.seen) or aware


def test_traces_come_in_order_and_are_numbered() -> None:
    traces = rollout("CRS-Sample-v0", "popularity", episodes=9, seed=4, num_envs=4)
    assert [(trace.seed, trace.episode) for trace in traces] == [(4, number) for number in range(9)]
    assert {trace.agent for trace in traces} == {"popularity"}
    for wrong in ({"episodes": 0}, {"episodes": 3, "num_envs": 0}, {"episodes": "3"}):
        with pytest.raises(ValueError, match="must be a whole number of at least 1"):
            rollout("CRS-Sample-v0", "popularity", **wrong)


def test_play_reads_its_episodes_one_at_a_time() -> None:
    """It takes no more than it can seat, so an endless supply will do."""
    tasks, taken = load_world("sample").tasks("train"), []

    def supply() -> Any:
        for number in range(10**9):
            taken.append(number)
            yield Episode(tasks[number], 0, number)

    traces = play(EnvConfig(max_turns=1), NamedAgent("collects", Collector()), supply(), num_envs=3)
    first = [next(traces) for _ in range(7)]
    assert {trace.task_id for trace in first} == {f"sample/train/{number}" for number in range(7)}
    assert len(taken) <= 7 + 3


class Mute(ScriptedSimulator):
    """Cannot open every other dialogue."""

    def open(self, rows: Any) -> UserTurns:
        self.count = getattr(self, "count", 0) + 1
        return UserTurns.of([SimulatorError("mute") if self.count % 2 else UserTurn("Hi!") for _ in rows])


def test_dialogues_that_cannot_begin_are_kept_as_errored() -> None:
    world = ShyWorld()
    mute = SimulatorEntry(Mute, "mute")
    traces = rollout(EnvConfig(world=world, simulator=mute), Collector(), episodes=6, num_envs=1)
    assert [trace.outcome for trace in traces] == ["errored", "left"] * 3
    assert all(trace.turns == () and trace.error == "mute" for trace in traces[::2])
    assert [replay(trace, world) for trace in traces] == traces
    wide = rollout(EnvConfig(world=world, simulator=mute), Collector(), episodes=6, num_envs=6)
    assert [trace.outcome for trace in wide] == ["errored"] * 6


def test_rankings_are_kept_and_not_played() -> None:
    (trace,) = rollout("CRS-Sample-v0", Collector(), episodes=1, simulator="silent")
    assert all(turn.agent.ranking == (1, 2) and turn.agent.items == () for turn in trace.turns)
    assert all(turn.reward_terms is not None and turn.reward_terms["novelty"] == 0 for turn in trace.turns)


def test_free_text_is_read_under_every_id() -> None:
    class Writer:
        def act(self, observations: Sequence[Observation]) -> list[str]:
            return ["<think>Hm.</think>Try Heat (1995)." for _ in observations]

    for env in ("CRS-Sample-v0", "CRS-Sample-Text-v0"):
        (trace,) = rollout(env, Writer(), episodes=1, simulator="silent")
        names = load_world("sample").catalog.names
        assert [names[item] for item in trace.turns[0].agent.items] == ["Heat (1995)"]
        assert trace.turns[0].agent.reasoning == "Hm."
