"""`redial`: ReDial (Li et al., *Towards Deep Conversational Recommendations*, NeurIPS 2018).

A seeker and a recommender talk about films; the seeker then labels each film as suggested, seen and liked.

* Splits: `test` is the published one. `valid` is cut from the published train split by seeker, a fixed tenth of them
  (by a hash of the worker's number), so no seeker is in two splits; `train` is the rest.
* What a seeker wants: films that it labels as suggested by the recommender and liked.
* Its profile: its other films, liked and disliked by its own labels, over the whole dialogue.
* `@ID` in the published text stands for a film; messages hold the catalogue's display name in its place.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from crs_gym.resolver.naming import display_name
from crs_gym.task import Label, Message, Role, Split
from crs_gym.worlds.files.archive import read_members
from crs_gym.worlds.files.decoding import decode_lines, unreadable
from crs_gym.worlds.parsed.building import build_columns
from crs_gym.worlds.parsed.columns import Columns
from crs_gym.worlds.parsed.films import FilmId, film_rows
from crs_gym.worlds.parsed.recording import Recording, bucket

VALID_PERCENT: Final = 10
"""How many of 100 seekers of the published train split are in `valid`."""

ARCHIVE: Final = "redial/redial_dataset.zip"
_MEMBERS: Final[tuple[tuple[str, bool], ...]] = (("train_data.jsonl", True), ("test_data.jsonl", False))
_MENTION: Final = re.compile(r"@([0-9]+)")
_SAID: Final = {0: False, 1: True, 2: None}

T = TypeVar("T")
Answer = Literal[0, 1, 2]
NothingList = Annotated[list[None], Meta(max_length=0)]
"""An empty map is sometimes written as `[]`."""


class RawMessage(msgspec.Struct, frozen=True, rename="camel"):
    """A message as published."""

    text: str
    sender_worker_id: int


class RawLabel(msgspec.Struct, frozen=True):
    """A label as published: 0 no, 1 yes, 2 not said."""

    suggested: Answer
    seen: Answer
    liked: Answer


class RawDialogue(msgspec.Struct, frozen=True, rename="camel"):
    """A line of the published files; the recommender's own labels are not read."""

    conversation_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    initiator_worker_id: int
    respondent_worker_id: int
    messages: list[RawMessage]
    movie_mentions: dict[FilmId, str | None] | NothingList
    initiator_questions: dict[FilmId, RawLabel] | NothingList


def build(sources: Mapping[str, Path]) -> Columns:
    """Parse the published files.

    Raises:
        DataError: One is missing or not in its published form.
    """
    dropped: Counter[str] = Counter()
    rows = film_rows(sources, dropped)
    numbers = {key: number for number, (key, _, _, _) in enumerate(rows)}
    names = [display_name(title, year or 0) for _, title, year, _ in rows]
    members = read_members(sources[ARCHIVE], [name for name, _ in _MEMBERS])
    seen: set[str] = set()

    def recordings() -> Iterator[Recording]:
        for member, is_train in _MEMBERS:
            source = f"{sources[ARCHIVE]}: {member}"
            for line, raw in decode_lines(members.pop(member), RawDialogue, source):
                if raw.conversation_id in seen:
                    raise unreadable(source, line, f"conversationId {raw.conversation_id} stands twice")
                seen.add(raw.conversation_id)
                split = _train_or_valid(raw.initiator_worker_id) if is_train else "test"
                recording = _recording(raw, split, numbers, names, dropped)
                if recording is not None:
                    yield recording

    return build_columns(rows, recordings(), dropped)


def _train_or_valid(seeker: int) -> Split:
    return "valid" if bucket("redial/valid", seeker) < VALID_PERCENT else "train"


def _recording(
    raw: RawDialogue, split: Split, numbers: Mapping[str, int], names: Sequence[str], dropped: Counter[str]
) -> Recording | None:
    seeker, recommender = raw.initiator_worker_id, raw.respondent_worker_id
    if seeker == recommender or any(m.sender_worker_id not in (seeker, recommender) for m in raw.messages):
        dropped[f"{split} dialogue whose speakers cannot be told apart"] += 1
        return None
    if not raw.messages:
        dropped[f"{split} dialogue without messages"] += 1
        return None
    mentioned = _mapping(raw.movie_mentions)
    named = {*mentioned, *(key for message in raw.messages for key in _MENTION.findall(message.text))}
    dropped["film id in no table"] += sum(key not in numbers for key in named)
    messages: list[Message] = []
    typed: list[str] = []
    brought_up: list[tuple[int, int]] = []
    for raw_message in raw.messages:
        text = html.unescape(raw_message.text)
        items = tuple(dict.fromkeys(numbers[key] for key in _MENTION.findall(text) if key in numbers))
        if raw_message.sender_worker_id == recommender:
            brought_up.extend((len(messages), item) for item in items)
        role: Role = "user" if raw_message.sender_worker_id == seeker else "recommender"
        typed.append(_MENTION.sub(" ", text))
        messages.append(Message(role, _with_titles(text, numbers, names, mentioned), items))
    labels: dict[int, Label] = {}
    for key, label in _mapping(raw.initiator_questions).items():
        if key in numbers:
            labels[numbers[key]] = Label(_SAID[label.suggested], _SAID[label.seen], _SAID[label.liked])
        else:
            dropped["label of a film id in no table"] += 1
    return Recording(
        dialogue_id=raw.conversation_id,
        split=split,
        messages=tuple(messages),
        typed=tuple(typed),
        brought_up=tuple(brought_up),
        wanted=tuple([item for item, label in labels.items() if label.suggested and label.liked]),
        unwanted="no film was both suggested and liked",
        likes=tuple([item for item, label in labels.items() if label.liked]),
        dislikes=tuple([item for item, label in labels.items() if label.liked is False]),
        labels=labels,
    )


def _mapping(published: dict[str, T] | list[None]) -> dict[str, T]:
    return published if isinstance(published, dict) else {}


def _with_titles(
    text: str, numbers: Mapping[str, int], names: Sequence[str], mentioned: Mapping[str, str | None]
) -> str:
    """The text with each `@ID` written out; an id in no table becomes the name that the dialogue gives it, if any."""

    def written(mention: re.Match[str]) -> str:
        key = mention[1]
        return names[numbers[key]] if key in numbers else (mentioned.get(key) or mention[0])

    return _MENTION.sub(written, text)
