"""One recorded dialogue, and the rules by which it becomes tasks. The same rules hold for every corpus.

A film is *new* at a message when nothing before it has named the film: neither an item of a message (of the same
display name: corpora hold some films twice) nor words typed out. Tasks are made of the recommender's new films:

* `next-item`: one task for each new film that the recommender brings up; the context is every message before.
* `interactive`: at most one a dialogue; the context ends before the first new film that the seeker wants, the targets
  are all films that it wants and that are new there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from crs_gym.task import Label, Message, Split

TYPED_TITLE_LETTERS: Final = 8
"""A title counts as typed out only if it has at least this many characters: "It", "Signs" or "The One" are ordinary
words far more often than titles."""

NAMED_BEFORE: Final = "every wanted item was named before the recommender brought it up"
TYPED_BEFORE: Final = "the title was typed out before"

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Recording:
    """A dialogue as its corpus records it.

    Attributes:
        dialogue_id: Unique in its world.
        split: Its split.
        messages: All messages.
        typed: For each message, its words without the titles that stand for an identifier.
        brought_up: Items that the recommender recommends, as (message, item), in order.
        wanted: Items that the seeker truly wants, each once.
        unwanted: Why `wanted` is empty, for the counts of dropped dialogues.
        likes: Items that the seeker likes (those wanted may be among them).
        dislikes: Items that the seeker does not like.
        labels: The seeker's own labels.
    """

    dialogue_id: str
    split: Split
    messages: tuple[Message, ...]
    typed: tuple[str, ...]
    brought_up: tuple[tuple[int, int], ...]
    wanted: tuple[int, ...]
    unwanted: str
    likes: tuple[int, ...] = ()
    dislikes: tuple[int, ...] = ()
    labels: Mapping[int, Label] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """A task of one recording: its context is the messages before `message`."""

    message: int
    targets: tuple[int, ...]


class TitleIndex:
    """Which items are the same film to a reader, and whether words name one.

    Args:
        names: `n_items` display names.
        titles: `n_items` titles without years.
    """

    def __init__(self, names: Sequence[str], titles: Sequence[str]) -> None:
        first: dict[str, int] = {}
        self.alias: list[int] = [first.setdefault(name, i) for i, name in enumerate(names)]
        self._phrases = [phrase(title) for title in titles]

    def typed_in(self, item: int, words: str) -> bool:
        """Whether `words` (from `phrase`) hold the item's title as whole words."""
        title = self._phrases[item]
        return len(title) >= TYPED_TITLE_LETTERS + 2 and title in words  # a phrase has a space at either end


def phrase(text: str) -> str:
    """The words of a text in lower case, each between two single spaces: `" kiki s delivery service "`."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


@lru_cache(maxsize=1 << 16)
def cached_phrase(text: str) -> str:
    """`phrase`, remembered: many tasks share the messages of one dialogue."""
    return phrase(text)


def cuts(recording: Recording, titles: TitleIndex) -> tuple[list[Cut], Cut | None, dict[str, int]]:
    """The tasks of a recording.

    Returns:
        Its `next-item` tasks, its `interactive` task, and how many of each were dropped for which reason; a reason
        starts with the kind of task.
    """
    dropped: dict[str, int] = {}
    alias = titles.alias
    before = list(_named_before(recording, alias))
    new: list[Cut] = []
    seen: set[int] = set()
    for message, item in recording.brought_up:
        named, words = before[message]
        if alias[item] in named or alias[item] in seen:
            continue
        seen.add(alias[item])
        if titles.typed_in(item, words):
            reason = f"next-item: {TYPED_BEFORE}"
            dropped[reason] = dropped.get(reason, 0) + 1
        else:
            new.append(Cut(message, (item,)))

    interactive = None
    wanted = {alias[item] for item in recording.wanted}
    start = next((cut.message for cut in new if alias[cut.targets[0]] in wanted), None)
    if start is not None:
        named, words = before[start]
        interactive = Cut(
            start, tuple([i for i in recording.wanted if alias[i] not in named and not titles.typed_in(i, words)])
        )
    else:
        dropped[f"interactive: {NAMED_BEFORE if wanted else recording.unwanted}"] = 1
    return new, interactive, dropped


def bucket(*parts: object, of: int = 100) -> int:
    """A number below `of` that depends on `parts` alone, for splits that never change."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") % of


def _named_before(recording: Recording, alias: Sequence[int]) -> Iterator[tuple[frozenset[int], str]]:
    """For each message, the (aliased) items and the words of all messages before it."""
    named: frozenset[int] = frozenset()
    words = " "
    for message, typed in zip(recording.messages, recording.typed, strict=True):
        yield named, words
        if message.items:
            named = named.union([alias[item] for item in message.items])
        words += phrase(typed)
