"""The words of a policy that says numbers, from templates. Rendered only when someone reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np

from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.numeric import IntArray
from crs_gym.questions import NO_QUESTION, QUESTIONS
from crs_gym.transcript import one_line
from crs_gym.turns import AgentTurns

NAMED_TITLES: Final = 3
"""How many of the shown titles the sentence names; nobody reads out ten. The others are listed behind it."""

RECOMMENDATIONS: Final = ("You might enjoy {}.", "I would suggest {}.", "You could try {}.", "Have a look at {}.")
LEAD_INS: Final = ("In the meantime, have a look at {}.", "So far I would suggest {}.")
UNNAMED: Final = "these films"
"""Stands for titles that hold a question mark: they would turn the sentence into a question."""
NOTHING_LEFT: Final = "I have nothing new left to suggest."


@dataclass(frozen=True, slots=True, eq=False)
class Utterances(Sequence[str]):
    """What is said on `n` turns, worded when it is read.

    Attributes:
        catalog: Names the items.
        items: `(n, k)` int64, the films shown, `NO_ITEM` behind them.
        asked: `(n,)` int64, the kind of facet asked about, or `NO_QUESTION`.
    """

    catalog: Catalog
    items: IntArray
    asked: IntArray

    def __len__(self) -> int:
        return len(self.asked)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[str]: ...
    def __getitem__(self, i: int | slice) -> str | Sequence[str]:
        if isinstance(i, slice):
            return Utterances(self.catalog, self.items[i], self.asked[i])
        return worded(self.catalog, [item for item in self.items[i].tolist() if item != NO_ITEM], int(self.asked[i]))


@dataclass(frozen=True, slots=True, eq=False)
class Rankings(Sequence[tuple[int, ...]]):
    """`n` rankings from `(n, C)` columns padded with `NO_ITEM`."""

    items: IntArray

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, i: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[tuple[int, ...]]: ...
    def __getitem__(self, i: int | slice) -> tuple[int, ...] | Sequence[tuple[int, ...]]:
        if isinstance(i, slice):
            return Rankings(self.items[i])
        return tuple([item for item in self.items[i].tolist() if item != NO_ITEM])


class TemplateTurns(AgentTurns):
    """Turns whose words and rankings are made when they are read. Always understood."""

    __slots__ = ()

    @classmethod
    def worded(cls, catalog: Catalog, items: IntArray, rankings: IntArray, asked: IntArray) -> TemplateTurns:
        """Turns that show `items` `(n, k)`, rank `rankings` `(n, C)` and ask about the kinds `asked` `(n,)`."""
        everything = np.ones(len(items), bool)
        return cls(Utterances(catalog, items, asked), items, everything, Rankings(rankings), (), asked)

    def take(self, places: IntArray) -> TemplateTurns:
        """The turns at some places, in that order."""
        words, rankings = self.utterances, self.rankings
        assert isinstance(words, Utterances)
        assert isinstance(rankings, Rankings)
        return self.worded(words.catalog, self.items[places], rankings.items[places], words.asked[places])


def worded(catalog: Catalog, items: Sequence[int], asked: int) -> str:
    """One turn's words. Which of the templates it is follows from what is shown.

    Args:
        catalog: Names the items.
        items: The films shown, best first.
        asked: The kind of facet that is asked about, as an index into `FACET_KINDS`, or `NO_QUESTION`.
    """
    question = "" if asked == NO_QUESTION else QUESTIONS[FACET_KINDS[asked]]
    if not items:
        return question or NOTHING_LEFT
    templates = LEAD_INS if question else RECOMMENDATIONS
    words = templates[sum(items) % len(templates)].format(_titles(catalog, items))
    return one_line(f"{words} {question}" if question else words)


def _titles(catalog: Catalog, items: Sequence[int]) -> str:
    """`A, B and C`."""
    names = [catalog.names[item] for item in items if "?" not in catalog.names[item]][:NAMED_TITLES] or [UNNAMED]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
