"""Candidates: what is recalled each turn, and in which order and form the model reads it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crs_agents.ranking import RankingAgent, Scorer, best_new_items
from crs_agents.smtpo.prompts import fit_of
from crs_gym.agent import Observation, load_agent
from crs_gym.catalog import Catalog
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Message
from crs_gym.worlds.world import World

REMEMBERED: Final = 4096
"""Recalls that are remembered: a turn asks for those of the earlier turns again."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What one turn chooses from.

    Attributes:
        items: The candidates; number `i + 1` is `items[i]`.
        fits: For each of them what stands for its place in the order of recall (`prompts.fit_of`).
        ranking: All that was recalled, best first: the candidates and what comes behind them.
    """

    items: tuple[int, ...]
    fits: tuple[int, ...]
    ranking: tuple[int, ...]


class Recall:
    """Recalls candidates, and shuffles them by what has been said: the order on the page tells nothing.

    The same dialogue gets the same order whenever it is asked for, so earlier turns can be read again.

    Args:
        catalog: What is recommended.
        score: Scores all items for each observation by itself.
        n: How many candidates.
        salt: Another number gives other orders.
    """

    def __init__(self, catalog: Catalog, score: Scorer, n: int, salt: int = 0) -> None:
        self._catalog = catalog
        self._score = score
        self._n = n
        self._salt = salt
        self._remembered: OrderedDict[tuple[tuple[Message, ...], int], Candidates] = OrderedDict()

    def __call__(self, observations: Sequence[Observation]) -> list[Candidates]:
        """The candidates of each observation; nothing that was shown or named is among them."""
        keys = [(tuple(observation.messages), observation.depth) for observation in observations]
        new = {key: o for key, o in zip(keys, observations, strict=True) if key not in self._remembered}
        found: dict[tuple[tuple[Message, ...], int], Candidates] = {}
        if new:
            asked = list(new.values())
            rankings = best_new_items(self._catalog, self._score(asked), asked, at_least=self._n)
            for (key, observation), ranking in zip(new.items(), rankings, strict=True):
                found[key] = self._shuffled(observation, ranking)
        answers = []
        for key in keys:
            answers.append(found.get(key) or self._remembered[key])
            self._remembered[key] = answers[-1]
            self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return answers

    def _shuffled(self, observation: Observation, ranking: tuple[int, ...]) -> Candidates:
        recalled = ranking[: self._n]
        rng = generator(derived_key("smtpo candidates", self._salt, observation.dialogue))
        places = rng.permutation(len(recalled)).tolist()
        return Candidates(
            items=tuple([recalled[place] for place in places]),
            fits=tuple([fit_of(place, len(recalled)) for place in places]),
            ranking=ranking,
        )


def scorer_of(source: str, world: World) -> Scorer:
    """The scores by which an agent ranks, such as `ease`, `bm25` or `dual-view:DIR`.

    Raises:
        UnknownNameError: No such agent.
        ValueError: It does not rank by scores.
        WeightsError: It is one that is trained, and its folder holds none.
    """
    agent = load_agent(source, world).agent
    if not isinstance(agent, RankingAgent):
        raise ValueError(
            f"candidates={source!r}: this agent has no scores for the whole catalogue. Way out: ease, item-knn, bm25, "
            "or dual-view:DIR"
        )
    return agent.score
