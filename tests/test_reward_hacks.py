"""Ways to get reward without recommending well, by agents that know the targets: none may pay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from crs_gym.agent import AgentEntry, Observation, OracleObservation
from crs_gym.errors import WorldError
from crs_gym.evaluation import evaluate
from crs_gym.rollout import config_of
from crs_gym.turns import AgentTurn
from crs_gym.worlds import load_world
from crs_gym.worlds.world import LearningWorld, World


class Staller:
    """Shows the targets' neighbours turn after turn, and the targets on the last one only."""

    def __init__(self, world: World) -> None:
        self.catalog = world.catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [self.turn(observation) for observation in observations]

    def turn(self, observation: Observation) -> AgentTurn:
        assert isinstance(observation, OracleObservation)
        alike = self.catalog.centroid(observation.targets)
        likeness = (alike[self.catalog.facet_table] * self.catalog.facet_values).sum(axis=1)
        named = {*observation.named_items(), *observation.targets}
        items = [item for item in np.argsort(-likeness, kind="stable").tolist() if item not in named]
        if observation.turn == observation.max_turns - 1:
            items = [*observation.targets, *items]
        return AgentTurn("Have a look at these.", tuple(items[: observation.k]))


@pytest.mark.parametrize("simulator", ["agenda", "silent"])
def test_holding_the_targets_back_does_not_pay(simulator: str) -> None:
    """Paid in full for every slate, partial credit made this agent earn 1.9 where the oracle earned 1.1."""
    staller = AgentEntry(Staller, "holds the targets back", target_aware=True, adversary=True)
    config = config_of("CRS-Sample-v0", simulator=simulator)
    results = evaluate(config, [staller, "oracle"], tasks=200, baseline="oracle")
    stalling = next(agent for agent in results.agents if agent.name != "oracle (sees targets)")
    difference = stalling.versus_baseline["return"]
    assert stalling.metrics["success"].mean == pytest.approx(1.0, abs=0.1)  # it can, it only waits
    assert difference.high is not None
    assert difference.high < 0


class Cheat:
    """Looks its seeker up in the world that it was given."""

    def __init__(self, world: World) -> None:
        self.world = world

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        return [self.turn(observation) for observation in observations]

    def turn(self, observation: Observation) -> AgentTurn:
        for task in self.world.tasks("test")[:500]:
            if task.context[0] == observation.messages[0]:
                return AgentTurn("I know what you want.", task.targets)
        return AgentTurn("Hm.")


def test_an_agent_is_not_handed_the_tasks_that_it_is_evaluated_on() -> None:
    with pytest.raises(WorldError, match="agents learn from the train split"):
        evaluate("CRS-Sample-v0", [Cheat], tasks=3)
    learning = LearningWorld(load_world("sample"))
    assert isinstance(learning, World)
    assert learning.task("sample/train/3").targets == load_world("sample").tasks("train")[3].targets
    with pytest.raises(WorldError, match="train split"):
        learning.task("sample/test/3")
    with pytest.raises(WorldError, match="train split"):
        learning.dialogues("valid")
