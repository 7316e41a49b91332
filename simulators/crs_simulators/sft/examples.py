"""Recorded dialogues as training examples of three tasks (SMTPO, section on the user simulator).

1. *Feedback generation.* A dialogue is replayed as a game from a random message on: what the recommender brings up
   becomes a slate, filled with films of the same popularity that nobody mentioned. Learned are the seeker's view of
   each film, its decision, and its words, before and after that message.
2. *Attribute alignment.* A dialogue up to some message: the facets that the seeker turns out to like and dislike.
3. *Target prediction.* The same dialogue: the film that the seeker will take.

Labels are skewed: seekers say of 94% of the films that they say anything about that they liked them. The drawn films
stand on the other side, about as many as those that were brought up, so that the view of a film cannot be learned from
how popular it is, nor from how often people are content.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.popularity import PopularityMatcher
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Dialogue, Label, Message
from crs_simulators.sft import prompts

FROM_THE_START: Final = 0.5
"""How often a dialogue is replayed from its first message; else from one in its first half (our choice)."""

WITH_PROFILE: Final = 0.25
"""How often the seeker's profile stands above the dialogue."""

EXTRA_FILMS: Final = (0.35, 0.35, 0.15, 0.08, 0.03, 0.02, 0.02)
"""How often a slate gets 0, 1, 2, … films that nobody mentioned."""

MAX_FACETS: Final = 3
"""Facets a side in attribute alignment."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an example, tokenized by itself.

    Attributes:
        text: What stands there.
        learn: Its tokens are learned.
        answer: The word that is to be read behind it, whatever stands there.
    """

    text: str
    learn: bool = False
    answer: str | None = None


Example = tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class TaskMix:
    """How many examples of each task are made.

    Attributes:
        feedback: Feedback generation, examples a dialogue.
        alignment: Attribute alignment and target prediction, examples a dialogue (one example teaches both).
    """

    feedback: float = 1.0
    alignment: float = 0.3


@dataclass(frozen=True, slots=True)
class _Turn:
    """Messages of one side that follow each other."""

    role: str
    messages: tuple[Message, ...]

    @property
    def text(self) -> str:
        return " ".join(message.text for message in self.messages)

    @property
    def items(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(item for message in self.messages for item in message.items))


