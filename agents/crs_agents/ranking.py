"""From scores to rankings, for a whole batch: best first, what was named already left out, ties by popularity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_agents.wording import recommendation
from crs_gym.agent import CandidateSource, Observation
from crs_gym.catalog import Catalog
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.turns import AgentTurn

CHUNK: Final = 256
"""How many dialogues are scored at a time: their score table over some 7,000 items stays within 10 MB."""

Scorer = Callable[[Sequence[Observation]], FloatArray]
"""From `n` observations to `(n, n_items)` float32 scores, in an array that the caller may write into."""


@dataclass(frozen=True, eq=False)
class RankingAgent:
    """Shows the best `k` new items of a scorer, every turn.

    Attributes:
        catalog: What is recommended.
        score: Scores each item for each observation; must treat each observation by itself.
        candidates: The same scores in columns, for a policy that picks from candidates; `None` where there are none.
    """

    catalog: Catalog
    score: Scorer
    candidates: CandidateSource | None = None

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn]:
        """One turn for each observation, in order."""
        turns: list[AgentTurn] = []
        for start in range(0, len(observations), CHUNK):
            chunk = observations[start : start + CHUNK]
            rankings = best_new_items(self.catalog, self.score(chunk), chunk)
            turns += [show(self.catalog, o, ranking) for o, ranking in zip(chunk, rankings, strict=True)]
        return turns


def show(catalog: Catalog, observation: Observation, ranking: tuple[int, ...]) -> AgentTurn:
    """A turn that recommends the first `k` of `ranking`."""
    items = ranking[: observation.k]
    return AgentTurn(recommendation(catalog, items, observation.key), items, ranking)


def best_new_items(
    catalog: Catalog, scores: FloatArray, observations: Sequence[Observation], at_least: int = 0
) -> list[tuple[int, ...]]:
    """The rankings that scores stand for.

    Args:
        catalog: Breaks ties: the more popular item first, then the lower item number.
        scores: `(n, n_items)` float32; finite. Overwritten.
        observations: `n` of them; each one's named items are left out, and its `depth` is the length asked for.
        at_least: The length asked for where `depth` is shorter.

    Returns:
        `n` rankings of up to `depth` (or `at_least`) items, best first.
    """
    if not len(observations):
        return []
    named = [observation.named_items() for observation in observations]
    rows = np.repeat(np.arange(len(named)), [len(items) for items in named])
    scores[rows, np.array([item for items in named for item in items], np.intp)] = -np.inf
    depths = [max(observation.depth, at_least) for observation in observations]
    depth = min(max(depths), len(catalog))
    keys = _sort_keys(scores, popularity_places(catalog))
    best = np.argpartition(keys, len(catalog) - depth, axis=1)[:, len(catalog) - depth :]
    order = np.argsort(-np.take_along_axis(keys, best, axis=1), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    left = np.isfinite(np.take_along_axis(scores, best, axis=1)).sum(axis=1).tolist()
    return [tuple(row[: min(count, wanted)]) for row, count, wanted in zip(best.tolist(), left, depths, strict=True)]


def first_new_items(order: IntArray, observation: Observation) -> tuple[int, ...]:
    """The first `depth` items of a fixed `order` that were not named yet; `order` holds each item once."""
    named = set(observation.named_items())
    head = order[: observation.depth + len(named)].tolist()
    return tuple([item for item in head if item not in named][: observation.depth])


def popularity_places(catalog: Catalog) -> IntArray:
    """`(n_items,)` each item's place in `catalog.by_popularity`, 0 for the most popular."""
    places = np.empty(len(catalog), np.int64)
    places[catalog.by_popularity] = np.arange(len(catalog), dtype=np.int64)
    return places


def _sort_keys(scores: FloatArray, places: IntArray) -> NDArray[np.int64]:
    """`(n, n_items)` integers in the order of (score, popularity), all different within a row.

    `argpartition` breaks ties by chance of layout; integers that are never equal leave it nothing to break. A float32's
    bits, read as an integer, are in the order of the numbers once the bits below the sign of negative ones are turned.
    """
    bits = (scores + np.float32(0.0)).view(np.int32)  # adding 0 turns -0.0 into 0.0
    ordered = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    return (ordered.astype(np.int64) << 32) - places
