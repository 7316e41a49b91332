"""`random`: items drawn uniformly among the new ones. The floor of every table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crs_agents.ranking import show
from crs_gym.agent import AgentEntry, Observation
from crs_gym.catalog import Catalog
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


@dataclass(frozen=True, eq=False)
class RandomAgent:
    """Draws with the turn's own noise, so that a seed gives the same items in every batch."""

    catalog: Catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order."""
        return [show(self.catalog, observation, self._draw(observation)) for observation in observations]

    def _draw(self, observation: Observation) -> tuple[int, ...]:
        named = set(observation.named_items())
        # As many more as were named: enough are left, and leaving the named ones out keeps the draw uniform.
        n = min(observation.depth + len(named), len(self.catalog))
        drawn = observation.rng.choice(len(self.catalog), n, replace=False).tolist()
        return tuple([item for item in drawn if item not in named][: observation.depth])


def build(world: World) -> RandomAgent:
    """The agent for a world."""
    return RandomAgent(world.catalog)


RANDOM = AgentEntry(build, "uniformly random new items")
