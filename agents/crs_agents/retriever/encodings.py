"""Encodings of many texts, kept in the cache: computed once a machine, whoever asks first."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import WeightsError
from crs_gym.lm.sentence_encoder import Encodings, Progress, SentenceEncoder

_DIGEST: Final = 32
"""Bytes of the checksum at the end of a file."""


def cached_encodings(encoder: SentenceEncoder, texts: Sequence[str], progress: Progress | None = None) -> Encodings:
    """`(n, width)` float16, from the cache where it holds them.

    The file's name is a hash of the encoder's revision and all texts, so nothing in it can be out of date. It is
    written under another name and renamed, under a lock; its end is a checksum, and a file without it is made anew.

    Raises:
        WeightsError: The cache cannot be written to.
    """
    path = _path(encoder, texts)
    shape = (len(texts), encoder.width)
    found = _read(path, shape)
    if found is not None:
        return found  # without the lock: a cache that is complete may be read-only
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            found = _read(path, shape)  # another process may have made it meanwhile
            if found is None:
                found = encoder.encode(texts, progress)
                _write(path, found)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be written: {error}. Way out: make room for {2 * shape[0] * shape[1] // 1_000_000 + 1} MB, "
            "or set CRS_GYM_CACHE to another folder"
        ) from error
    return found


def _path(encoder: SentenceEncoder, texts: Sequence[str]) -> Path:
    content = hashlib.sha256(encoder.revision.encode())
    for text in texts:
        words = text.encode("utf-8", "surrogatepass")
        content.update(len(words).to_bytes(8, "little"))
        content.update(words)
    return cache_folder() / "encodings" / f"{content.hexdigest()[:32]}.f16"


def _read(path: Path, shape: tuple[int, int]) -> Encodings | None:
    """What the file holds; `None` where it is not there, or torn."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    body = memoryview(content)[:-_DIGEST]
    if len(body) != 2 * shape[0] * shape[1] or hashlib.sha256(body).digest() != content[-_DIGEST:]:
        return None
    return np.frombuffer(body, "<f2").reshape(shape)


def _write(path: Path, encodings: Encodings) -> None:
    part = path.with_suffix(".part")
    body = encodings.astype("<f2").tobytes()
    try:
        part.write_bytes(body + hashlib.sha256(body).digest())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
