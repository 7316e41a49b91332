"""ReDial's film table: the catalogue of `redial`, and the ground of `inspired`."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from crs_gym.worlds.files.archive import read_file
from crs_gym.worlds.files.decoding import decode_json, decode_text, unreadable
from crs_gym.worlds.parsed.building import ItemRow

MAX_GENRES: Final = 6
MAX_DIRECTORS: Final = 3
MAX_STARS: Final = 5
"""How many facets of a kind an item keeps (our choice), so that no item's facets drown the others."""

UNTITLED: Final = "Untitled"
"""Stands where the table holds a year and no title: two of its films."""

FilmId = Annotated[str, Meta(pattern=r"^[0-9]{1,10}$")]

_HEADER: Final = ["movieId", "movieName", "nbMentions"]
_FILM_ID: Final = re.compile(r"[0-9]{1,10}")
_NAME: Final = re.compile(r"(?P<title>.*?)\s*\((?P<year>[12][0-9]{3})?\)", re.DOTALL)


class FilmFacts(msgspec.Struct, frozen=True):
    """What `id2info.json` says of a film; its other fields are not read."""

    genre: list[str] = []
    director: list[str] = []
    star: list[str] = []


def parse_name(name: str) -> tuple[str, int | None]:
    """`Heat  (1995)` as title and year, with single spaces; `(2015)` is an untitled film of that year."""
    found = _NAME.fullmatch(name.strip())
    title = " ".join((found["title"] if found else name).split())
    year = int(found["year"]) if found and found["year"] else None
    return title or UNTITLED, year


def film_rows(sources: Mapping[str, Path], dropped: Counter[str]) -> list[ItemRow]:
    """The films of ReDial's table with their facts, as catalogue rows; the keys are ReDial's movie ids.

    Args:
        sources: Where the files are, by their published path.
        dropped: Counts what is left out, by reason.

    Raises:
        DataError: A file is missing or not in its published form.
    """
    facts_path = sources["redial/id2info.json"]
    facts = decode_json(read_file(facts_path), dict[FilmId, FilmFacts], str(facts_path))
    table_path = sources["redial/movies_with_mentions.csv"]
    reader = csv.reader(io.StringIO(decode_text(read_file(table_path), str(table_path)), newline=""), strict=True)
    rows: dict[str, ItemRow] = {}
    try:
        header = next(reader, [])
        if header != _HEADER:
            raise unreadable(str(table_path), 1, f"the header must be {_HEADER}, not {header[:4]}")
        for row in reader:
            if len(row) != len(_HEADER):
                raise unreadable(str(table_path), reader.line_num, f"{len(row)} columns, not {len(_HEADER)}")
            key, name, _ = row
            if not _FILM_ID.fullmatch(key):
                raise unreadable(str(table_path), reader.line_num, f"movieId {key[:40]!r} is no number")
            if key in rows:
                raise unreadable(str(table_path), reader.line_num, f"movieId {key} stands twice")
            if not name.strip():
                dropped["film without a name"] += 1
                continue
            title, year = parse_name(name)
            known = facts.get(key, FilmFacts())
            rows[key] = (key, title, year, film_facets(known.genre, known.director, known.star))
    except csv.Error as error:
        raise unreadable(str(table_path), reader.line_num, error) from error
    if not rows:
        raise unreadable(str(table_path), 1, "the table holds no film")
    return list(rows.values())


def film_facets(genre: list[str], director: list[str], star: list[str]) -> dict[str, list[str]]:
    """The facets of a film, each value once and with single spaces, cut to the first few of each kind."""
    return {
        "genre": _distinct([value.lower() for value in genre], MAX_GENRES),
        "director": _distinct(director, MAX_DIRECTORS),
        "star": _distinct(star, MAX_STARS),
    }


def _distinct(values: list[str], most: int) -> list[str]:
    return [value for value in dict.fromkeys(" ".join(value.split()) for value in values) if value][:most]
