"""What is said on a turn, one at a time (`AgentTurn`, `UserTurn`) and for a batch (`AgentTurns`, `UserTurns`).

The batch forms are columns. A user's words are rendered only when someone reads them: `UserTurns.said` is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM
from crs_gym.errors import SimulatorError
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.questions import asked_facet
from crs_gym.transcript import encodable, one_line

MAX_UTTERANCE: Final = 4_000
"""The longest utterance in characters; what is longer is cut, and not understood (our choice: some 700 words)."""


Outcome = Literal["accepted", "left", "truncated", "errored"]
"""How an episode ended."""


class Decision(IntEnum):
    """What the user decides on its turn."""

    CONTINUE = 0
    ACCEPT = 1
    LEAVE = 2


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """What the recommender says and shows.

    Attributes:
        utterance: The words that the user reads.
        items: The items shown, best first; the engine shows the first `k`.
        ranking: The agent's whole ranking, best first, for offline metrics at depths beyond `k`. Never shown to the
            user, never rewarded. Empty means `items`.
        reasoning: Thoughts behind the turn; kept on the trace, never shown to the user.
        understood: Whether the turn could be read and is complete; a face that parses free text says so here.
        well_formed: Whether what a model wrote had its agreed form. Where it had not, and the agent repaired or
            replaced it, the user understands the turn, which earns no `format`.
    """

    utterance: str
    items: tuple[int, ...] = ()
    ranking: tuple[int, ...] = ()
    reasoning: str = ""
    understood: bool = True
    well_formed: bool = True


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user answers.

    Attributes:
        utterance: The words that the recommender reads.
        decision: Continue, accept an item, or leave.
        accepted: The accepted item; `None` unless `decision` is `ACCEPT`.
        items: The items that the words name.
        signals: Implicit feedback by name, each in [0, 1] (engagement and the like); empty where there are none.
    """

    utterance: str
    decision: Decision = Decision.CONTINUE
    accepted: int | None = None
    items: tuple[int, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class AgentTurns:
    """The recommender's turns in `n` dialogues. Build it with `of` or `from_columns`, which clean what they are given.

    Attributes:
        utterances: `n` texts, each on one line and at most `MAX_UTTERANCE` characters long.
        items: `(n, k)` int64, shown items, best first, none twice; behind them `NO_ITEM`.
        understood: `(n,)` bool, see `AgentTurn.understood`.
        rankings: `n` rankings, or `()` when no agent gave one.
        reasonings: `n` texts, or `()`.
        known_asked: `(n,)` int64, the facet kind that each turn asks about (-1: none), for faces that know it without
            reading the words; must be what `asked_facet` reads from them.
        well_formed: `(n,)` bool, see `AgentTurn.well_formed`; `None`: all are.
    """

    utterances: Sequence[str]
    items: IntArray
    understood: NDArray[np.bool_]
    rankings: Sequence[tuple[int, ...]] = ()
    reasonings: Sequence[str] = ()
    known_asked: IntArray | None = None
    well_formed: NDArray[np.bool_] | None = None
    _shown: list[tuple[int, ...]] | None = None

    @classmethod
    def of(cls, turns: Sequence[AgentTurn], k: int, n_items: int) -> AgentTurns:
        """Columns from single turns; items beyond the first `k` are not shown.

        Raises:
            ValueError: A turn names an item outside the catalogue, or one that is no whole number, or its words are no
                text.
        """
        items = np.full((len(turns), k), NO_ITEM, np.int64)
        for i, turn in enumerate(turns):
            for field_name, words in (("utterance", turn.utterance), ("reasoning", turn.reasoning)):
                if not isinstance(words, str):
                    raise ValueError(f"{field_name} of turn {i} is a {type(words).__name__}; it must be a str")
            for field_name, numbers in (("items", turn.items), ("ranking", turn.ranking)):
                if not isinstance(numbers, tuple | list | np.ndarray):
                    raise ValueError(
                        f"{field_name} of turn {i} is a {type(numbers).__name__}; it must be a tuple of items"
                    )
                for item in numbers:
                    if isinstance(item, bool) or not isinstance(item, int | np.integer) or not 0 <= item < n_items:
                        raise ValueError(
                            f"{field_name} of turn {i} holds {item!r}: items are numbers from 0 to {n_items - 1}"
                        )
            shown = turn.items[:k]
            items[i, : len(shown)] = shown
        return cls.from_columns(
            [turn.utterance for turn in turns],
            items,
            understood=[turn.understood for turn in turns],
            rankings=[tuple(map(int, t.ranking)) for t in turns] if any(len(t.ranking) for t in turns) else (),
            reasonings=[turn.reasoning for turn in turns] if any(turn.reasoning for turn in turns) else (),
            well_formed=None if all(turn.well_formed for turn in turns) else [turn.well_formed for turn in turns],
        )

    @classmethod
    def from_columns(
        cls,
        utterances: Sequence[str],
        items: IntArray,
        *,
        understood: Sequence[bool] | None = None,
        rankings: Sequence[tuple[int, ...]] = (),
        reasonings: Sequence[str] = (),
        well_formed: Sequence[bool] | None = None,
        distinct: bool = False,
    ) -> AgentTurns:
        """Columns from columns, cleaned: this is where a malformed turn becomes a turn that was not understood.

        That is a turn with nothing in it, one that is too long (it is cut), or one that shows an item twice. A turn
        that is not understood shows nothing, so nothing is gained by it. Empty places between items are closed up.

        Args:
            utterances: `n` texts of any kind.
            items: `(n, k)` int64 of valid items or `NO_ITEM`.
            understood: What the face says already, `n` times; all true when left out.
            rankings: See the class.
            reasonings: See the class.
            well_formed: What the agent says already, `n` times; all true when left out.
            distinct: The items of each row are known to differ, and to stand in its first places.
        """
        clean = [one_line(text if len(text) <= MAX_UTTERANCE else text[:MAX_UTTERANCE]) for text in utterances]
        well = [words != "" and len(text) <= MAX_UTTERANCE for words, text in zip(clean, utterances, strict=True)]
        if not all(well):
            for i, text in enumerate(utterances):  # a slate without words is a complete turn, too
                well[i] = len(text) <= MAX_UTTERANCE and (bool(clean[i]) or bool((items[i] != NO_ITEM).any()))
        if understood is not None:
            well = [one and other for one, other in zip(well, understood, strict=True)]
        flags = np.array(well, bool)
        if not distinct:
            items, twice = _closed_up(items)
            if np.count_nonzero(twice):
                flags &= ~twice
                well = flags.tolist()
        if not all(well):
            items = np.where(flags[:, None], items, NO_ITEM)
        formed = None if well_formed is None else np.array(well_formed, bool)
        return cls(clean, items, flags, rankings, [encodable(text) for text in reasonings], well_formed=formed)

    def __len__(self) -> int:
        return len(self.items)

    def take(self, places: IntArray) -> AgentTurns:
        """The turns at some places, in that order."""
        return AgentTurns(
            utterances=[self.utterances[i] for i in places.tolist()],
            items=self.items[places],
            understood=self.understood[places],
            rankings=[self.rankings[i] for i in places.tolist()] if self.rankings else (),
            reasonings=[self.reasonings[i] for i in places.tolist()] if self.reasonings else (),
            known_asked=None if self.known_asked is None else self.known_asked[places],
            well_formed=None if self.well_formed is None else self.well_formed[places],
        )

    def asked(self) -> IntArray:
        """`(n,)` int64, the facet kind that each turn asks the user about, as an index into `FACET_KINDS`; -1: none."""
        if self.known_asked is not None:
            return self.known_asked
        return np.array([asked_facet(text) for text in self.utterances], np.int64)

    def turn(self, i: int) -> AgentTurn:
        """Row `i` as a single turn."""
        return AgentTurn(
            utterance=self.utterances[i],
            items=self.shown(i),
            ranking=self.rankings[i] if self.rankings else (),
            reasoning=self.reasonings[i] if self.reasonings else "",
            understood=bool(self.understood[i]),
            well_formed=self.well_formed is None or bool(self.well_formed[i]),
        )

    def shown(self, i: int) -> tuple[int, ...]:
        """The items that row `i` shows, empty places left out."""
        if self._shown is None:
            self._shown = [
                tuple(row) if row[-1] != NO_ITEM else tuple([item for item in row if item != NO_ITEM])
                for row in self.items.tolist()
            ]
        return self._shown[i]


@dataclass(slots=True, eq=False)
class Told:
    """What the words of `n` users say, in columns: nothing that a reader of the words would not know.

    Attributes:
        items: `(n, a)` int64, the films that are judged, padded with `NO_ITEM`; none twice in a row.
        item_signs: `(n, a)` int8, 1 for films spoken for, -1 for films spoken against.
        facets: `(n, b)` int64, the facets that are named, padded with -1.
        facet_signs: `(n, b)` int8, as `item_signs`.
    """

    items: IntArray
    item_signs: NDArray[np.int8]
    facets: IntArray
    facet_signs: NDArray[np.int8]


@dataclass(slots=True, eq=False)
class UserTurns:
    """The users' turns in `n` dialogues.

    Attributes:
        decision: `(n,)` int8 of `Decision`.
        accepted: `(n,)` int64, the accepted item, `NO_ITEM` elsewhere.
        said: From a row to its words and the items that they name. Called only when someone reads them, at any later
            time, and always with the same result.
        volunteered: `(n, m)` int64, items that the words name and that the recommender may not have shown yet, padded
            with `NO_ITEM`; `None` where the words name shown items only.
        told: What the words say, for those who read numbers; `None` where only a reader can tell. Called as `said` is.
        signals: Implicit feedback by name, `(n,)` float32 in [0, 1]; `nan` in rows that give no such signal.
        errors: From a row to the reason why the simulator could not answer there.
    """

    decision: NDArray[np.int8]
    accepted: IntArray
    said: Callable[[int], tuple[str, tuple[int, ...]]]
    volunteered: IntArray | None = None
    told: Callable[[], Told] | None = None
    signals: Mapping[str, FloatArray] = field(default_factory=dict)
    errors: Mapping[int, SimulatorError] = field(default_factory=dict)

    @classmethod
    def of(cls, turns: Sequence[UserTurn | SimulatorError]) -> UserTurns:
        """Columns from single turns, for simulators that answer one dialogue at a time."""
        answered = [_clean(turn) if isinstance(turn, UserTurn) else UserTurn("") for turn in turns]
        names = {name for turn in answered for name in turn.signals}
        volunteered = np.full(
            (len(answered), max((len(turn.items) for turn in answered), default=0)), NO_ITEM, np.int64
        )
        for row, turn in zip(volunteered, answered, strict=True):
            row[: len(turn.items)] = turn.items
        return cls(
            decision=np.array([turn.decision for turn in answered], np.int8),
            accepted=np.array([NO_ITEM if t.accepted is None else t.accepted for t in answered], np.int64),
            said=lambda i: (answered[i].utterance, answered[i].items),
            volunteered=volunteered,
            signals={name: np.array([t.signals.get(name, np.nan) for t in answered], np.float32) for name in names},
            errors={i: turn for i, turn in enumerate(turns) if isinstance(turn, SimulatorError)},
        )

    def __len__(self) -> int:
        return len(self.decision)

    def turn(self, i: int) -> UserTurn:
        """Row `i` as a single turn."""
        utterance, items = self.said(i)
        accepted = int(self.accepted[i])
        return UserTurn(
            utterance=utterance,
            decision=Decision(int(self.decision[i])),
            accepted=None if accepted == NO_ITEM else accepted,
            items=items,
            signals={name: float(values[i]) for name, values in self.signals.items() if not np.isnan(values[i])},
        )


def _closed_up(items: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """`items` with the empty places of each row behind its items, and which rows hold an item twice."""
    empty = items == NO_ITEM
    in_order = np.sort(items, axis=1)
    same = in_order[:, 1:] == in_order[:, :-1]
    if np.count_nonzero(empty):
        same &= in_order[:, 1:] != NO_ITEM
        if np.count_nonzero(empty[:, :-1] > empty[:, 1:]):
            items = np.take_along_axis(items, np.argsort(empty, axis=1, kind="stable"), axis=1)
    return items, same.any(axis=1)


def _clean(turn: UserTurn) -> UserTurn:
    """The turn with its words on one line."""
    words = one_line(turn.utterance)
    return turn if words == turn.utterance else replace(turn, utterance=words)
