"""`oracle`: the targets first, then what is most like them. The ceiling of a game, and a check of its rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crs_agents.ranking import first_new_items, show
from crs_gym.agent import AgentEntry, Observation, OracleObservation
from crs_gym.catalog import Catalog
from crs_gym.numeric import IntArray, row_sum
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


@dataclass(frozen=True, eq=False)
class OracleAgent:
    """The targets that were not shown yet, then the new items that share most of their facets."""

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
        ranking = dict.fromkeys((*targets, *first_new_items(self._alike(observation.targets), observation)))
        return tuple(ranking)[: observation.depth]

    def _alike(self, targets: Sequence[int]) -> IntArray:
        """All items, most like the targets first; ties by popularity."""
        catalog = self.catalog
        popular = catalog.by_popularity
        similarity = row_sum(catalog.centroid(targets)[catalog.facet_table] * catalog.facet_values)
        return popular[np.argsort(-similarity[popular], kind="stable")]


def build(world: World) -> OracleAgent:
    """The agent for a world."""
    return OracleAgent(world.catalog)


ORACLE = AgentEntry(build, "the targets first, then what is most like them: the ceiling", target_aware=True)
