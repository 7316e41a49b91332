"""`oracle`: shows the targets first. The ceiling of a game, and a check that its rewards pay for what they should."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crs_agents.ranking import first_new_items, show
from crs_gym.agent import AgentEntry, Observation, OracleObservation
from crs_gym.catalog import Catalog
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


@dataclass(frozen=True, eq=False)
class OracleAgent:
    """The targets that were not shown yet, then the most popular new items."""

    catalog: Catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order.

        Raises:
            ValueError: An observation without targets.
        """
        return [show(self.catalog, o, self._ranking(o)) for o in observations]

    def _ranking(self, observation: Observation) -> tuple[int, ...]:
        if not isinstance(observation, OracleObservation):
            raise ValueError(
                "the oracle agent needs observations with targets: build it with load_agent('oracle', world), whose "
                "target_aware mark makes a rollout hand them out"
            )
        named = set(observation.named_items())
        targets = [target for target in observation.targets if target not in named]
        ranking = dict.fromkeys((*targets, *first_new_items(self.catalog.by_popularity, observation)))
        return tuple(ranking)[: observation.depth]


def build(world: World) -> OracleAgent:
    """The agent for a world."""
    return OracleAgent(world.catalog)


ORACLE = AgentEntry(build, "the targets first: the ceiling", target_aware=True)
