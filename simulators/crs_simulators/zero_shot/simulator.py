"""The user that an untrained chat model plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import LanguageModelError, SimulatorError
from crs_gym.lm import Chat, Generation, LanguageModel, Sampling
from crs_gym.numeric import DoubleArray, FloatArray, IntArray
from crs_gym.randomness import derived_key
from crs_gym.simulator import Seeker
from crs_gym.task import Message
from crs_gym.turns import AgentTurns, Decision, UserTurn, UserTurns
from crs_simulators.seats import Knows, Seats, check_knows, hashed
from crs_simulators.zero_shot import prompts, wording
from crs_simulators.zero_shot.views import BASE_RATES, LEAVES, NO, YES, Choice, Kind, Slate, calibrated, choose

MODEL: Final = "smollm2-135m-instruct"
"""The default: small enough for a CPU."""

TEMPERATURE: Final = 1.0
"""The model's probabilities as they are (our choice)."""

THRESHOLD: Final = 0.12
"""A film is accepted if the seeker holds it for somewhat better than any film (`views.BASE_RATES`; our choice)."""

WORDS: Final = Sampling(max_tokens=40, temperature=0.8, min_p=0.05, stop=("\n",))
"""How words are drawn (our choice): untempered, a small model loses its thread."""

REVISION: Final = 1
"""Rises whenever the rules change, other than by `prompts.VERSION`."""

_DECISIONS: Final = {Kind.ACCEPT: Decision.ACCEPT, Kind.LEAVE: Decision.LEAVE}


@dataclass(slots=True, eq=False)
class _Seat:
    """One dialogue, as the model reads it."""

    seeker: Seeker
    told: str
    dialogue: list[Message]
    known: set[int]
    shown: set[int] = field(default_factory=set)
    turn: int = 0
    bent: DoubleArray | None = None
    """Of the question whether to go on, before the recommender's first turn."""


