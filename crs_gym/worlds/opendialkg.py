"""`opendialkg`: OpenDialKG (Moon et al., ACL 2019), in the form that iEvaLM-CRS (Wang et al., EMNLP 2023) publishes.

A record is a recommending turn: the dialogue so far (`context`), the answer (`resp`) and what it recommends (`rec`).

* Splits: the published ones are by turn, so the same dialogue stands in train and in test. All records are put together
  again by `dialog_id`, and dialogues are split 70 / 15 / 15 by a hash of that id.
* Speakers: the answer of a record is the recommender's; before it the two take turns.
* Items of a message: those that the record recommends, and those of the dialogue's `entity` and `rec` lists whose name
  stands in the text as whole words, in any case. The corpus does not say more.
* There are no labels. What a seeker wants: every item that the recommender recommends. Its profile: the items that the
  seeker's own messages name; dislikes are not known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from crs_gym.task import Message, Split
from crs_gym.worlds.files.archive import read_file
from crs_gym.worlds.files.decoding import decode_json, decode_lines, unreadable
from crs_gym.worlds.parsed.building import ItemRow, build_columns
from crs_gym.worlds.parsed.columns import Columns
from crs_gym.worlds.parsed.films import film_facets
from crs_gym.worlds.parsed.recording import Recording, bucket

VALID_FROM: Final = 70
TEST_FROM: Final = 85
"""Of 100 buckets of dialogues, those below `VALID_FROM` are train, those from `TEST_FROM` on are test."""

_PARTS: Final = ("train", "valid", "test")
_YEAR: Final = re.compile(r"[12][0-9]{3}")
_GENRE_TAIL: Final = re.compile(r" \(.*$| film$")


class RawTurn(msgspec.Struct, frozen=True):
    """A line of the published files."""

    dialog_id: Annotated[int, Meta(ge=0)]
    turn_id: Annotated[int, Meta(ge=0)]
    context: list[str]
    entity: list[str]
    rec: list[str]
    resp: str


class RawInfo(msgspec.Struct, frozen=True):
    """What `id2info.json` says of an item; its other fields are not read."""

    name: str
    year: str = ""
    actor: list[str] = []
    director: list[str] = []
    genre: list[str] = []


def build(sources: Mapping[str, Path]) -> Columns:
    """Parse the published files.

    Raises:
        DataError: One is missing or not in its published form.
    """
    dropped: Counter[str] = Counter()
    rows, number_of_name = _item_rows(sources)
    turns: dict[int, list[RawTurn]] = {}
    for part in _PARTS:
        path = sources[f"opendialkg/{part}_data_processed.jsonl"]
        for _, turn in decode_lines(read_file(path), RawTurn, str(path)):
            turns.setdefault(turn.dialog_id, []).append(turn)

    def recordings() -> Iterator[Recording]:
        for dialog_id in sorted(turns):
            recording = _recording(dialog_id, turns[dialog_id], number_of_name, dropped)
            if recording is not None:
                yield recording

    return build_columns(rows, recordings(), dropped)


def _item_rows(sources: Mapping[str, Path]) -> tuple[list[ItemRow], dict[str, int]]:
    """The catalogue, in the order of `item_ids.json`, and each item's number by its name."""
    paths = {name: sources[f"opendialkg/{name}.json"] for name in ("item_ids", "entity2id", "id2info")}
    item_ids = decode_json(read_file(paths["item_ids"]), list[int], str(paths["item_ids"]))
    entities = decode_json(read_file(paths["entity2id"]), dict[str, int], str(paths["entity2id"]))
    infos = decode_json(read_file(paths["id2info"]), dict[str, RawInfo], str(paths["id2info"]))
    name_of_id = {number: name for name, number in entities.items()}
    info_of_name = {info.name: info for info in infos.values()}  # its keys are numbers of another count
    spread = Counter(genre for info in infos.values() for genre in {_genre(value) for value in info.genre})
    rows: list[ItemRow] = []
    for item_id in dict.fromkeys(item_ids):
        if item_id not in name_of_id or not name_of_id[item_id].strip():
            raise unreadable(str(paths["item_ids"]), 1, f"item {item_id} has no name in entity2id.json")
        name = name_of_id[item_id]
        info = info_of_name.get(name, RawInfo(name))
        # Genres hold stray values ("George W. Bush"), so the most usual ones come first, and the cap takes the rest.
        genres = sorted({_genre(value) for value in info.genre}, key=lambda genre: (-spread[genre], genre))
        year = int(info.year) if _YEAR.fullmatch(info.year) else None
        title = " ".join(name.split())
        rows.append((str(item_id), title, year, film_facets(genres, info.director, info.actor)))
    if not rows:
        raise unreadable(str(paths["item_ids"]), 1, "the list holds no item")
    return rows, {name_of_id[int(key)]: number for number, (key, _, _, _) in enumerate(rows)}


def _genre(value: str) -> str:
    """`Family (Film genre) #395`, `Action Film` and `Action` as people say them: `family`, `action`."""
    return _GENRE_TAIL.sub("", value.lower()).strip()


def _split(dialog_id: int) -> Split:
    place = bucket("opendialkg/split", dialog_id)
    return "train" if place < VALID_FROM else "valid" if place < TEST_FROM else "test"


def _recording(
    dialog_id: int, turns: Sequence[RawTurn], number_of_name: Mapping[str, int], dropped: Counter[str]
) -> Recording | None:
    split = _split(dialog_id)
    ordered = sorted(turns, key=lambda turn: len(turn.context))
    whole = [*ordered[-1].context, ordered[-1].resp]
    answers = [len(turn.context) for turn in ordered]
    if any([*turn.context, turn.resp] != whole[: len(turn.context) + 1] for turn in ordered):
        dropped[f"{split} dialogue whose records contradict each other"] += 1
        return None
    if len({answer % 2 for answer in answers}) > 1:
        dropped[f"{split} dialogue whose speakers cannot be told apart"] += 1
        return None

    names = dict.fromkeys(name for turn in ordered for name in [*turn.rec, *turn.entity])
    candidates = {name: number_of_name[name] for name in names if name in number_of_name}
    recommended: dict[int, list[int]] = {}
    for turn in ordered:
        dropped["recommended item that has no number"] += sum(name not in number_of_name for name in turn.rec)
        recommended.setdefault(len(turn.context), []).extend(number_of_name[n] for n in turn.rec if n in number_of_name)
    messages: list[Message] = []
    for place, text in enumerate(whole):
        named = (item for name, item in candidates.items() if _whole_words(name).search(text))
        items = tuple(dict.fromkeys([*recommended.get(place, ()), *named]))
        messages.append(Message("recommender" if place % 2 == answers[0] % 2 else "user", text, items))
    brought_up = [(place, item) for place, items in recommended.items() for item in dict.fromkeys(items)]
    return Recording(
        dialogue_id=str(dialog_id),
        split=split,
        messages=tuple(messages),
        typed=tuple(whole),
        brought_up=tuple(brought_up),
        wanted=tuple(dict.fromkeys(item for _, item in brought_up)),
        unwanted="nothing was recommended",
        likes=tuple(dict.fromkeys(item for m in messages if m.role == "user" for item in m.items)),
    )


@lru_cache(maxsize=1 << 14)
def _whole_words(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
