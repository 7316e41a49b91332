"""What users say, in columns: read from their words, or told by users who decide before they word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.agent import CandidateSource
from crs_gym.catalog import NO_ITEM
from crs_gym.numeric import IntArray
from crs_gym.task import Message
from crs_gym.turns import AgentTurns, Told, UserTurns
from crs_gym.worlds.batch import padded

NO_FACET: Final = -1
"""Stands in an array of facets for "no facet in this place"."""
MEMO: Final = 20_000
"""How many sentences are remembered: users speak in few, about many films."""

Pairs = Sequence[tuple[int, int]]
"""Facets or items, each with its polarity: 1 for, -1 against."""


@dataclass(slots=True, eq=False)
class Heard:
    """What `n` users have said: nothing that does not stand in their words.

    Attributes:
        items: `(n, a)` int64, films that were judged, padded with `NO_ITEM`; none twice in a row.
        item_signs: `(n, a)` int8, 1 for films spoken for, -1 for films spoken against.
        facets: `(n, b)` int64, facets that were named, padded with `NO_FACET`.
        facet_signs: `(n, b)` int8, as `item_signs`.
        named: `(n, c)` int64, films that were named, in whatever way, padded with `NO_ITEM`.
    """

    items: IntArray
    item_signs: NDArray[np.int8]
    facets: IntArray
    facet_signs: NDArray[np.int8]
    named: IntArray

    @classmethod
    def of(cls, items: Sequence[Pairs], facets: Sequence[Pairs], named: Sequence[Sequence[int]]) -> Heard:
        """Columns from lists, one a user."""
        return cls(*_signed(items, NO_ITEM), *_signed(facets, NO_FACET), padded(named, NO_ITEM))

    @classmethod
    def of_told(cls, told: Told) -> Heard:
        """What users tell in columns: every film that they name is judged."""
        return cls(told.items, told.item_signs, told.facets, told.facet_signs, told.items)


class Listener:
    """Reads what users say, by the reader of a candidate source.

    Sentences are remembered with their titles taken out, since no reader may look at the words of a title: what was
    read of one film is what would be read of another in its place.

    Args:
        source: Its `said` reads a message.
        names: The catalogue's display names.
    """

    def __init__(self, source: CandidateSource, names: Sequence[str]) -> None:
        self._source = source
        self._names = names
        self._memo: dict[tuple[Any, ...], tuple[Pairs, Pairs, int]] = {}

    def dialogues(self, dialogues: Sequence[Sequence[Message]]) -> Heard:
        """What the users of whole dialogues have said in them; every film that either side names is `named`."""
        items, facets, named = [], [], []
        for messages in dialogues:
            signs: dict[int, int] = {}
            balance: list[tuple[int, int]] = []
            suggested: tuple[int, ...] = ()
            for message in messages:
                if message.role == "recommender":
                    suggested = message.items
                    continue
                about_items, about_facets = self._message(message.text, message.items, suggested)
                signs.update(about_items)
                balance += about_facets
            items.append([*signs.items()])
            facets.append(balance)
            named.append(list(dict.fromkeys(item for message in messages for item in message.items)))
        return Heard.of(items, facets, named)

    def answers(self, users: UserTurns, turns: AgentTurns) -> Heard:
        """What users answer to `turns`. Who could not answer has said nothing."""
        if users.told is not None:
            return Heard.of_told(users.told())
        said = [("", ()) if i in users.errors else users.said(i) for i in range(len(users))]
        return self.messages(said, [turns.shown(i) for i in range(len(users))])

    def messages(self, said: Sequence[tuple[str, tuple[int, ...]]], shown: Sequence[tuple[int, ...]]) -> Heard:
        """What `n` messages say, each a text and the films that it names; `shown` are the films before them."""
        read = [self._message(text, named, films) for (text, named), films in zip(said, shown, strict=True)]
        return Heard.of([items for items, _ in read], [facets for _, facets in read], [named for _, named in said])

    def _message(self, text: str, items: tuple[int, ...], suggested: Sequence[int]) -> tuple[Pairs, Pairs]:
        """What a message says about films and about facets; `suggested` is what "them" means in it."""
        key = self._without_titles(text, items)
        found = self._memo.get(key)
        if found is None:
            said = self._source.said(text, items)
            places = {item: place for place, item in enumerate(items)}
            found = tuple((places[item], sign) for item, sign in said.items), tuple(said.facets), said.verdict
            if len(self._memo) >= MEMO:
                self._memo.clear()
            self._memo[key] = found
        places_said, facets, verdict = found
        about = [(items[place], sign) for place, sign in places_said]
        if verdict:
            judged = {item for item, _ in about}
            about += [(item, verdict) for item in suggested if item not in judged]
        return about, facets

    def _without_titles(self, text: str, items: tuple[int, ...]) -> tuple[Any, ...]:
        """The text with a mark for each title, and the items without one: a bare title may be a word ("Her", "It")."""
        unmarked = []
        places = range(len(items))
        for place in places if len(items) < 2 else sorted(places, key=lambda at: -len(self._names[items[at]])):
            name = self._names[items[place]]
            marked = text.replace(name, f"\0{place}\0") if name.endswith(")") else text
            if marked == text:
                unmarked.append((place, items[place]))
            text = marked
        return (text, len(items), *unmarked)


def _signed(rows: Sequence[Pairs], empty: int) -> tuple[IntArray, NDArray[np.int8]]:
    numbers = padded([[number for number, _ in pairs] for pairs in rows], empty)
    signs = padded([[sign for _, sign in pairs] for pairs in rows], 0)
    return numbers, signs.astype(np.int8)
