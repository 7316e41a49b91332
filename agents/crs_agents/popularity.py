"""`popularity`: the items that train dialogues mention most, the same for everyone. What any claim must beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crs_agents.feedback import FeedbackReader
from crs_agents.ranking import first_new_items, show
from crs_gym.agent import AgentEntry, Histories, Observation, Opinion
from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray
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

    @cached_property
    def candidates(self) -> PopularCandidates:
        """The same order in columns."""
        return PopularCandidates(self.catalog)


class PopularCandidates:
    """Popularity as a `crs_gym.agent.CandidateSource`: the logarithm of each item's share of all mentions, plus one."""

    def __init__(self, catalog: Catalog) -> None:
        self._reader = FeedbackReader(catalog)
        mentions = catalog.popularity + np.float32(1)  # an item that nobody mentioned has a logarithm, too
        self._scores: FloatArray = np.log(mentions / mentions.sum(), dtype=np.float32)

    def log_scores(self, histories: Histories) -> FloatArray:
        """`(n, n_items)` float32, the same for every history."""
        return np.tile(self._scores, (len(histories), 1))

    def said(self, text: str, items: tuple[int, ...]) -> Opinion:
        """What a message says; see `crs_agents.feedback`."""
        return self._reader.said(text, items)


def build(world: World) -> PopularityAgent:
    """The agent for a world."""
    return PopularityAgent(world.catalog)


POPULARITY = AgentEntry(build, "the most popular new items, for everyone the same")
