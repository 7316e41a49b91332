"""Reading a downloaded archive or file without trusting it: nothing is extracted, sizes are bounded."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import msgspec

from crs_gym.errors import DataError
from crs_gym.worlds.files.published import Member

MAX_BYTES: Final = 200_000_000
"""The largest file or member that is read: seven times the largest published one (ReDial's train file, 29 MB)."""

_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)
"""What `zipfile` raises for damaged, encrypted or unsupported archives."""


def read_file(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: It is missing, unreadable, or larger than `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {way_out(path)}") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{path} holds more than {MAX_BYTES:,} bytes: no published file does. {way_out(path)}")
    return data


def read_members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The bytes of some members of a zip archive, read in memory.

    Every member of the archive is held to the rules, also those that are not asked for.

    Raises:
        DataError: The archive is missing or damaged, lacks a member, names one twice, holds a link or a path that
            leads outside, or a member is larger than `MAX_BYTES`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members: dict[str, zipfile.ZipInfo] = {}
            for member in archive.infolist():
                _refuse_hostile(path, member)
                if member.filename in members:
                    raise DataError(f"{path} holds {member.filename!r} twice. {way_out(path)}")
                members[member.filename] = member
            return {name: _read_member(path, archive, members, name) for name in names}
    except DataError:
        raise
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged or no zip archive: {error}. {way_out(path)}") from error


def holds(path: Path, members: Iterable[Member]) -> bool:
    """Whether the archive holds the published content, whatever its own bytes are."""
    wanted = list(members)
    try:
        contents = read_members(path, [member.name for member in wanted])
    except DataError:
        return False
    return bool(wanted) and all(_is_published(contents[member.name], member) for member in wanted)


def sha256_of(path: Path) -> str:
    """The file's sha256, in hex digits.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. {way_out(path)}") from error


def way_out(path: Path) -> str:
    """What to do about a damaged file."""
    return f"Way out: delete {path} and get it again (crs-gym data get NAME downloads it)."


def _refuse_hostile(path: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts or ".." in posix.parts:
        raise DataError(f"{path} holds a path that leads outside: {name!r}. Do not use this archive. {way_out(path)}")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DataError(f"{path} holds a link: {name!r}. Do not use this archive. {way_out(path)}")


def _read_member(path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str) -> bytes:
    if name not in members:
        raise DataError(f"{path} has no member {name!r}; it holds {sorted(members)[:10]}. {way_out(path)}")
    declared = members[name].file_size
    if declared <= MAX_BYTES:
        with archive.open(members[name]) as file:
            data = file.read(MAX_BYTES + 1)  # bounded here too: the declared size is the archive's word only
        if len(data) <= MAX_BYTES:
            return data
    raise DataError(f"{path}: member {name!r} is larger than {MAX_BYTES:,} bytes. {way_out(path)}")


def _is_published(data: bytes, member: Member) -> bool:
    if member.sha256 is not None and hashlib.sha256(data).hexdigest() != member.sha256:
        return False
    lines = data.splitlines()
    try:
        for line in lines:
            msgspec.json.decode(line, type=dict)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return len(lines) == member.lines
