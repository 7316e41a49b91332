"""What is said on a turn, one at a time (`AgentTurn`, `UserTurn`) and for a batch (`AgentTurns`, `UserTurns`).

The batch forms are columns. A user's words are rendered only when someone reads them: `UserTurns.said` is a function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crs_gym.catalog import NO_ITEM, FloatArray, IntArray
from crs_gym.errors import SimulatorError
from crs_gym.questions import asked_facet


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
        ranking: The agent's whole ranking, best first, for offline metrics at depths beyond `k`. Never shown to the user,
            never rewarded. Empty means `items`.
        reasoning: Thoughts behind the turn; kept on the trace, never shown to the user.
        understood: Whether the turn could be read and is complete; a face that parses free text says so here.
    """

    utterance: str
    items: tuple[int, ...] = ()
    ranking: tuple[int, ...] = ()
    reasoning: str = ""
    understood: bool = True


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the user answers.

    Attributes:
        utterance: The words that the recommender reads.
        decision: Continue, accept an item, or leave.
        accepted: The accepted item; `None` unless `decision` is `ACCEPT`.
        items: The items that the words name.
        signals: Implicit feedback by name, each in [0, 1] (engagement and the like); empty where the simulator has none.
    """

    utterance: str
    decision: Decision = Decision.CONTINUE
    accepted: int | None = None
    items: tuple[int, ...] = ()
    signals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class AgentTurns:
    """The recommender's turns in `n` dialogues.

    Attributes:
        utterances: `n` texts.
        items: `(n, k)` int32, shown items, best first; `NO_ITEM` where a place is empty.
        understood: `(n,)` bool, see `AgentTurn.understood`.
        rankings: `n` rankings, or `()` when no agent gave one.
        reasonings: `n` texts, or `()`.
        known_asked: `(n,)` int8, the facet kind that each turn asks about (-1: none), for faces that know it without
            reading the words; must be what `asked_facet` reads from them.
    """

    utterances: Sequence[str]
    items: IntArray
    understood: NDArray[np.bool_]
    rankings: Sequence[tuple[int, ...]] = ()
    reasonings: Sequence[str] = ()
    known_asked: NDArray[np.int8] | None = None

    @classmethod
    def of(cls, turns: Sequence[AgentTurn], k: int) -> AgentTurns:
        """Columns from single turns; items beyond the first `k` are not shown."""
        items = np.full((len(turns), k), NO_ITEM, np.int32)
        for row, turn in zip(items, turns, strict=True):
            shown = turn.items[:k]
            row[: len(shown)] = shown
        return cls(
            utterances=[turn.utterance for turn in turns],
            items=items,
            understood=np.array([turn.understood for turn in turns], bool),
            rankings=[turn.ranking for turn in turns] if any(turn.ranking for turn in turns) else (),
            reasonings=[turn.reasoning for turn in turns] if any(turn.reasoning for turn in turns) else (),
        )

    def __len__(self) -> int:
        return len(self.items)

    @cached_property
    def asked(self) -> NDArray[np.int8]:
        """`(n,)` int8, the facet kind that each turn asks the user about, as an index into `FACET_KINDS`; -1: none."""
        if self.known_asked is not None:
            return self.known_asked
        return np.array([asked_facet(text) for text in self.utterances], np.int8)

    def turn(self, i: int) -> AgentTurn:
        """Row `i` as a single turn."""
        return AgentTurn(
            utterance=self.utterances[i],
            items=self.shown(i),
            ranking=self.rankings[i] if self.rankings else (),
            reasoning=self.reasonings[i] if self.reasonings else "",
            understood=bool(self.understood[i]),
        )

    def shown(self, i: int) -> tuple[int, ...]:
        """The items that row `i` shows, empty places left out."""
        return tuple([item for item in self.items[i].tolist() if item != NO_ITEM])


@dataclass(frozen=True, eq=False)
class UserTurns:
    """The users' turns in `n` dialogues.

    Attributes:
        decision: `(n,)` int8 of `Decision`.
        accepted: `(n,)` int32, the accepted item, `NO_ITEM` elsewhere.
        said: From a row to its words and the items that they name. Called only when someone reads them, at any later
            time, and always with the same result.
        signals: Implicit feedback by name, `(n,)` float32 in [0, 1].
        errors: From a row to the reason why the simulator could not answer there.
    """

    decision: NDArray[np.int8]
    accepted: IntArray
    said: Callable[[int], tuple[str, tuple[int, ...]]]
    signals: Mapping[str, FloatArray] = field(default_factory=dict)
    errors: Mapping[int, SimulatorError] = field(default_factory=dict)

    @classmethod
    def of(cls, turns: Sequence[UserTurn | SimulatorError]) -> UserTurns:
        """Columns from single turns, for simulators that answer one dialogue at a time."""
        answered = [turn if isinstance(turn, UserTurn) else UserTurn("") for turn in turns]
        names = {name for turn in answered for name in turn.signals}
        return cls(
            decision=np.array([turn.decision for turn in answered], np.int8),
            accepted=np.array([NO_ITEM if t.accepted is None else t.accepted for t in answered], np.int32),
            said=lambda i: (answered[i].utterance, answered[i].items),
            signals={name: np.array([t.signals.get(name, 0.0) for t in answered], np.float32) for name in names},
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
            signals={name: float(values[i]) for name, values in self.signals.items()},
        )
