"""What the network reads of a dialogue, in columns: its last messages, and the films named in it with what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from crs_agents.belief import ANSWERED, DISLIKED, LIKED, PASSED_OVER, STATED
from crs_agents.feedback import FeedbackReader
from crs_agents.history import own_start, wanted_items
from crs_agents.retriever.documents import TitleRemover
from crs_gym.agent import Observation
from crs_gym.catalog import Catalog
from crs_gym.numeric import IntArray
from crs_gym.task import Message

MESSAGES: Final = 8
"""How many messages are read, from the last; more do not help (docs/agents/retriever.md)."""

FILMS: Final = 8
"""How many films are read, from the one named last."""

AGES: Final = 16
"""A film's age is how many messages ago it was named; what is older than the last counts as that old."""

ROLES: Final = 2
"""The recommender is 0, the user 1."""

OPINIONS: Final = 3
"""The user spoke against a film (0), did not judge it (1), spoke for it (2)."""

NOTHING: Final = -1
"""Stands where a dialogue has fewer messages or films."""

Weighted = tuple[tuple[int, float], ...]
"""Numbers of facets or items, each with a weight."""


@dataclass(frozen=True, eq=False)
class Contexts:
    """`n` dialogues so far.

    Attributes:
        texts: The messages' texts without titles, each once.
        messages: `(n, MESSAGES)` int64 into `texts`, the last message first, without the agent's own; `NOTHING` where
            there is none.
        message_roles: `(n, MESSAGES)` int64 of `ROLES`.
        films: `(n, FILMS)` int64 items, the last named first; `NOTHING` where there is none.
        film_roles: `(n, FILMS)` int64 of `ROLES`: who named it last.
        film_ages: `(n, FILMS)` int64 of `AGES`.
        film_opinions: `(n, FILMS)` int64 of `OPINIONS`.
        wanted: `n` histories for collaborative scores, as `crs_agents.history.wanted_items`.
        facets: `n` lists of facets that the user spoke for (positive weights) and against.
        judged: `n` lists of films that speak for films like them (positive weights) and against.
    """

    texts: list[str]
    messages: IntArray
    message_roles: IntArray
    films: IntArray
    film_roles: IntArray
    film_ages: IntArray
    film_opinions: IntArray
    wanted: list[tuple[int, ...]]
    facets: list[Weighted]
    judged: list[Weighted]

    def __len__(self) -> int:
        return len(self.messages)

    def rows(self, rows: Sequence[int] | IntArray) -> Contexts:
        """The contexts of some rows, over the same texts."""
        chosen = [int(row) for row in rows]
        columns: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, column in columns.items():
            if name != "texts":
                columns[name] = column[chosen] if isinstance(column, np.ndarray) else [column[row] for row in chosen]
        return Contexts(**columns)


class ContextReader:
    """Reads dialogues over one catalogue; holds nothing of any."""

    def __init__(self, catalog: Catalog) -> None:
        self._feedback = FeedbackReader(catalog)
        self._titles = TitleRemover(catalog)

    def __call__(self, observations: Sequence[Observation]) -> Contexts:
        """The contexts of `n` observations."""
        n = len(observations)
        numbers: dict[str, int] = {}
        contexts = Contexts(
            texts=[],
            messages=np.full((n, MESSAGES), NOTHING, np.int64),
            message_roles=np.zeros((n, MESSAGES), np.int64),
            films=np.full((n, FILMS), NOTHING, np.int64),
            film_roles=np.zeros((n, FILMS), np.int64),
            film_ages=np.zeros((n, FILMS), np.int64),
            film_opinions=np.ones((n, FILMS), np.int64),
            wanted=[wanted_items(observation, self._feedback) for observation in observations],
            facets=[],
            judged=[],
        )
        for row, observation in enumerate(observations):
            for place, message in enumerate(reversed(_heard(observation)[-MESSAGES:])):
                text = self._titles.without_titles(message.text, message.items)
                contexts.messages[row, place] = numbers.setdefault(text, len(numbers))
                contexts.message_roles[row, place] = message.role == "user"
            opinions = self._feedback.opinions(observation.messages)
            contexts.facets.append(self._stated(observation))
            contexts.judged.append(_judged(observation, opinions.items))
            for place, (item, by_user, age) in enumerate(_named(observation, opinions.items)):
                contexts.films[row, place] = item
                contexts.film_roles[row, place] = by_user
                contexts.film_ages[row, place] = min(age, AGES - 1)
                contexts.film_opinions[row, place] = 1 + np.sign(opinions.items.get(item, 0))
        contexts.texts.extend(numbers)
        return contexts

    def _stated(self, observation: Observation) -> Weighted:
        """Facets as they weigh in the stated signal: what the user says to the agent counts more than what it said."""
        start = own_start(observation)
        parts = ((observation.messages[:start], STATED), (observation.messages[start:], ANSWERED))
        return tuple(
            [
                (facet, weight if balance > 0 else -weight)
                for messages, weight in parts
                for facet, balance in self._feedback.opinions(messages).facets.items()
            ]
        )


def _heard(observation: Observation) -> list[Message]:
    """The recorded context, and what the user has said since.

    The agent's own words tell nothing of the user, and of eight messages that are read they would soon be half.
    """
    start = own_start(observation)
    own = [message for message in observation.messages[start:] if message.role == "user"]
    return [*observation.messages[:start], *own]


def _judged(observation: Observation, judged: dict[int, int]) -> Weighted:
    """Films as they weigh in the likeness signal, by the weights of `crs_agents.belief`."""
    own = observation.messages[own_start(observation) :]
    shown = dict.fromkeys(item for message in own if message.role == "recommender" for item in message.items)
    groups = (
        ([item for item, balance in judged.items() if balance > 0], LIKED),
        ([item for item, balance in judged.items() if balance < 0], -DISLIKED),
        ([item for item in shown if item not in judged], -PASSED_OVER),
    )
    return tuple([(item, weight / len(items)) for items, weight in groups for item in items])


def _named(observation: Observation, judged: dict[int, int]) -> list[tuple[int, bool, int]]:
    """Up to `FILMS` films as (item, named by the user, messages ago), the last named first.

    Of what the agent itself has shown, only films that the user judged: a slate of ten would leave no room for others,
    and people, from whose dialogues the network learns, show no slates.
    """
    start = own_start(observation)
    named: dict[int, tuple[int, bool, int]] = {}
    for age, (place, message) in enumerate(_from_the_last(observation.messages)):
        shown_by_agent = place >= start and message.role == "recommender"
        for item in reversed(message.items):
            if item not in named and (item in judged or not shown_by_agent):
                named[item] = (item, message.role == "user", age)
        if len(named) >= FILMS:
            break
    return list(named.values())[:FILMS]


def _from_the_last(messages: Sequence[Message]) -> list[tuple[int, Message]]:
    return [(place, messages[place]) for place in range(len(messages) - 1, -1, -1)]
