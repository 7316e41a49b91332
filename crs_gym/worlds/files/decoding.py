"""Typed decoding of a corpus's files: what does not fit its type is an error that names file, line and field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from crs_gym.errors import DataError

T = TypeVar("T")

_BYTE: Final = re.compile(r"\(byte (\d+)\)")


def decode_json(data: bytes, kind: type[T], source: str) -> T:
    """A whole JSON file as `kind`.

    Raises:
        DataError: It is empty, cut short, no JSON, or a field has another type.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        place = _BYTE.search(str(error))
        line = data[: int(place[1])].count(b"\n") + 1 if place else 1
        raise unreadable(source, line, "the file is empty" if not data.strip() else error) from error


def decode_lines(data: bytes, kind: type[T], source: str) -> Iterator[tuple[int, T]]:
    """The records of a file of JSON lines, each with its line number from 1. Blank lines are passed over.

    Raises:
        DataError: A line is cut short, no JSON, or a field has another type; or the file holds no record.
    """
    decoder = msgspec.json.Decoder(kind)
    line = 0
    empty = True
    for line, text in enumerate(data.split(b"\n"), start=1):
        if not text.strip():
            continue
        empty = False
        try:
            record = decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise unreadable(source, line, error) from error
        yield line, record
    if empty:
        raise unreadable(source, line, "the file holds no record")


def decode_text(data: bytes, source: str) -> str:
    """A text file in UTF-8, a byte-order mark left out.

    Raises:
        DataError: It is no UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable(source, data[: error.start].count(b"\n") + 1, error) from error


def unreadable(source: str, line: int, cause: object) -> DataError:
    """The error for a record that is not in its published form."""
    way_out = "Way out: delete the file and get it again (crs-gym data get NAME downloads it)."
    return DataError(f"{source}, line {line}: {cause}. {way_out}")
