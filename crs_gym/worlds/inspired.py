"""`inspired`: INSPIRED (Hayati et al., *Toward Sociable Recommendation Dialog Systems*, EMNLP 2020).

A recommender persuades a seeker to watch a film's trailer; the dialogue's label says whether it was accepted.

* Splits: train.tsv, dev.tsv (`valid`), test.tsv. From a data folder, the splits whose files are there.
* Catalogue: ReDial's films under ReDial's keys, and after them the films that INSPIRED alone names (by normalised
  title and year), so an agent trained on one can be tried on the other. Those films have no facets but the decade.
* Films of a message: the publisher's automatic annotation (`movies`), which takes some ordinary words for titles.
* What a seeker wants: the accepted film, where `fine_label` is `accept_*` and `coarse_label` is `accept_new` (the label
  `accept_uninterested` stands under `reject_new`: polite words, no interest). The files say neither when nor which film
  was accepted; it is taken to be the last film that the recommender names before the seeker first says "accept" after a
  film of the recommender's, or the last that it names at all where the seeker never says so.
* Its profile: the films that the seeker's own messages name; dislikes are not known.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from crs_gym.task import Message, Split
from crs_gym.worlds.files.archive import read_file
from crs_gym.worlds.files.decoding import decode_text, unreadable
from crs_gym.worlds.parsed.building import ItemRow, build_columns
from crs_gym.worlds.parsed.columns import Columns
from crs_gym.worlds.parsed.films import film_rows, parse_name
from crs_gym.worlds.parsed.recording import Recording, phrase

FILES: Final[dict[Split, str]] = {
    "train": "inspired/train.tsv",
    "valid": "inspired/dev.tsv",
    "test": "inspired/test.tsv",
}

_ACCEPT: Final = re.compile(r"\baccept", re.IGNORECASE)
_QUOTE: Final = "QUOTATION_MARK"  # what the publisher's tooling left of quotation marks


class RawUtterance(msgspec.Struct, frozen=True):
    """A row of the published files; the other columns are not read."""

    dialog_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    speaker: Literal["SEEKER", "RECOMMENDER"]
    text: str
    movies: str
    fine_label: str
    coarse_label: str


def build(sources: Mapping[str, Path]) -> Columns:
    """Parse the published files that are there.

    Raises:
        DataError: One is not in its published form.
    """
    dropped: Counter[str] = Counter()
    dialogues: list[tuple[Split, str, list[RawUtterance]]] = []
    seen: set[str] = set()
    for split, file in FILES.items():
        if file in sources:
            for dialogue_id, utterances in _read(sources[file]).items():
                if dialogue_id in seen:
                    raise unreadable(str(sources[file]), 1, f"dialog_id {dialogue_id} stands in another split, too")
                seen.add(dialogue_id)
                dialogues.append((split, dialogue_id, utterances))
    films = Films(film_rows(sources, dropped))
    recordings = [_recording(split, name, utterances, films) for split, name, utterances in dialogues]
    return build_columns(films.rows, recordings, dropped)


class Films:
    """The catalogue's rows, which grow by each film that is named and not yet there."""

    def __init__(self, rows: Sequence[ItemRow]) -> None:
        self.rows = list(rows)
        self._numbers: dict[tuple[str, int | None], int] = {}
        for number, (_, title, year, _) in enumerate(self.rows):
            self._numbers.setdefault((phrase(title), year), number)

    def number(self, name: str) -> int:
        """The number of the film `Title (Year)`."""
        title, year = parse_name(name)
        words = phrase(title)
        if (words, year) not in self._numbers:
            self._numbers[words, year] = len(self.rows)
            key = "-".join(["inspired", *words.split(), *([str(year)] if year else [])])
            self.rows.append((key, title, year, {}))
        return self._numbers[words, year]


def _read(path: Path) -> dict[str, list[RawUtterance]]:
    """The utterances of a file by dialogue, in order."""
    source = str(path)
    reader = csv.DictReader(
        io.StringIO(decode_text(read_file(path), source), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE
    )
    dialogues: dict[str, list[RawUtterance]] = {}
    needed = RawUtterance.__struct_fields__
    try:
        missing = sorted(set(needed) - set(reader.fieldnames or ()))
        if missing:
            raise unreadable(source, 1, f"the header lacks {', '.join(missing)}")
        for row in reader:
            if None in row or None in row.values():
                raise unreadable(source, reader.line_num, "the row has another number of columns than the header")
            utterance = msgspec.convert({name: row[name] for name in needed}, RawUtterance)
            dialogues.setdefault(utterance.dialog_id, []).append(utterance)
    except (csv.Error, msgspec.ValidationError) as error:
        raise unreadable(source, reader.line_num, error) from error
    if not dialogues:
        raise unreadable(source, reader.line_num, "the file holds no dialogue")
    return dialogues


def _recording(split: Split, dialogue_id: str, utterances: Sequence[RawUtterance], films: Films) -> Recording:
    messages = tuple(
        [
            Message(
                "user" if utterance.speaker == "SEEKER" else "recommender",
                utterance.text.replace(_QUOTE, '"'),
                tuple(dict.fromkeys(films.number(name) for name in utterance.movies.split(";") if name.strip())),
            )
            for utterance in utterances
        ]
    )
    brought_up = tuple(_brought_up(messages))
    accepts = _accepts(utterances)
    return Recording(
        dialogue_id=dialogue_id,
        split=split,
        messages=messages,
        typed=tuple([message.text for message in messages]),
        brought_up=brought_up,
        wanted=_accepted(messages, brought_up) if accepts else (),
        unwanted="the recommender named no film" if accepts else "the label says that nothing was accepted",
        likes=tuple(dict.fromkeys(item for m in messages if m.role == "user" for item in m.items)),
    )


def _brought_up(messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    for place, message in enumerate(messages):
        if message.role == "recommender":
            yield from ((place, item) for item in message.items)


def _accepts(utterances: Sequence[RawUtterance]) -> bool:
    """Whether the dialogue's label says so; it stands on every row, and one row of `dev.tsv` lacks it."""
    (fine, coarse), _ = Counter((u.fine_label, u.coarse_label) for u in utterances).most_common(1)[0]
    return fine.startswith("accept_") and coarse == "accept_new"


def _accepted(messages: Sequence[Message], brought_up: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    if not brought_up:
        return ()
    first = brought_up[0][0]
    said = (p for p, m in enumerate(messages) if p > first and m.role == "user" and _ACCEPT.search(m.text))
    end = next(said, len(messages))
    return ([item for place, item in brought_up if place < end][-1],)
