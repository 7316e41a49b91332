"""`copy-mention`: hands back what the dialogue named already, last mention first.

The known flaw of published evaluations: where targets may be items that were named before, copying scores well (28%
recall@1 on OpenDialKG) without recommending anything. Where targets are new items only, it scores 0 by construction;
it stands in every table to show that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crs_agents.ranking import show
from crs_gym.agent import AgentEntry, Observation
from crs_gym.catalog import Catalog
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World


@dataclass(frozen=True, eq=False)
class CopyMentionAgent:
    """Ranks the items that were named, and nothing else."""

    catalog: Catalog

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order; without items where nothing was named yet."""
        return [show(self.catalog, o, last_mention_first(o)[: o.depth]) for o in observations]


def last_mention_first(observation: Observation) -> tuple[int, ...]:
    """All items that were named or shown, each once, the most recently named first."""
    mentions = [item for message in observation.messages for item in message.items]
    return tuple(dict.fromkeys(reversed(mentions)))


def build(world: World) -> CopyMentionAgent:
    """The agent for a world."""
    return CopyMentionAgent(world.catalog)


COPY_MENTION = AgentEntry(build, "the items named so far, last mention first (a flawed metric's favourite)")
