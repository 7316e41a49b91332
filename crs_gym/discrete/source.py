"""Where candidates come from: a recommender's own scores, in columns where it offers them, else from its rankings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np

from crs_gym.agent import Agent, CandidateSource, Observation, load_agent
from crs_gym.catalog import Catalog
from crs_gym.discrete.belief import Belief
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.reading import read_text
from crs_gym.turns import AgentTurn
from crs_gym.worlds.world import World

READER: Final = "popularity"
"""The agent by whose reader words are read where the source offers none."""

Observe = Callable[[int], Observation]
"""From a row to what an agent sees of its dialogue."""


class Source(Protocol):
    """Scores films for the candidates of a game.

    Attributes:
        reads_all: The scores rest on all that was said, so that the belief's evidence would count it twice.
    """

    reads_all: bool

    def scores(self, rows: IntArray, belief: Belief) -> FloatArray:
        """`(n, n_items)` float32, the log scores of films in each of `rows`; `-inf` for what is no candidate."""
        ...

    def fresh(self, observe: Observe) -> Source:
        """The same source for other dialogues."""
        ...


def load_source(name: str, world: World, observe: Observe) -> tuple[Source, CandidateSource]:
    """The source of a name, and who reads what users say.

    Args:
        name: An agent's name, with options behind a colon.
        world: What the agent learns from: it is handed the catalogue and the train split.
        observe: What an agent sees of a row, for agents that offer no scores in columns.

    Raises:
        UnknownNameError: No such agent.
        ValueError: The agent is shown the targets, so that its candidates would give them away.
    """
    named = load_agent(name, world)
    if named.target_aware:
        raise ValueError(f"candidates={name!r}: it is shown the targets; candidates come from agents that are not")
    offered = _offered(named.agent)
    if offered is not None:
        return HistorySource(offered), offered
    reader = _offered(load_agent(READER, world).agent)
    assert reader is not None
    return RankingSource(named.agent, name, world.catalog, observe), reader


def _offered(agent: Agent) -> CandidateSource | None:
    candidates = getattr(agent, "candidates", None)
    return candidates if isinstance(candidates, CandidateSource) else None


class HistorySource:
    """Scores in columns, by the films that speak for what a user wants."""

    reads_all = False

    def __init__(self, source: CandidateSource) -> None:
        self._source = source

    def scores(self, rows: IntArray, belief: Belief) -> FloatArray:
        """`(n, n_items)` float32, the log scores of films in each of `rows`."""
        return self._source.log_scores(belief.histories(rows))

    def fresh(self, observe: Observe) -> HistorySource:
        """This one, which knows of no dialogue."""
        del observe
        return self


class RankingSource:
    """Scores by the ranking of an agent that only acts: it reads whole dialogues, turn by turn, so it is slower.

    The item of rank r scores `-log(r)`; what is not ranked is no candidate. What the agent says and shows is not used.
    """

    reads_all = True

    def __init__(self, agent: Agent, name: str, catalog: Catalog, observe: Observe) -> None:
        self._agent = agent
        self._name = name
        self._catalog = catalog
        self._observe = observe

    def scores(self, rows: IntArray, belief: Belief) -> FloatArray:
        """`(n, n_items)` float32, by the rankings of the agent in each of `rows`; `-inf` for what it does not rank."""
        del belief
        observations = [self._observe(row) for row in rows.tolist()]
        answers = self._agent.act(observations)
        scores = np.full((len(rows), len(self._catalog)), -np.inf, np.float32)
        for own, answer, observation in zip(scores, answers, observations, strict=True):
            ranking = self._ranking(answer, observation)
            own[ranking] = -np.log(np.arange(1, len(ranking) + 1, dtype=np.float32))
        return scores

    def fresh(self, observe: Observe) -> RankingSource:
        """The same source for other dialogues."""
        return RankingSource(self._agent, self._name, self._catalog, observe)

    def _ranking(self, answer: AgentTurn | str, observation: Observation) -> list[int]:
        turn = read_text(answer, self._catalog, observation.k) if isinstance(answer, str) else answer
        ranking: Sequence[int] = turn.ranking or turn.items
        for item in ranking:
            if not 0 <= item < len(self._catalog):
                raise ValueError(f"candidates={self._name!r}: it ranks item {item}, which the catalogue does not hold")
        return list(dict.fromkeys(ranking))
