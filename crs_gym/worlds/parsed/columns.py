"""A parsed corpus in columns, and their cache on disk: one uncompressed `.npz` file a world, checked by its CRCs."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from crs_gym.worlds.files.progress import said_when_slow

LOADER_VERSION: Final = 1
"""Raise it whenever the same files may give other columns; it is part of every fingerprint."""

_DAMAGE: Final = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, NotImplementedError),
    *(zlib.error, struct.error, zipfile.BadZipFile, msgspec.MsgspecError),
)
"""What `numpy.load` raises for a damaged archive."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """All that a recorded world holds.

    Offsets delimit rows: row `i` of `x` is `x[x_offsets[i]:x_offsets[i + 1]]`. A dialogue is a run of messages.

    Attributes:
        meta: `Meta` as JSON, uint8.
        text: `(bytes,)` uint8, all messages in UTF-8; `text_offsets`: `(n_messages + 1,)` int64.
        roles: `(n_messages,)` int8, 0 user, 1 recommender.
        items: int64, items by message; `item_offsets`: `(n_messages + 1,)` int64.
        dialogue_ids: JSON list of `n_dialogues` texts, uint8.
        dialogue_offsets: `(n_dialogues + 1,)` int64, messages by dialogue.
        dialogue_splits: `(n_dialogues,)` int8, index into `SPLITS`.
        likes, dislikes: int64, items by dialogue, with their offsets.
        label_items: int64, labelled items by dialogue; `label_offsets`; `labels`: `(nnz, 3)` int8, suggested, seen,
            liked, each 0 no, 1 yes, -1 not said.
        task_dialogues: `(n_tasks,)` int64; `task_cuts`: int64, how many messages of the dialogue are context;
            `task_kinds`: int8, index into `TASK_KINDS`; `targets`: int64 by task, with `target_offsets`.
        session_items: int64, items of each train dialogue, each once; `session_offsets`.
        alias: `(n_items,)` int64, the first item of the same display name.
        catalog_text: JSON, uint8: titles, keys, facet names; the other `catalog_*` are the catalogue's own columns.
    """

    meta: NDArray[np.uint8]
    text: NDArray[np.uint8]
    text_offsets: NDArray[np.int64]
    roles: NDArray[np.int8]
    items: NDArray[np.int64]
    item_offsets: NDArray[np.int64]
    dialogue_ids: NDArray[np.uint8]
    dialogue_offsets: NDArray[np.int64]
    dialogue_splits: NDArray[np.int8]
    likes: NDArray[np.int64]
    like_offsets: NDArray[np.int64]
    dislikes: NDArray[np.int64]
    dislike_offsets: NDArray[np.int64]
    label_items: NDArray[np.int64]
    label_offsets: NDArray[np.int64]
    labels: NDArray[np.int8]
    task_dialogues: NDArray[np.int64]
    task_cuts: NDArray[np.int64]
    task_kinds: NDArray[np.int8]
    targets: NDArray[np.int64]
    target_offsets: NDArray[np.int64]
    session_items: NDArray[np.int64]
    session_offsets: NDArray[np.int64]
    alias: NDArray[np.int64]
    catalog_text: NDArray[np.uint8]
    catalog_years: NDArray[np.int16]
    catalog_popularity: NDArray[np.float32]
    catalog_facet_kinds: NDArray[np.int8]
    catalog_facet_offsets: NDArray[np.int64]
    catalog_facet_ids: NDArray[np.int64]

    def fingerprint(self) -> str:
        """16 hex digits of every column and of the loader's version."""
        digest = hashlib.blake2b(str(LOADER_VERSION).encode(), digest_size=8)
        for column in fields(self):
            array = getattr(self, column.name)
            digest.update(f"{column.name}{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class Meta(msgspec.Struct, frozen=True):
    """What is kept beside the arrays: how many records were dropped, by reason."""

    dropped: dict[str, int]


class CatalogText(msgspec.Struct, frozen=True):
    """The catalogue's texts."""

    titles: list[str]
    keys: list[str]
    facet_names: list[str]


def packed(value: object) -> NDArray[np.uint8]:
    """Any JSON value as bytes in an array."""
    return np.frombuffer(msgspec.json.encode(value), np.uint8)


def ragged(rows: Iterable[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of numbers as `(values, offsets)`."""
    values: list[int] = []
    offsets = [0]
    for row in rows:
        values.extend(row)
        offsets.append(len(values))
    return np.array(values, np.int64), np.array(offsets, np.int64)


def cached_columns(
    folder: Path, name: str, sources: Mapping[str, str], build: Callable[[], Columns]
) -> tuple[Columns, str]:
    """The columns of a world, and their fingerprint: from the cache, else built once and put there.

    Args:
        folder: The cache.
        name: The world's name.
        sources: From the names of the files that it reads to their sha256.
        build: Parses them.

    Returns:
        The columns and their fingerprint. A cache file that is damaged, or of another make, is built anew.

    Raises:
        DataError: From `build`; the cache is then as it was.
    """
    path = folder / "columns" / f"{name}-{_source_key(name, sources)}.npz"
    loaded = _load(path)
    if loaded is not None:
        return loaded
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        lock.acquire()
    except OSError as error:
        _say(f"{_obstacle(folder, error)}; {name} is parsed again in every process")
        return _built(name, build)
    try:
        loaded = _load(path)  # another process may have built it while this one waited
        if loaded is None:
            loaded = _built(name, build)
            _save(path, *loaded)
        return loaded
    finally:
        lock.release()


def _obstacle(folder: Path, error: OSError) -> str:
    """Why nothing can be kept in the cache."""
    in_the_way = next((path for path in (folder / "columns", folder, *folder.parents) if path.is_file()), None)
    if in_the_way is not None:
        return f"nothing can be kept in the cache {folder}, since {in_the_way} is a file and not a folder"
    return f"the cache {folder} cannot be written ({error.strerror})"


def _built(name: str, build: Callable[[], Columns]) -> tuple[Columns, str]:
    with said_when_slow(f"crs-gym: parsing {name} for the first time; this takes some seconds, once"):
        columns = build()
        return columns, columns.fingerprint()


def _source_key(name: str, sources: Mapping[str, str]) -> str:
    text = msgspec.json.encode([LOADER_VERSION, name, sorted(sources.items())])
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _save(path: Path, columns: Columns, fingerprint: str) -> None:
    """Write atomically: a reader sees a whole file or none."""
    part = path.with_name(f"{path.name}.part")  # under the lock, so what a killed process left there is overwritten
    arrays = {column.name: getattr(columns, column.name) for column in fields(columns)}
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, fingerprint=packed(fingerprint), **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        _say(f"cannot write {path} ({error}); it is parsed again in every process")


def _load(path: Path) -> tuple[Columns, str] | None:
    """The columns in a cache file; `None` where there is no such file, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {column.name: archive[column.name] for column in fields(Columns)}
            fingerprint = msgspec.json.decode(archive["fingerprint"].tobytes(), type=str)
    except (FileNotFoundError, NotADirectoryError):  # what stands in the way is said where the cache is to be written
        return None
    except (IsADirectoryError, PermissionError) as error:
        _say(f"the cache file {path} cannot be read: {error.strerror}")
        return None
    except _DAMAGE:
        _say(f"{path} is damaged; it is built anew")
        return None
    return Columns(**arrays), fingerprint


def _say(message: str) -> None:
    print(f"crs-gym: {message}", file=sys.stderr, flush=True)