class ExampleMaker:
    """Makes examples from dialogues; the same dialogue, seed and pass give the same example.

    Args:
        catalog: The films.
        mix: How much of each task.
        seed: Keys all draws.
    """

    def __init__(self, catalog: Catalog, mix: TaskMix | None = None, seed: int = 0) -> None:
        self._catalog = catalog
        self._mix = mix or TaskMix()
        self._seed = seed
        self._matcher = PopularityMatcher(catalog)
        self._genre = FACET_KINDS.index("genre")

    def examples(self, dialogues: Sequence[Dialogue], epoch: int = 0) -> Iterator[Example]:
        """All examples of one pass over some dialogues."""
        for dialogue in dialogues:
            rng = generator(derived_key(self._seed, epoch, dialogue.dialogue_id))
            for task, share in ((self.feedback, self._mix.feedback), (self.alignment, self._mix.alignment)):
                for _ in range(int(share) + bool(rng.random() < share % 1)):
                    example = task(dialogue, rng)
                    if example:
                        yield example

    def feedback(self, dialogue: Dialogue, rng: np.random.Generator) -> Example | None:
        """Feedback generation over a whole dialogue; `None` if the seeker says nothing in it."""
        if not any(message.role == "user" for message in dialogue.messages):
            return None
        messages = dialogue.messages
        start = 0 if rng.random() < FROM_THE_START else int(rng.integers(len(messages) // 2 + 1))
        segments = [*self._profile(dialogue, rng)]
        for message in messages[:start]:
            segments += _spoken(message)
        turns = _turns(messages[start:])
        known = {item for message in messages[:start] for item in message.items}
        last_film = max((i for i, t in enumerate(turns) if _new_films(t, dialogue, known)), default=-1)
        slate: list[int] = []
        about: int | None = None
        for i, turn in enumerate(turns):
            if turn.role == "user":
                over = i > last_film
                segments += self._answer(turn, slate, about, dialogue, over, i >= len(turns) - 2)
            else:
                films = [film for film in turn.items if film not in known and film in dialogue.labels]
                slate, about = self._slate(films, dialogue, rng)
                for number, film in enumerate(slate, 1):
                    segments.append(
                        Segment(
                            prompts.film_line(number, film, self._catalog),
                            answer=_view(dialogue.labels.get(film)) if film in films else prompts.VIEWS[2],
                        )
                    )
                    segments.append(Segment(prompts.END_OF_LINE))
                segments.append(Segment(prompts.recommender_line(turn.text)))
            known.update(turn.items)
        return tuple(segments)

    def alignment(self, dialogue: Dialogue, rng: np.random.Generator) -> Example | None:
        """Attribute alignment and target prediction from the dialogue before a film that the seeker took or liked.

        `None` if there is no such film.
        """
        cuts = liked_suggestions(dialogue)
        if not cuts:
            return None
        cut, target = cuts[int(rng.integers(len(cuts)))]
        segments = [*self._profile(dialogue, rng, without=target)]
        for message in dialogue.messages[:cut]:
            segments.append(Segment(prompts.context_line(message)))
        liked, disliked = self._taste(dialogue)
        return (
            *segments,
            Segment(prompts.TASTE_HEADER),
            Segment(prompts.taste_line(liked, disliked), learn=True),
            Segment(prompts.TARGET_HEADER),
            Segment(prompts.target_line(self._catalog.names[target]), learn=True),
        )

    def _profile(self, dialogue: Dialogue, rng: np.random.Generator, without: int | None = None) -> list[Segment]:
        """Films that the seeker itself brings up, sometimes; never what it will be asked about."""
        if rng.random() >= WITH_PROFILE:
            return []
        brought_up: set[int] = set()
        known: set[int] = set()
        for message in dialogue.messages:
            if message.role == "user":
                brought_up.update(item for item in message.items if item not in known)
            known.update(message.items)
        sides: list[list[str]] = [[], []]
        for film in sorted(brought_up):
            label = dialogue.labels.get(film)
            if label is not None and label.liked is not None and film != without:
                sides[not label.liked].append(self._catalog.names[film])
        return [Segment(line) for line in prompts.profile_lines(*sides)]

    def _slate(
        self, films: Sequence[int], dialogue: Dialogue, rng: np.random.Generator
    ) -> tuple[list[int], int | None]:
        """The films brought up among others of the same popularity, in random order; and the one that is answered."""
        if not films:
            return [], None
        slate = list(films)
        avoid = set(dialogue.labels) | {item for message in dialogue.messages for item in message.items}
        for _ in range(int(rng.choice(len(EXTRA_FILMS), p=EXTRA_FILMS))):
            extra = self._matcher.match(films[int(rng.integers(len(films)))], rng, avoid)
            if extra is not None:
                slate.append(extra)
                avoid.add(extra)
        said = [film for film in films if _view(dialogue.labels.get(film)) is not None]
        return [slate[i] for i in rng.permutation(len(slate))], (said[-1] if said else None)

    def _answer(
        self, turn: _Turn, slate: Sequence[int], about: int | None, dialogue: Dialogue, over: bool, last: bool
    ) -> list[Segment]:
        """The user's line: its decision, and its words.

        Args:
            turn: What the user said.
            slate: What it was shown.
            about: The film that it answers.
            dialogue: Where it said so.
            over: No further film is brought up after this.
            last: The user says nothing more after this.
        """
        number: int | None = None
        if about is None:
            if slate:  # it said nothing of these films: its words are learned, no decision is
                return [Segment("User:"), Segment(prompts.words(turn.text), learn=True)]
            decision = prompts.DECISIONS[5] if last and over else prompts.DECISIONS[4]
        else:
            number = slate.index(about) + 1
            view = _view(dialogue.labels[about])
            liked = prompts.DECISIONS[0] if over else prompts.DECISIONS[1]
            decision = {" yes": liked, " seen": prompts.DECISIONS[2], " no": prompts.DECISIONS[3]}[view or " no"]
        return [
            Segment(prompts.HEADER, answer=decision),
            Segment(prompts.decided(decision, number)),
            Segment(prompts.words(turn.text), learn=True),
        ]

    def _taste(self, dialogue: Dialogue) -> tuple[list[str], list[str]]:
        """The genres that liked films share, and those of disliked films that no liked film has."""
        counts = (Counter[int](), Counter[int]())
        for film, label in dialogue.labels.items():
            if label.liked is not None:
                genres = [
                    f for f in self._catalog.facets_of(film).tolist() if self._catalog.facet_kinds[f] == self._genre
                ]
                counts[not label.liked].update(genres)
        liked = [self._catalog.facet_names[f] for f, _ in counts[0].most_common(MAX_FACETS)]
        disliked = [self._catalog.facet_names[f] for f, _ in counts[1].most_common() if f not in counts[0]]
        return liked, disliked[:MAX_FACETS]


def liked_suggestions(dialogue: Dialogue) -> list[tuple[int, int]]:
    """Films that the recommender brought up and the seeker liked, each with the number of the message that does."""
    found: list[tuple[int, int]] = []
    known: set[int] = set()
    for place, message in enumerate(dialogue.messages):
        for film in message.items:
            label = dialogue.labels.get(film)
            if message.role == "recommender" and film not in known and label and label.suggested and label.liked:
                found.append((place, film))
        known.update(message.items)
    return found


def _spoken(message: Message) -> list[Segment]:
    """A message before the game; the seeker's words are learned here, too."""
    line = prompts.context_line(message)
    if message.role != "user":
        return [Segment(line)]
    return [Segment("User:"), Segment(line.removeprefix("User:"), learn=True)]


def _turns(messages: Sequence[Message]) -> list[_Turn]:
    turns: list[_Turn] = []
    for message in messages:
        if turns and turns[-1].role == message.role:
            turns[-1] = _Turn(message.role, (*turns[-1].messages, message))
        else:
            turns.append(_Turn(message.role, (message,)))
    return turns


def _new_films(turn: _Turn, dialogue: Dialogue, known: set[int]) -> bool:
    return turn.role == "recommender" and any(i not in known and i in dialogue.labels for i in turn.items)


def _view(label: Label | None) -> str | None:
    """What the seeker says of a film: one of `prompts.VIEWS`; `None` if it does not say."""
    if label is None or label.liked is None:
        return None
    if not label.liked:
        return prompts.VIEWS[2]
    return prompts.VIEWS[1] if label.seen else prompts.VIEWS[0]
