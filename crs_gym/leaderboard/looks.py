"""How agents look: one colour and marker for each, the same in every table, plot and run of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from crs_gym.evaluation.results import AgentResults, Results
from crs_gym.leaderboard.runs import short_name
from crs_gym.pages.svg import HUES

Kind = Literal["agent", "ceiling", "adversary"]

_MARKERS: Final = ("o", "s", "D", "^", "v", "P")
"""One for each time that the page's hues come again."""


@dataclass(frozen=True)
class Look:
    """How one agent is drawn.

    Attributes:
        name: Its name in results.
        label: Its name on the page.
        kind: A competitor, one that sees targets, or an adversary.
        tone: The name of its colour.
        marker: Of matplotlib.
    """

    name: str
    label: str
    kind: Kind
    tone: str
    marker: str


def kind_of(agent: AgentResults) -> Kind:
    """Where an agent stands in tables and plots; one that sees targets is no competitor, whatever else it is."""
    if agent.adversary:
        return "adversary"
    return "ceiling" if agent.target_aware else "agent"


def looks_of(all_results: Iterable[Results]) -> Mapping[str, Look]:
    """The look of every agent by name, in the order in which they are first named."""
    looks: dict[str, Look] = {}
    used: dict[Kind, int] = {"agent": 0, "ceiling": 0, "adversary": 0}
    for results in all_results:
        for agent in results.agents:
            if agent.name in looks:
                continue
            kind = kind_of(agent)
            number = used[kind]
            used[kind] += 1
            tone = f"hue-{number % HUES}" if kind == "agent" else kind
            turn = number // HUES if kind == "agent" else number
            looks[agent.name] = Look(
                name=agent.name,
                label=short_name(agent.name),
                kind=kind,
                tone=tone,
                marker=_MARKERS[turn % len(_MARKERS)],
            )
    return looks
