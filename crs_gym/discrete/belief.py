"""What is known of each seeker from what it said: films and facets spoken for and against, in columns."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from crs_gym.agent import Histories
from crs_gym.catalog import FACET_KINDS, NO_ITEM, Catalog
from crs_gym.discrete.heard import Heard
from crs_gym.discrete.likeness import Likeness
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.turns import AgentTurns

RECENT: Final = 16
"""How many of the films that speak for what a user wants are remembered, the last ones named. In `ease` one more would
weigh 0.03."""

MOST_SAID: Final = 2
"""After so many statements more, for or against a facet, no further one counts."""

STATED: Final = 1.0
"""What a film's log score gains by a facet that the user spoke for in the dialogue that is gone on with."""
ANSWERED: Final = 2.0
"""What it gains by one that the user named to the policy."""
LIKED: Final = 4.0
"""The weight of its mean likeness to the films that the user spoke for."""
DISLIKED: Final = 1.0
"""The weight against its mean likeness to the films that the user spoke against. All four are those of the belief of
`ask-then-recommend`."""

FOR, AGAINST = 0, 1


class Belief:
    """What is known of the seekers of `num_dialogues` dialogues.

    Attributes:
        recent: `(N, RECENT)` int64, films that speak for what the user wants, the last named first; `NO_ITEM` in empty
            places, which may lie between others.
        balance: `(N, n_facets + 1)` int8 from -2 to 2, statements for each facet less those against it; the last place
            is the padding's, always 0.
        by_facets: `(N, n_items + 1)` float32, what a film's log score gains by what was said of facets; `-inf` for
            films that were named or shown, and in the last place, `NO_ITEM`'s.
        likeness: `(2, N, n_items + 1)` float32, each film's likeness, summed, to those spoken `FOR` and `AGAINST`.
        judged: `(2, N)` float32, how many films these are.
        reaction: `(N, 3)` float32, in the last turn: a film was spoken for, a film against; a facet was named.
        asked: `(N, kinds)` float32, how often the policy asked about each kind of facet.
        shown: `(N,)` float32, how many films were shown.
    """

    def __init__(self, catalog: Catalog, num_dialogues: int) -> None:
        n = num_dialogues
        owners = np.repeat(np.arange(len(catalog), dtype=np.int64), np.diff(catalog.facet_offsets))
        items = owners[np.argsort(catalog.facet_ids, kind="stable")]
        self._n_items_of_facet = np.bincount(catalog.facet_ids, minlength=catalog.n_facets)
        self._items_of_facet = np.split(items, np.cumsum(self._n_items_of_facet)[:-1])
        self._alike = Likeness(catalog)
        self.recent = np.full((n, RECENT), NO_ITEM, np.int64)
        self.balance = np.zeros((n, catalog.n_facets + 1), np.int8)
        self.by_facets = np.full((n, len(catalog) + 1), -np.inf, np.float32)
        self.likeness = np.zeros((2, n, len(catalog) + 1), np.float32)
        self._sums = list(self.likeness.reshape(2 * n, -1))  # row by row: to make a view costs as much as to add to it
        self.judged = np.zeros((2, n), np.float32)
        self.reaction = np.zeros((n, 3), np.float32)
        self.asked = np.zeros((n, len(FACET_KINDS)), np.float32)
        self.shown = np.zeros(n, np.float32)

    def begin(self, rows: IntArray, heard: Heard) -> None:
        """Forget who was in `rows`, and take in the dialogue that is gone on with: all films named in it are wanted.

        Two people who talk to the point name films of one kind, and nine in ten of them are liked.
        """
        self.recent[rows] = _latest(heard.named)
        self.balance[rows] = 0
        self.by_facets[rows] = 0
        self.by_facets[rows, NO_ITEM] = -np.inf
        for side in (FOR, AGAINST):
            self.likeness[side, rows[self.judged[side, rows] > 0]] = 0
        self.judged[:, rows] = 0
        self.asked[rows] = 0
        self.shown[rows] = 0
        self._hear(rows, heard, STATED)
        self.reaction[rows] = 0

    def follow(self, rows: IntArray, turns: AgentTurns, heard: Heard) -> None:
        """Take in a turn of the policy in each of `rows`, and what was heard in answer."""
        self.by_facets[rows[:, None], turns.items] = -np.inf
        self.shown[rows] += (turns.items != NO_ITEM).sum(axis=1)
        asked = turns.asked()
        asks = np.flatnonzero(asked >= 0)
        self.asked[rows[asks], asked[asks]] += 1
        for column, signs in zip(heard.items.T, heard.item_signs.T, strict=True):
            self._want(rows, np.where(signs > 0, column, NO_ITEM))
        self._hear(rows, heard, ANSWERED)
        self.reaction[rows, 0] = (heard.item_signs > 0).any(axis=1)
        self.reaction[rows, 1] = (heard.item_signs < 0).any(axis=1)
        self.reaction[rows, 2] = (heard.facet_signs != 0).any(axis=1)

    def evidence(self, rows: IntArray, out: FloatArray, scratch: FloatArray) -> None:
        """Into `out` `(n, n_items)`, what films' log scores gain by all that was said; `-inf` for films met already.

        It is never -0.0. `scratch`, of the same shape, is written over.
        """
        at = span(rows)
        out[:] = self.by_facets[at, :-1]
        for side, weight in ((FOR, LIKED), (AGAINST, -DISLIKED)):
            films = self.judged[side, at]
            shares = np.float32(weight) / np.maximum(films, 1)  # of no film the likeness is 0
            judging = np.flatnonzero(films)
            if 2 * len(judging) > len(films):
                np.multiply(self.likeness[side, at, :-1], shares[:, None], out=scratch)
                out += scratch
            elif len(judging):  # few users speak against a film
                out[judging] += self.likeness[side, rows[judging], :-1] * shares[judging, None]

    def unmet(self, rows: IntArray, out: FloatArray) -> None:
        """Into `out` `(n, n_items)`, `-inf` for films met already, else 0; never -0.0."""
        out[:] = np.where(np.isneginf(self.by_facets[span(rows), :-1]), -np.inf, 0)

    def histories(self, rows: IntArray) -> Histories:
        """The films that speak for what the users of `rows` want."""
        recent = self.recent[rows]
        filled = recent != NO_ITEM
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(filled.sum(axis=1), out=offsets[1:])
        return Histories(offsets, recent[filled])

    # ---------------------------------------------------------------- inside

    def _want(self, rows: IntArray, items: IntArray) -> None:
        """Put a film in front of each row's recent ones; a film that stands there already moves up."""
        there = np.flatnonzero(items != NO_ITEM)
        if not len(there):
            return
        rows, items = rows[there], items[there]
        recent = self.recent[rows]
        # Those in front of its old place move back by one; of a new film, those in front of the first empty place.
        same, empty = recent == items[:, None], recent == NO_ITEM
        empty[:, -1] = True
        end = np.where(same.any(axis=1), same.argmax(axis=1), empty.argmax(axis=1))
        moved = np.arange(1, RECENT) <= end[:, None]
        recent[:, 1:] = np.where(moved, recent[:, :-1], recent[:, 1:])
        recent[:, 0] = items
        self.recent[rows] = recent

    def _hear(self, rows: IntArray, heard: Heard, weight: float) -> None:
        if heard.named.size:
            self.by_facets[rows[:, None], heard.named] = -np.inf
        who, place = heard.item_signs.nonzero()
        if len(who):
            self._judge(rows[who], heard.items[who, place], heard.item_signs[who, place])
        for facets, signs in zip(heard.facets.T, heard.facet_signs.T, strict=True):
            stating = np.flatnonzero(signs)
            if len(stating):
                self._state(rows[stating], facets[stating], signs[stating], weight)

    def _judge(self, rows: IntArray, items: IntArray, signs: NDArray[np.int8]) -> None:
        """Films are spoken for, or against: one in each of `rows`, which may hold a row several times."""
        places = np.where(signs > 0, rows, rows + self.judged.shape[1])
        self.judged += np.bincount(places, minlength=self.judged.size).reshape(self.judged.shape)
        for place, alike in zip(places.tolist(), self._alike.of(items), strict=True):
            own = self._sums[place]
            np.add(own, alike, own)  # in place: all rows at once would be copied twice
        against = np.flatnonzero(signs < 0)
        if len(against):
            rows = rows[against]
            found, place = (self.recent[rows] == items[against, None]).nonzero()
            self.recent[rows[found], place] = NO_ITEM

    def _state(self, rows: IntArray, facets: IntArray, signs: NDArray[np.int8], weight: float) -> None:
        """A facet is spoken for, or against, in each of `rows`: its films gain, or lose."""
        before = self.balance[rows, facets]
        after = np.minimum(np.maximum(before + signs, -MOST_SAID), MOST_SAID)
        self.balance[rows, facets] = after
        counts = self._n_items_of_facet[facets]
        items = np.concatenate([self._items_of_facet[facet] for facet in facets.tolist()])
        # A flat index takes a third of the time of two; no film has a facet twice, so no place is hit twice.
        places = items + np.repeat(rows * self.by_facets.shape[1], counts)
        gains = (after - before) * np.float32(weight)
        self.by_facets.reshape(-1)[places] += np.repeat(gains, counts)


def _latest(named: IntArray) -> IntArray:
    """`(n, RECENT)` the last of `(n, c)` films, no row with one twice, in the order of `Belief.recent`."""
    latest = named[:, ::-1]
    if latest.shape[1] > RECENT:  # no gaps, which would leave no room for all
        latest = np.take_along_axis(latest, np.argsort(latest == NO_ITEM, axis=1, kind="stable"), axis=1)[:, :RECENT]
    recent = np.full((len(named), RECENT), NO_ITEM, np.int64)
    recent[:, : latest.shape[1]] = latest
    return recent


def span(rows: IntArray) -> IntArray | slice:
    """Ascending rows as a slice where none is left out: numpy then looks at them where they are, and copies nothing."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows
