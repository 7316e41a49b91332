"""The learned user: a language model that answers as the seeker would (SMTPO's user simulator).

It is label-free: it sees the dialogue, and with `knows="profile"` what the seeker says of other films; never a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import LanguageModelError, SimulatorError, WeightsError
from crs_gym.lm import READ, LanguageModel, Prompt, Sampling, TextLikelihood
from crs_gym.lm.interface import Read
from crs_gym.numeric import DoubleArray, FloatArray, IntArray
from crs_gym.randomness import derived_key
from crs_gym.simulator import Likelihood, Seeker
from crs_gym.transcript import one_line
from crs_gym.turns import AgentTurns, UserTurn, UserTurns
from crs_simulators.guard import TitleGuard
from crs_simulators.seats import Knows, Seats, check_knows, hashed
from crs_simulators.sft import prompts
from crs_simulators.sft.alignment import Heard, alignment_of, read_weights
from crs_simulators.sft.decisions import WORDS, Choice, choose, pleasing, view_probabilities

BASE: Final = "smollm2-135m-instruct"
"""The model that the shipped adapter was trained on."""

ADAPTER: Final = Path(__file__).with_name("adapters") / "redial"
"""The adapter that comes with the package, trained on ReDial's train split (see its README.md)."""

SAMPLING: Final = Sampling(max_tokens=40, temperature=0.9, min_p=0.02, stop=("\n",))
"""How words are drawn (our choice: 40 tokens hold 97% of people's turns; the tail of a small model's is noise)."""

TEMPERATURE: Final = 0.25
"""Divides the log-odds that a film pleases (our choice: at 1, of the fifty films of an episode many please by chance
alone, and a film that fits pleases hardly more often than one that does not)."""

RESERVE: Final = 0.0
"""Subtracted from the log-odds that a film pleases, beyond the bar that was fitted (`alignment.Weights.bar`)."""

EAGERNESS: Final = 0.0
"""Added to the log-odds of taking a film that pleases."""

SURE: Final = 3.0
"""The log-odds that a target pleases the user of `sft-oracle`, who knows it (our choice: 95%)."""

MAX_READ: Final = 900
"""Bytes of an utterance that the user reads (our choice: more than people write, and no way to flood it)."""

MAX_FILMS: Final = 20
"""New films of a slate that the user looks at, the first ones (our choice: nobody reads further)."""

MAX_DIALOGUE: Final = 5_000
"""Bytes of the dialogue so far from which on its beginning is forgotten. A byte is a token at most, and SmolLM2 reads
8,192: who talks on, or in letters of many tokens, must not end an episode as errored, where it would count nowhere."""

KEPT: Final = 2_500
"""Bytes of it that are left then: much is forgotten at once, since the cache is lost each time."""

RULES: Final = 2
"""Rises whenever the same model would act otherwise."""

CONFUSED: Final = "Sorry, I did not get that. What do you mean?"
SILENT: Final = {" accept": "I'll watch that one, thanks!", " leave": "Thanks, bye!", " dislike": "Not that one."}
NOTHING_SAID: Final = "Okay."
PLEASED: Final = prompts.DECISIONS[:3]


@dataclass(slots=True, eq=False)
class _Seat:
    """One dialogue, as the model reads it."""

    seeker: Seeker
    parts: list[str | Read]
    told: int
    known: set[int]
    heard: Heard
    secrets: frozenset[int] = frozenset()
    shown: set[int] = field(default_factory=set)
    turn: int = 0


class SFTSimulator:
    """A user that a fine-tuned language model plays.

    Args:
        catalog: What the seekers talk about.
        num_dialogues: How many dialogues are played side by side.
        max_turns: Not used: the seeker does not know the limit.
        knows: `history`: the seeker is what it has said (as in the paper). `profile`: its other likes and dislikes
            stand above the dialogue, too.
        base: The model: a name or a path (see `crs_gym.lm.loading.load_language_model`).
        adapter: A folder that `crs-gym train simulator` wrote; by default the one that comes with the package.
        model: In Python, a `LanguageModel` that is ready, in the place of `base` and the adapter's weights.
        temperature: Divides the log-odds that a film pleases, above 0: the lower, the surer the user is of its views.
        reserve: Subtracted from these log-odds before: the higher, the harder the user is to please.
        alignment: Whether a film's view also depends on how its facets fit the dialogue (see `alignment.py`); without,
            it is the language model's alone.
        eagerness: Added to the log-odds of taking a film that pleases, against going on.

    Raises:
        ValueError: An option has no such value.
        WeightsError: The model or the adapter is not on this machine.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        num_dialogues: int,
        max_turns: int,
        knows: Knows = "history",
        base: str = BASE,
        adapter: str | Path = ADAPTER,
        model: LanguageModel | None = None,
        temperature: float = TEMPERATURE,
        reserve: float = RESERVE,
        eagerness: float = EAGERNESS,
        alignment: bool = True,
    ) -> None:
        del max_turns
        check_knows(knows)
        for name, value in (("temperature", temperature), ("reserve", reserve), ("eagerness", eagerness)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
                raise ValueError(f"{name}={value!r}: must be a number")
        if temperature <= 0.0:
            raise ValueError(f"temperature={temperature!r}: must be above 0")
        if not isinstance(alignment, bool):
            raise ValueError(f"alignment={alignment!r}: must be true or false")
        self._catalog = catalog
        self._alignment = alignment_of(catalog)
        self._weights = read_weights(Path(adapter)) if alignment else None
        self._model = model if model is not None else _loaded(base, Path(adapter))
        self._knows = knows
        self._temperature, self._reserve, self._eagerness = float(temperature), float(reserve), float(eagerness)
        self._guard: TitleGuard | None = None
        self._seats = Seats[_Seat](self._model, num_dialogues)

    @property
    def revision(self) -> str:
        """A hash of all that an answer depends on: weights, adapter, prompts, rules, sampling and options."""
        parts = (
            *(self._model.revision, prompts.VERSION, RULES, repr(SAMPLING), MAX_READ),
            *(self._knows, self._temperature, self._reserve, self._eagerness, self._weights),
        )
        return f"sft-{prompts.VERSION}.{RULES}+{hashed(parts)}"

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Put a new seeker into each of `rows`."""
        self._seats.put(rows.tolist(), map(self._seat, seekers))

    def open(self, rows: IntArray) -> UserTurns:
        """First words."""
        seats = [self._seats[row] for row in rows.tolist()]
        for seat in seats:
            seat.parts.append(prompts.OPENING)
        return UserTurns.of(self._say(rows.tolist(), seats, [None] * len(seats)))

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        """Decide in each of `rows`, and say so."""
        answers: list[UserTurn | SimulatorError] = [UserTurn(CONFUSED) for _ in rows]
        reading = [i for i in range(len(rows)) if turns.understood[i]]
        seats = [self._seats[row] for row in rows.tolist()]
        new = [self._hear(seats[i], turns.utterances[i], turns.shown(i)) for i in reading]
        reads = self._model.read(
            [Prompt(tuple(seats[i].parts)) for i in reading], WORDS, slots=self._seats.slots(rows[reading].tolist())
        )
        saying: list[int] = []
        choices: list[Choice | None] = []
        for i, items, read in zip(reading, new, reads, strict=True):
            if isinstance(read, LanguageModelError):
                answers[i] = read
                continue
            choice = self._choice(seats[i], items, read)
            seats[i].parts.append(prompts.decided(choice.word, choice.number))
            saying.append(i)
            choices.append(choice)
        said = self._say(rows[saying].tolist(), [seats[i] for i in saying], choices)
        for i, answer in zip(saying, said, strict=True):
            answers[i] = answer
        return UserTurns.of(answers)

    def acceptance(self, seekers: Sequence[Seeker], items: Sequence[int]) -> FloatArray:
        """See `crs_gym.simulator.Likelihoods`: `p(yes) + p(seen)` at the film's line.

        Raises:
            LanguageModelError: The model could not answer for one of them.
        """
        seats = [self._seat(seeker) for seeker in seekers]
        asked = [
            Prompt((*seat.parts, prompts.film_line(1, item, self._catalog), READ))
            for seat, item in zip(seats, items, strict=True)
        ]
        likes = np.empty(len(asked), np.float32)
        for i, read in enumerate(self._model.read(asked, WORDS)):
            if isinstance(read, LanguageModelError):
                raise read
            likes[i] = 1.0 - self._views(seats[i], items[i : i + 1], read[-1:])[0, 2]
        return likes

    def said(self, seekers: Sequence[Seeker], utterances: Sequence[str]) -> list[Likelihood]:
        """See `crs_gym.simulator.Likelihoods`.

        Raises:
            LanguageModelError: The model gives no probabilities of texts.
        """
        if not isinstance(self._model, TextLikelihood):
            raise LanguageModelError(f"{self._model!r} does not tell how probable a text is. Way out: local weights")
        asked = [Prompt((*self._seat(seeker).parts, prompts.OPENING)) for seeker in seekers]
        found = self._model.log_likelihood(asked, [prompts.words(text) for text in utterances])
        return [Likelihood(*pair) for pair in found]

    # ---------------------------------------------------------------- inside

    def _seat(self, seeker: Seeker) -> _Seat:
        names, profile = self._catalog.names, seeker.profile
        told: list[str] = []
        likes = (*seeker.targets, *(profile.likes if self._knows == "profile" else ()))
        dislikes = profile.dislikes if self._knows == "profile" else ()
        if likes or dislikes:
            told = prompts.profile_lines([names[item] for item in likes], [names[item] for item in dislikes])
        context = [prompts.context_line(message) for message in seeker.context]
        known = {item for message in seeker.context for item in message.items}
        heard = self._alignment.heard(seeker.context)
        heard.add(likes)
        return _Seat(seeker, [*told, *context], len(told), known, heard, frozenset(seeker.targets))

    def _hear(self, seat: _Seat, utterance: str, shown: Sequence[int]) -> list[int]:
        """Write the recommender's turn down; returns the films that are new to the seeker."""
        seat.turn += 1
        _forget_the_beginning(seat)
        new = [item for item in shown if item not in seat.known][:MAX_FILMS]
        for number, item in enumerate(new, 1):
            seat.parts += [prompts.film_line(number, item, self._catalog), READ, prompts.END_OF_LINE]
        seat.parts += [prompts.recommender_line(_cut(utterance)), prompts.HEADER, READ]
        seat.known.update(shown)
        seat.shown.update(shown)
        return new

    def _choice(self, seat: _Seat, items: Sequence[int], read: DoubleArray) -> Choice:
        """What the seeker does, from the reads of this turn: the last ones."""
        views = self._views(seat, items, read[len(read) - 1 - len(items) : -1])
        choice = choose(items, views, read[-1], seat.seeker.key, seat.turn, self._eagerness)
        if choice.item is not None and choice.word in PLEASED:
            seat.heard.add([choice.item])
        return choice

    def _views(self, seat: _Seat, items: Sequence[int], logs: DoubleArray) -> DoubleArray:
        """`(len(items), 3)` what the seeker may think of films: yes, seen, no."""
        odds = pleasing(logs)
        if self._weights is not None and len(items):
            odds = self._weights.of(self._alignment.features(seat.heard, items), odds) - self._weights.bar
        odds = (odds - self._reserve) / self._temperature
        odds = np.where([item in seat.secrets for item in items], SURE, odds)
        return view_probabilities(logs, odds)

    def _say(
        self, rows: Sequence[int], seats: Sequence[_Seat], choices: Sequence[Choice | None]
    ) -> list[UserTurn | SimulatorError]:
        """Words for what was decided; they are written down, and the places where probabilities were read are not."""
        keys = [derived_key(seat.seeker.key, "sft", seat.turn, "words") for seat in seats]
        for seat in seats:
            seat.parts = [part for part in seat.parts if isinstance(part, str)]
        asked = [Prompt(tuple(seat.parts)) for seat in seats]
        written = self._model.generate(asked, SAMPLING, keys, slots=self._seats.slots(rows)) if asked else []
        answers: list[UserTurn | SimulatorError] = []
        for seat, choice, text in zip(seats, choices, written, strict=True):
            if isinstance(text, LanguageModelError):
                answers.append(text)
                continue
            words = one_line(text.text) or (SILENT.get(choice.word, NOTHING_SAID) if choice else NOTHING_SAID)
            if seat.secrets:
                words = self._guarded(words, seat)
            seat.parts.append(prompts.words(words))
            items = self._catalog.resolver.resolve(words)
            seat.known.update(items)
            seat.heard.add(items)
            self._alignment.listen(seat.heard, words)
            if choice is None:
                answers.append(UserTurn(words, items=items))
            else:
                accepted = choice.item if choice.decision.name == "ACCEPT" else None
                answers.append(UserTurn(words, choice.decision, accepted, items))
        return answers

    def _guarded(self, words: str, seat: _Seat) -> str:
        if self._guard is None:
            self._guard = TitleGuard(self._catalog)
        return self._guard.guarded(words, seat.secrets, seat.shown)


def _cut(utterance: str) -> str:
    return utterance.encode("utf-8", "replace")[:MAX_READ].decode("utf-8", "ignore")


def _forget_the_beginning(seat: _Seat) -> None:
    """Leave out the oldest lines of a dialogue that has grown too long; what the seeker is told of itself stays."""
    texts = [part for part in seat.parts[seat.told :] if isinstance(part, str)]
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    if size <= MAX_DIALOGUE:
        return
    while texts and (size > KEPT or not texts[0].startswith(("User", "Recommender"))):
        size -= len(texts.pop(0).encode("utf-8", "replace"))
    seat.parts = [*seat.parts[: seat.told], *texts]


def _loaded(base: str, adapter: Path) -> LanguageModel:
    from crs_gym.lm.loading import load_language_model

    try:
        return load_language_model(base, adapter=adapter)
    except WeightsError as error:
        rules = "Or play with a user of rules, which needs no model: simulator='agenda'"
        raise WeightsError(f"{error}. {rules}") from error
