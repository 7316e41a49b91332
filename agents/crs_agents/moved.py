"""`moved:WORLD:AGENT`: an agent of one world plays in another whose catalogue begins with that world's films.

So what was learned on ReDial (`moved:redial:smtpo:DIR`) is measured on INSPIRED with all that it knows of ReDial's
films: item vectors, co-mentions, popularity. Films that its own world does not hold are left out of what it hears, and
it never recommends them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crs_gym.agent import Agent, AgentEntry, Observation, load_agent
from crs_gym.catalog import Catalog
from crs_gym.task import Message
from crs_gym.turns import AgentTurn
from crs_gym.worlds import load_world
from crs_gym.worlds.world import World


class MovedAgent:
    """See the module.

    Args:
        agent: Plays; built for its own world.
        n_items: How many films that world holds: the first ones of the catalogue that is played.
    """

    def __init__(self, agent: Agent, n_items: int) -> None:
        self._agent = agent
        self._n_items = n_items

    def act(self, observations: Sequence[Observation]) -> Sequence[AgentTurn | str]:
        """One turn for each observation, in order."""
        return self._agent.act([replace(o, messages=tuple(map(self._known, o.messages))) for o in observations])

    def _known(self, message: Message) -> Message:
        return replace(message, items=tuple(item for item in message.items if item < self._n_items))


def build(world: World, argument: str = "") -> MovedAgent:
    """The agent `moved:WORLD:AGENT` for a world.

    Raises:
        ValueError: Nothing is named, `world`'s catalogue does not begin with WORLD's films, or AGENT sees targets.
        UnknownNameError: No such world or agent.
    """
    name, _, spec = argument.partition(":")
    if not name or not spec:
        raise ValueError("moved needs a world and an agent of it, as in moved:redial:ease")
    own = load_world(name)
    if not _begins_with(world.catalog, own.catalog):
        raise ValueError(
            f"moved:{argument}: the catalogue of {world.name} does not begin with the films of {own.name}, so their "
            f"numbers mean other films there. Way out: the agent itself, {spec}, where it can play any catalogue"
        )
    named = load_agent(spec, own)
    if named.target_aware:
        raise ValueError(f"moved:{argument}: {spec} sees targets, and those of {world.name} may be no films of its own")
    return MovedAgent(named.agent, len(own.catalog))


def _begins_with(catalog: Catalog, other: Catalog) -> bool:
    n = len(other)  # names may differ: they tell films of one title apart
    return len(catalog) >= n and _films(catalog, n) == _films(other, n)


def _films(catalog: Catalog, n: int) -> list[tuple[str, int]]:
    return list(zip(catalog.titles[:n], catalog.years[:n].tolist(), strict=True))


MOVED = AgentEntry(build, "an agent of another world that holds the same films first (moved:redial:ease on inspired)")
