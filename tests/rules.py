"""The rules of the game and the reward terms once more, in plain Python, one dialogue at a time.

Written from docs and docstrings, with sets, loops and `math`; shares no code with the engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.errors import SimulatorError
from crs_gym.task import Task
from crs_gym.turns import AgentTurn, Decision, UserTurn

SHARES = {"genre": 0.4, "director": 0.2, "star": 0.2, "decade": 0.2}
"""How much each kind of facet counts, as `crs_gym.catalog.KIND_SHARES` says."""


def unit_vector(catalog: Catalog, item: int) -> dict[tuple[str, str], float]:
    """Kind and value to weight: each kind's share is split evenly over its values; kinds that the item lacks are left
    out, and the rest is scaled to length 1."""
    facets = catalog[item].facets
    squared = {(kind, value): SHARES[kind] / len(facets[kind]) for kind in FACET_KINDS for value in facets[kind]}
    total = sum(squared.values())
    return {facet: math.sqrt(part / total) for facet, part in squared.items()} if total else {}


def similarity(catalog: Catalog, one: int, other: int) -> float:
    a, b = unit_vector(catalog, one), unit_vector(catalog, other)
    return sum(weight * b.get(facet, 0.0) for facet, weight in a.items())


def mean_similarity(catalog: Catalog, item: int, targets: tuple[int, ...]) -> float:
    return sum(similarity(catalog, item, target) for target in targets) / len(targets)


def popular_similarity(catalog: Catalog, targets: tuple[int, ...], popular: int = 100) -> float:
    top = sorted(range(len(catalog)), key=lambda item: (-catalog.popularity[item], item))[:popular]
    return sum(mean_similarity(catalog, item, targets) for item in top) / len(top)


def discount(rank: int) -> float:
    return 1.0 / math.log2(rank + 1)


def is_understood(turn: AgentTurn, k: int) -> bool:
    """It is short enough, says or shows something, and shows nothing twice."""
    says = any(c.isprintable() and not c.isspace() for c in turn.utterance)
    shown = turn.items[:k]
    return turn.understood and len(turn.utterance) <= 4000 and (says or bool(shown)) and len(set(shown)) == len(shown)


@dataclass
class Dialogue:
    """One dialogue by the rules."""

    catalog: Catalog
    task: Task
    k: int
    max_turns: int
    known: set[int] = field(default_factory=set)
    shown: set[int] = field(default_factory=set)
    turn: int = 0
    closest: float = 0.0
    success: bool = False
    hit_rank: int | None = None
    outcome: str | None = None

    def __post_init__(self) -> None:
        self.known = {item for message in self.task.context for item in message.items}

    def step(self, agent: AgentTurn, user: UserTurn | SimulatorError) -> dict[str, float] | None:
        """The reward terms; `None` where the user failed."""
        understood = is_understood(agent, self.k)
        items = agent.items[: self.k] if understood else ()
        new = [item not in self.known for item in items]
        ranks = [rank for rank, item in enumerate(items, 1) if new[rank - 1] and item in self.task.targets]
        closeness = self._closeness(items, new)
        terms = {
            "format": float(understood),
            "recommend": sum(map(discount, ranks)) / self._best_gain(),
            "preference": max(closeness - self.closest, 0.0),
            "novelty": sum(new) / len(items) if items else 0.0,
            "turn_cost": 1.0,
        }
        self.closest = max(self.closest, closeness)
        if ranks and not self.success:
            self.success, self.hit_rank = True, ranks[0]
        self.turn += 1
        self.known |= set(items)
        self.shown |= set(items)
        if isinstance(user, SimulatorError) or not self._allowed(user):
            self.outcome = "errored"
            return None
        self.known |= set(user.items)
        if user.decision == Decision.ACCEPT:
            self.outcome = "accepted"
        elif user.decision == Decision.LEAVE:
            self.outcome = "left"
        elif self.turn == self.max_turns:
            self.outcome = "truncated"
        return terms

    def _allowed(self, user: UserTurn) -> bool:
        return user.decision != Decision.ACCEPT or user.accepted in self.shown

    def _best_gain(self) -> float:
        return sum(discount(rank) for rank in range(1, min(len(self.task.targets), self.k) + 1))

    def _closeness(self, items: tuple[int, ...], new: list[bool]) -> float:
        if not items:
            return 0.0
        likeness = [mean_similarity(self.catalog, item, self.task.targets) for item in items]
        weights = [discount(rank) for rank in range(1, len(items) + 1)]
        mean = sum(w * s * n for w, s, n in zip(weights, likeness, new, strict=True)) / sum(weights)
        floor = popular_similarity(self.catalog, self.task.targets)
        return min(max((mean - floor) / (1 - floor), 0.0), 1.0)
