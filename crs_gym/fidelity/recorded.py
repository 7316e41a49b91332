"""What recorded dialogues hold for a comparison: the seekers' turns, and the moments at which a film is brought up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crs_gym.catalog import Catalog
from crs_gym.randomness import derived_key, generator
from crs_gym.task import Dialogue, Label, Message, Task
from crs_gym.transcript import one_line
from crs_gym.worlds.parsed.recording import TitleIndex, cached_phrase


@dataclass(frozen=True, slots=True)
class SeekerTurn:
    """What a seeker says until the recommender speaks again; people often send two or three messages at once.

    Attributes:
        start: The number of its first message.
        text: Its messages on one line.
    """

    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A film that the recommender brings up for the first time, and what the seeker's own label says of it.

    Attributes:
        start: The number of the message; the dialogue before it is what the seeker has heard.
        item: The film.
        label: The seeker's label.
    """

    start: int
    item: int
    label: Label


def drawn_dialogues(dialogues: Sequence[Dialogue], n: int | None, seed: int) -> list[int]:
    """The numbers of `n` dialogues drawn by the seed, all where `n` is `None` or more than there are."""
    order = list(map(int, generator(derived_key("fidelity dialogues", seed)).permutation(len(dialogues))))
    return order if n is None else order[:n]


def seeker_turns(messages: Sequence[Message], since: int = 0) -> Iterator[SeekerTurn]:
    """The seeker's turns in messages from number `since` on; turns without words are left out."""
    start, texts = since, list[str]()
    for number in range(since, len(messages) + 1):
        message = messages[number] if number < len(messages) else None
        if message is not None and message.role == "user":
            start = start if texts else number
            texts.append(one_line(message.text))
        elif texts:
            words = one_line(" ".join(texts))
            texts = []
            if words:
                yield SeekerTurn(start, words)


class Suggestions:
    """Finds the suggestions of a dialogue.

    Args:
        catalog: Films of one display name are one film to a reader.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._titles = TitleIndex(catalog.names, catalog.titles)

    def of(self, dialogue: Dialogue) -> list[Suggestion]:
        """Films that the recommender brought up, by the labels, at their first mention by item or by typed title."""
        alias = self._titles.alias
        found: list[Suggestion] = []
        known: set[int] = set()
        words = " "
        for number, message in enumerate(dialogue.messages):
            for item in message.items:
                label = dialogue.labels.get(item)
                new = alias[item] not in known and not self._titles.typed_in(item, words)
                if message.role == "recommender" and new and label is not None and label.suggested:
                    found.append(Suggestion(number, item, label))
                known.add(alias[item])
            words += cached_phrase(message.text)
        return found


def dialogue_of(task: Task, by_id: dict[str, Dialogue]) -> Dialogue | None:
    """The recorded dialogue that an interactive task was made from; `None` in worlds without any."""
    parts = task.task_id.split("/", 3)
    return by_id.get(parts[3]) if len(parts) == 4 else None
