"""`popularity`: the items that train dialogues mention most, the same for everyone. What any claim must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crs_agents.ranking import first_new_items, show
from crs_gym.agent import AgentEntry, Observation
from crs_gym.catalog import Catalog
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


@dataclass(frozen=True, eq=False)
class PopularityAgent:
    """Walks down `catalog.by_popularity`, leaving out what was named already."""

    catalog: Catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order."""
        order = self.catalog.by_popularity
        return [show(self.catalog, o, first_new_items(order, o)) for o in observations]


def build(world: World) -> PopularityAgent:
    """The agent for a world."""
    return PopularityAgent(world.catalog)


POPULARITY = AgentEntry(build, "the most popular new items, for everyone the same")