class ZeroShotSimulator:
    """A chat model that is asked to play the seeker; see the package.

    Each film that is shown for the first time is judged by itself: one question to the model, which holds the dialogue
    before this turn and the film. One more asks of no film in particular, and one whether the seeker goes on: a
    turn that shows `k` new films costs `k + 2` readings and one sentence.

    Args:
        catalog: What the seekers talk about.
        num_dialogues: How many dialogues are played side by side.
        max_turns: Not used: the seeker does not know the limit.
        model: A name or path as in `crs_gym.lm.loading.load_language_model`, or (in Python) a model.
        knows: `history`: the seeker is what it has said. `profile`: it is told its other likes and dislikes, too.
        temperature: Divides what the model holds of a film, above 0: the higher, the more alike are all films.
        threshold: The probability from which on a film that pleases is accepted, in [0, 1].

    Raises:
        ValueError: An option has no such value.
        WeightsError: The model is not on this machine.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        num_dialogues: int,
        max_turns: int,
        model: str | LanguageModel = MODEL,
        knows: Knows = "history",
        temperature: float = TEMPERATURE,
        threshold: float = THRESHOLD,
    ) -> None:
        del max_turns
        check_knows(knows)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0.0 < temperature < np.inf:
            raise ValueError(f"temperature={temperature!r}: must be a number above 0")
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold={threshold!r}: must be a probability, from 0 to 1")
        if not isinstance(model, str) and not hasattr(model, "generate"):  # a check of the protocol would ask a server
            raise ValueError(f"model is a {type(model).__name__}: must be a name, a path or a LanguageModel")
        self._catalog = catalog
        self._model = _loaded(model) if isinstance(model, str) else model
        self._knows = knows
        self._temperature = float(temperature)
        self._threshold = float(threshold)
        self._seats = Seats[_Seat](self._model, num_dialogues)

    @property
    def revision(self) -> str:
        """A hash of all that an answer depends on: the model, the prompts, the rules and the options."""
        parts = (
            *(self._model.revision, prompts.VERSION, REVISION, repr(WORDS), BASE_RATES, LEAVES),
            *(self._knows, self._temperature, self._threshold),
        )
        return f"zero-shot-{REVISION}+{hashed(parts)}"

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Put a new seeker into each of `rows`."""
        self._seats.put(rows.tolist(), map(self._seat, seekers))

    def open(self, rows: IntArray) -> UserTurns:
        """First words, of the model's own."""
        seats = [self._seats[row] for row in rows.tolist()]
        chats = [prompts.chat(seat.told, seat.dialogue) for seat in seats]
        written = self._write(rows.tolist(), seats, chats)
        answers: list[UserTurn | SimulatorError] = []
        for seat, text in zip(seats, written, strict=True):
            if isinstance(text, LanguageModelError):
                answers.append(text)
            else:
                answers.append(self._say(seat, wording.finish("", text.text, text.finished, wording.OPENING)))
        return UserTurns.of(answers)

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Decide in each of `rows`, and say so."""
        seats = [self._seats[row] for row in rows.tolist()]
        choices = self._choices(seats, turns)
        answers: list[UserTurn | SimulatorError] = [SimulatorError("not answered")] * len(seats)
        places, chats, beginnings = [], [], []
        for i, (seat, choice) in enumerate(zip(seats, choices, strict=True)):
            if isinstance(choice, LanguageModelError):
                answers[i] = choice
                continue
            said = Message("recommender", turns.utterances[i], turns.shown(i))
            seat.dialogue.append(prompts.shown(said, self._catalog))
            seat.shown.update(said.items)
            if choice.kind is Kind.CONFUSED:
                answers[i] = self._say(seat, wording.without_words(choice, self._catalog))
                continue
            beginning = wording.begin(choice, self._catalog, seat.seeker.key, seat.turn)
            places.append(i)
            beginnings.append(beginning)
            chats.append(prompts.chat(seat.told, seat.dialogue, prefix=beginning))
        written = self._write(rows[places].tolist(), [seats[i] for i in places], chats)
        for i, beginning, text in zip(places, beginnings, written, strict=True):
            seat, choice = seats[i], choices[i]
            if isinstance(text, LanguageModelError) or isinstance(choice, LanguageModelError):
                answers[i] = text if isinstance(text, LanguageModelError) else answers[i]
                continue
            instead = wording.without_words(choice, self._catalog)
            answers[i] = self._say(seat, wording.finish(beginning, text.text, text.finished, instead), choice)
        return UserTurns.of(answers)

    def acceptance(self, seekers: Sequence[Seeker], items: Sequence[int]) -> FloatArray:
        """`(n,)` the probability that the `i`-th seeker likes `items[i]`: would watch it, or has seen and likes it.

        Raises:
            LanguageModelError: The model could not answer for one of them.
        """
        seats = [self._seat(seeker) for seeker in seekers]
        chats = [
            chat
            for seat, item in zip(seats, items, strict=True)
            for chat in (self._question(seat, None), self._question(seat, item))
        ]
        reads = self._model.read(chats, prompts.ANSWERS) if chats else []
        likes = np.empty(len(seats), np.float32)
        for i, (neutral, read) in enumerate(zip(reads[::2], reads[1::2], strict=True)):
            for answer in (neutral, read):
                if isinstance(answer, LanguageModelError):
                    raise answer
            assert not isinstance(neutral, LanguageModelError)
            assert not isinstance(read, LanguageModelError)
            likes[i] = 1.0 - calibrated(read, neutral[0], BASE_RATES, self._temperature)[0, NO]
        return likes

    # ---------------------------------------------------------------- inside

    def _seat(self, seeker: Seeker) -> _Seat:
        profile = seeker.profile if self._knows == "profile" else None
        dialogue = [Message(m.role, prompts.cut(m.text), m.items) for m in seeker.context]
        known = {item for message in dialogue for item in message.items}
        if profile is not None:
            known.update(profile.likes, profile.dislikes)
        return _Seat(seeker, prompts.system(profile, self._catalog), dialogue, known)

    def _question(self, seat: _Seat, item: int | None) -> Chat:
        return prompts.chat(seat.told, seat.dialogue, prompts.ask_about(item, self._catalog))

    def _choices(self, seats: Sequence[_Seat], turns: AgentTurns) -> list[Choice | LanguageModelError]:
        """What each seeker does: all questions of all rows to the model at once."""
        chats: list[Chat] = []
        spans: list[tuple[int, int]] = []
        slates: list[tuple[int, ...]] = []
        for i, seat in enumerate(seats):
            seat.turn += 1
            begin = len(chats)
            new = tuple(item for item in turns.shown(i) if item not in seat.known and item not in seat.shown)
            slates.append(new)
            if turns.understood[i]:
                said = Message("recommender", turns.utterances[i], turns.shown(i))
                after = [*seat.dialogue, prompts.shown(said, self._catalog)]
                chats.append(prompts.chat(seat.told, after, prompts.ASK_GO_ON))
                if seat.bent is None:
                    chats.append(prompts.chat(seat.told, seat.dialogue, prompts.ASK_GO_ON))
                if new:
                    chats += [self._question(seat, item) for item in (None, *new)]
            spans.append((begin, len(chats)))
        reads = self._model.read(chats, prompts.ANSWERS) if chats else []
        return [
            self._choice(seat, reads[begin:end], new, turns.shown(i))
            for i, (seat, (begin, end), new) in enumerate(zip(seats, spans, slates, strict=True))
        ]

    def _choice(
        self,
        seat: _Seat,
        reads: Sequence[DoubleArray | LanguageModelError],
        new: tuple[int, ...],
        shown: tuple[int, ...],
    ) -> Choice | LanguageModelError:
        """What a seeker does, from what the model answers; it was asked nothing if the turn was not understood."""
        if not reads:
            return Choice(Kind.CONFUSED)
        answers: list[DoubleArray] = []
        for read in reads:
            if isinstance(read, LanguageModelError):
                return read
            answers.append(read[0])
        going_on, *others = answers
        if seat.bent is None:
            seat.bent, *others = others
        views = np.empty((0, len(BASE_RATES)), np.float64)
        if new:
            views = calibrated(np.array(others[1:]), others[0], BASE_RATES, self._temperature)
        asked = [YES, NO]
        leaves = calibrated(going_on[None, asked], seat.bent[asked], (1 - LEAVES, LEAVES), self._temperature)[0, 1]
        slate = Slate(shown, frozenset(seat.known), new, views)
        return choose(slate, float(leaves), self._threshold, seat.seeker.key, seat.turn)

    def _write(
        self, rows: Sequence[int], seats: Sequence[_Seat], chats: Sequence[Chat]
    ) -> list[Generation | LanguageModelError]:
        if not chats:
            return []
        keys = [derived_key(seat.seeker.key, "zero-shot", seat.turn, "words") for seat in seats]
        return self._model.generate(chats, WORDS, keys, slots=self._seats.slots(rows))

    def _say(self, seat: _Seat, words: str, choice: Choice | None = None) -> UserTurn:
        """The answer, which the seeker remembers."""
        items = self._catalog.resolver.resolve(words)
        seat.dialogue.append(Message("user", prompts.cut(words), items))
        seat.known.update(items)
        decision = _DECISIONS.get(choice.kind, Decision.CONTINUE) if choice else Decision.CONTINUE
        accepted = choice.item if choice and decision is Decision.ACCEPT else None
        return UserTurn(words, decision, accepted, items)


def _loaded(model: str) -> LanguageModel:
    from crs_gym.lm.loading import load_language_model

    return load_language_model(model)
