"""Which content a model has: the same hash on every machine, whoever wrote the files."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import WeightsError
from crs_gym.lm.model_folder import CONFIG, INDEX, TOKENIZERS, read_settings

_TEXTS: Final = (
    *TOKENIZERS,
    CONFIG,
    INDEX,
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
"""The files besides the weights that decide what a model answers."""

_NOT_CONTENT: Final = ("transformers_version", "_name_or_path", "name_or_path", "is_local", "local_files_only")
"""Keys that tell who wrote a file and where it lay: the same model has the same revision without them."""


def weights_revision(folder: Path) -> str:
    """A content hash of all that decides what a model answers: weights, configuration, tokenizer, chat template.

    The weights are hashed again only when a file's size or times have changed: 270 MB take 0.15 s, 16 GB ten.

    Returns:
        16 hex digits. They do not depend on the folder's place, nor on which version of transformers wrote it.

    Raises:
        WeightsError: A file cannot be read.
    """
    try:
        digests = _hash_weights(folder)
        for name in _TEXTS:
            if (folder / name).is_file():
                digests[name] = hashlib.sha256(_content(folder / name)).hexdigest()
    except OSError as error:
        raise WeightsError(f"{folder} cannot be read: {error}") from error
    return hashlib.sha256(msgspec.json.encode(digests, order="sorted")).hexdigest()[:16]


def _content(path: Path) -> bytes:
    """A file's bytes; of settings, what they say."""
    if path.name in (CONFIG, "generation_config.json", "tokenizer_config.json"):
        settings = {key: value for key, value in read_settings(path).items() if key not in _NOT_CONTENT}
        return msgspec.json.encode(settings, order="sorted")
    return path.read_bytes()


class _Hashed(msgspec.Struct, frozen=True):
    """A file's hash, and what the file was when it was taken: bytes, and nanoseconds since 1970."""

    size: int
    written: int
    changed: int
    sha256: str


def _hash_weights(folder: Path) -> dict[str, str]:
    """The hash of each weight file by its name, from the record where the file is as it was."""
    place = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    record = cache_folder() / "models" / "hashes" / f"{place}.json"
    try:
        known = msgspec.json.decode(record.read_bytes(), type=dict[str, _Hashed])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        known = {}
    hashed: dict[str, _Hashed] = {}
    for path in sorted(folder.glob("*.safetensors")):
        now = path.stat()
        entry = known.get(path.name)
        marks = (now.st_size, now.st_mtime_ns, now.st_ctime_ns)
        if entry is None or (entry.size, entry.written, entry.changed) != marks:
            with path.open("rb") as file:
                entry = _Hashed(*marks, hashlib.file_digest(file, "sha256").hexdigest())
        hashed[path.name] = entry
    if hashed != known:
        _keep(record, hashed)
    return {name: entry.sha256 for name, entry in hashed.items()}


def _keep(record: Path, hashed: Mapping[str, _Hashed]) -> None:
    """Write the record; where the cache cannot be written, the next process hashes again."""
    part = record.with_name(f"{record.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        record.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.encode(hashed))
        part.replace(record)
