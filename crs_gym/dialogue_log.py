"""What was said in N dialogues, and the text of it: rendered when someone reads it, as far as it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.episodes import Episode, Episodes
from crs_gym.errors import SimulatorError
from crs_gym.numeric import FloatArray, IntArray, plain
from crs_gym.task import Message
from crs_gym.transcript import render_message, with_shown_items
from crs_gym.turns import AgentTurn, AgentTurns, Told, UserTurn, UserTurns


@dataclass(slots=True, eq=False)
class StepRecord:
    """One turn of `n` dialogues, in columns: recommenders, users, what the terms gave, and who failed."""

    agents: AgentTurns
    users: UserTurns
    terms: Mapping[str, Sequence[float] | FloatArray]
    rewards: FloatArray
    errors: Mapping[int, SimulatorError]

    def turn(self, i: int) -> TurnRecord:
        """The turn of the `i`-th dialogue."""
        return TurnRecord(self.agents, self.users, self.terms, self.rewards, self.errors, i)


@dataclass(slots=True, eq=False)
class TurnRecord:
    """One turn of a dialogue, as a place in the columns that hold it."""

    agents: AgentTurns
    users: UserTurns
    terms: Mapping[str, Sequence[float] | FloatArray]
    rewards: FloatArray
    errors: Mapping[int, SimulatorError]
    i: int

    def agent(self) -> AgentTurn:
        """The recommender's turn."""
        return self.agents.turn(self.i)

    def reasoning(self) -> str:
        """The thoughts behind the recommender's turn."""
        return self.agents.reasonings[self.i] if self.agents.reasonings else ""

    def user(self) -> UserTurn | None:
        """The user's turn; `None` if the simulator failed."""
        return None if self.i in self.errors else self.users.turn(self.i)


def recommender_message(turns: AgentTurns, i: int, catalog: Catalog) -> Message:
    """Turn `i` as the user reads it."""
    shown = turns.shown(i)
    return Message("recommender", with_shown_items(turns.utterances[i], shown, catalog.names), shown)


@dataclass(slots=True, eq=False)
class _Reading:
    """How far a dialogue was read: its messages, with so many turns in them, and the text of so many messages."""

    messages: list[Message]
    turns: int = 0
    text: str = ""
    n_in_text: int = 0


class DialogueLog:
    """What was said in `num_dialogues` dialogues.

    Args:
        catalog: Names the items.
        num_dialogues: N.
        max_turns: The turn limit.
    """

    def __init__(self, catalog: Catalog, num_dialogues: int, max_turns: int) -> None:
        self._catalog = catalog
        self._begun: list[tuple[Episodes, int] | None] = [None] * num_dialogues
        self._openings: dict[int, UserTurn] = {}
        self._readings: dict[int, _Reading] = {}
        self._steps = np.empty((num_dialogues, max_turns), object)
        self._places = np.zeros((num_dialogues, max_turns), np.int64)
        self._lengths = np.zeros(num_dialogues, np.int64)

    def begin(self, rows: IntArray, episodes: Episodes) -> None:
        """Nothing but its context was said in each of `rows`."""
        for place, row in enumerate(rows.tolist()):
            self._begun[row] = episodes, place
        for known in (self._openings, self._readings):
            for row in rows.tolist() if known else ():
                known.pop(row, None)
        (at,) = plain(rows)
        self._lengths[at] = 0
        self._steps[at] = None  # or steps that are over would be kept for as long as no episode gets so far

    def open(self, row: int, opening: UserTurn) -> None:
        """The user's first words, where the context holds none."""
        self._openings[row] = opening
        if row in self._readings:
            self._readings[row].messages.append(_opening_message(opening))

    def add(self, rows: IntArray, step: StepRecord) -> None:
        """One turn more in each of `rows`."""
        one = len(rows) == 1  # on plain numbers: see `crs_gym.numeric`
        at = rows[0] if one else rows
        turn = self._lengths[at]
        self._steps[at, turn] = step
        self._places[at, turn] = 0 if one else np.arange(len(rows))
        self._lengths[at] = turn + 1

    def begun(self, row: int) -> tuple[Episodes, int]:
        """The episodes that were begun together with that of `row`, and its place among them.

        Raises:
            ValueError: None was begun there.
        """
        begun = self._begun[row]
        if begun is None:
            raise ValueError(f"no episode was begun in row {row}: call reset() first")
        return begun

    def episode(self, row: int) -> Episode:
        """The episode that is played in `row`.

        Raises:
            ValueError: None was begun there.
        """
        episodes, place = self.begun(row)
        return episodes[place]

    def context_told(self, rows: IntArray) -> Told | None:
        """What users have said before the first turns of `rows`, in columns.

        `None` where only a reader can tell; and where `rows` were not begun together, or some user spoke first.
        """
        begun = [self.begun(row) for row in rows.tolist()]
        episodes = begun[0][0]
        told = episodes.tasks.told
        if told is None or self._openings or any(other is not episodes for other, _ in begun):
            return None
        places = [place for _, place in begun]
        return Told(told.items[places], told.item_signs[places], told.facets[places], told.facet_signs[places])

    def opening(self, row: int) -> UserTurn | None:
        """What the user said first in `row`, where the context held no word of the user."""
        return self._openings.get(row)

    def turns(self, row: int) -> list[TurnRecord]:
        """The turns so far in `row`."""
        length = self._lengths[row]
        steps: list[StepRecord] = self._steps[row, :length].tolist()
        return [step.turn(i) for step, i in zip(steps, self._places[row, :length].tolist(), strict=True)]

    def messages(self, row: int) -> tuple[Message, ...]:
        """The dialogue in `row` so far."""
        return tuple(self._read(row).messages)

    def dialogue(self, row: int) -> str:
        """The dialogue in `row` so far as text, one line a message."""
        reading = self._read(row)
        unread = reading.messages[reading.n_in_text :]
        if unread:
            lines = [render_message(message.role, message.text) for message in unread]
            reading.text = "\n".join([reading.text, *lines] if reading.text else lines)
            reading.n_in_text = len(reading.messages)
        return reading.text

    def _read(self, row: int) -> _Reading:
        """The messages of `row`, with those turns rendered that nobody has read yet."""
        reading = self._readings.get(row)
        if reading is None:
            reading = self._readings[row] = _Reading(list(self.episode(row).task.context))
            opening = self._openings.get(row)
            if opening is not None:
                reading.messages.append(_opening_message(opening))
        length = self._lengths.item(row)
        for turn in range(reading.turns, length):
            step: StepRecord = self._steps[row, turn]
            i = self._places.item(row, turn)
            reading.messages.append(recommender_message(step.agents, i, self._catalog))
            if i not in step.errors:
                utterance, items = step.users.said(i)
                reading.messages.append(Message("user", utterance, items))
        reading.turns = length
        return reading


def _opening_message(opening: UserTurn) -> Message:
    return Message("user", opening.utterance, opening.items)
