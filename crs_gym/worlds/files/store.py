"""Where a corpus's files come from: the folder `CRS_GYM_DATA`, else the cache, else a checked download into the cache.

Environment variables:
    CRS_GYM_DATA: A folder laid out as `<folder>/redial/…`, `<folder>/opendialkg/…`, `<folder>/inspired/…`. When it is
        set, nothing is downloaded.
    CRS_GYM_CACHE: The cache, in place of the user's own cache folder.
    CRS_GYM_MIRROR: `https://host[:port]` that serves the published files under their published paths.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
from filelock import FileLock

from crs_gym.cache_folder import cache_folder
from crs_gym.errors import DataError, UnknownNameError
from crs_gym.worlds.files.archive import holds, sha256_of, way_out
from crs_gym.worlds.files.published import CORPORA, Corpus, PublishedFile

TRIES: Final = 3
"""How often a download is tried before it counts as failed."""

WAIT_S: Final = 0.5
"""Seconds before the second try; twice as long before each further one."""

TIMEOUT_S: Final = 30
"""Seconds without a byte after which a try counts as failed."""

_MANIFEST: Final = "manifest.json"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a corpus on this machine.

    Attributes:
        path: Where it is.
        sha256: Of its bytes as they are now.
    """

    path: Path
    sha256: str


class Pinned(msgspec.Struct, frozen=True):
    """What the manifest keeps of a downloaded file: its hash when it was accepted, and where it came from."""

    sha256: str
    url: str


def data_folder() -> Path | None:
    """The folder of `CRS_GYM_DATA`; `None` where it is not set.

    Raises:
        DataError: It is set, and is no folder.
    """
    name = os.environ.get("CRS_GYM_DATA", "")
    if not name:
        return None
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"CRS_GYM_DATA is set to {name!r}, which is no folder. Set it to the folder that holds redial/, "
            "opendialkg/ and inspired/, or unset it to let crs-gym download."
        )
    return folder


def fetch(name: str) -> dict[str, Path]:
    """Have all files of a corpus on this machine, downloading those that are not.

    Returns:
        From a file's name (`redial/id2info.json`) to where it is. From a data folder, files that are not required may
        be absent.

    Raises:
        UnknownNameError: No corpus is named so.
        DataError: A file is missing or damaged, and cannot be downloaded.
    """
    if name.lower() not in CORPORA:
        raise UnknownNameError("corpus to download", name, CORPORA)
    return {key: source.path for key, source in locate(CORPORA[name.lower()]).items()}


def locate(corpus: Corpus) -> dict[str, SourceFile]:
    """The files of a corpus, hashed; see `fetch`."""
    folder = data_folder()
    return _from_data_folder(corpus, folder) if folder is not None else _from_cache(corpus, cache_folder())


def is_at_hand(name: str) -> bool:
    """Whether the files of a corpus are on this machine, whole, so that nothing would be downloaded.

    Raises:
        UnknownNameError: No corpus is named so.
    """
    if name.lower() not in CORPORA:
        raise UnknownNameError("corpus", name, CORPORA)
    corpus = CORPORA[name.lower()]
    try:
        folder = data_folder()
        if folder is not None:
            return bool(_from_data_folder(corpus, folder))
        return len(_checked(corpus.files, cache_folder())) == len(corpus.files)
    except DataError:  # a file is missing from the folder, or damaged
        return False


def is_published(file: PublishedFile, source: SourceFile) -> bool | None:
    """Whether the file's content is the published one; `None` where no one has recorded what that is."""
    if file.sha256 is None:
        return None
    return source.sha256 == file.sha256 or (bool(file.members) and holds(source.path, file.members))


def _from_data_folder(corpus: Corpus, folder: Path) -> dict[str, SourceFile]:
    found: dict[str, SourceFile] = {}
    for file in corpus.files:
        path = folder / file.path
        if path.is_file():
            found[file.path] = SourceFile(path, sha256_of(path))
        elif file.required:
            raise DataError(
                f"CRS_GYM_DATA is set to {str(folder)!r}, but {path} is missing. Put the file there (published at "
                f"{file.url}), or unset CRS_GYM_DATA to let crs-gym download it."
            )
    parts = [file.path for file in corpus.files if not file.required]
    if parts and not any(part in found for part in parts):
        raise DataError(
            f"CRS_GYM_DATA is set to {str(folder)!r}, which holds none of {', '.join(parts)}. Put at least one there, "
            "or unset CRS_GYM_DATA to let crs-gym download them."
        )
    return found


def _from_cache(corpus: Corpus, cache: Path) -> dict[str, SourceFile]:
    found = _checked(corpus.files, cache)
    if len(found) == len(corpus.files):
        return found  # without the lock: a complete cache may be read-only
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "downloads.lock"):
            _fill(corpus, cache)
    except OSError as error:
        raise DataError(
            f"the cache {cache} cannot be written: {error}. Set CRS_GYM_CACHE to a folder of yours, or CRS_GYM_DATA to "
            "one that holds the files."
        ) from error
    return _checked(corpus.files, cache)


def _checked(files: Iterable[PublishedFile], cache: Path) -> dict[str, SourceFile]:
    """The files that the cache holds and its manifest knows.

    Raises:
        DataError: A file is not what it was when it was accepted.
    """
    manifest = _read_manifest(cache)
    found: dict[str, SourceFile] = {}
    for file in files:
        path = cache / file.path
        if file.path not in manifest or not path.is_file():
            continue
        sha256 = sha256_of(path)
        if sha256 != manifest[file.path].sha256:
            raise DataError(
                f"{path} has changed since it was downloaded (sha256 {sha256}, then {manifest[file.path].sha256}). "
                f"{way_out(path)}"
            )
        found[file.path] = SourceFile(path, sha256)
    return found


def _fill(corpus: Corpus, cache: Path) -> None:
    """Download what the cache lacks. Runs under the lock."""
    present = _checked(corpus.files, cache)
    manifest = _read_manifest(cache)
    announced = False
    for file in corpus.files:
        if file.path in present:
            continue
        path = cache / file.path
        if path.is_file() and _refusal(file, path, manifest) is None:  # put there by hand, or the manifest was not
            manifest[file.path] = Pinned(sha256_of(path), file.url)  # written before a kill
            _write_manifest(cache, manifest)
            continue
        if not announced:
            licence = f"licence: {corpus.licence}"
            print(f"crs-gym: downloading {corpus.credit} into {cache}; {licence}", file=sys.stderr, flush=True)
            announced = True
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")  # one writer at a time holds the lock, so what lies there is stale
        try:
            _download(corpus, file, part, manifest)
            sha256 = sha256_of(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        manifest[file.path] = Pinned(sha256, file.url)
        _write_manifest(cache, manifest)


def _download(corpus: Corpus, file: PublishedFile, part: Path, manifest: Mapping[str, Pinned]) -> None:
    """Get one file into `part`, and accept it.

    Raises:
        DataError: Every try failed.
    """
    from pooch import HTTPDownloader

    from crs_gym.worlds.files.progress import DownloadBar

    url = mirrored(file.url)
    failure = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(WAIT_S * 2 ** (attempt - 1))
        try:
            with DownloadBar(file.path) as bar:
                HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT_S)(url, str(part), None)
        except (OSError, ValueError) as error:  # requests' errors are OSErrors, or ValueErrors for a bad address
            failure = f"{type(error).__name__}: {error}"
            continue
        refused = _refusal(file, part, manifest)
        if refused is None:
            return
        failure = refused
    raise DataError(
        f"cannot download {file.path} from {url} ({TRIES} tries; the last: {failure}). Three ways on: (1) set "
        f"CRS_GYM_DATA to a folder that holds {file.path}; (2) run `crs-gym data get {corpus.name}` on a machine with "
        f"a network and copy its cache here to {cache_folder()}; (3) mend the network, or set CRS_GYM_MIRROR to a "
        "mirror, and try again. CRS-Sample-v0 needs no data."
    )


def _refusal(file: PublishedFile, path: Path, manifest: Mapping[str, Pinned]) -> str | None:
    """Why the file is not what it should be; `None` when it is."""
    sha256 = sha256_of(path)
    expected = file.sha256
    if expected is None and file.path in manifest:
        expected = manifest[file.path].sha256
    if expected is None or sha256 == expected:
        return None if path.stat().st_size else "the file is empty"
    if file.members and holds(path, file.members):
        return None
    content = ", and its content is not the published one" if file.members else ""
    return f"its sha256 is {sha256}, not {expected}{content}"


def mirrored(url: str) -> str:
    """The address under `CRS_GYM_MIRROR`, when one is set.

    Raises:
        DataError: The mirror is no http address.
    """
    mirror = os.environ.get("CRS_GYM_MIRROR", "")
    if not mirror:
        return url
    target, published = urlsplit(mirror), urlsplit(url)
    if target.scheme not in ("http", "https") or not target.netloc:
        raise DataError(f"CRS_GYM_MIRROR is set to {mirror!r}; write it as https://host or http://host:port")
    return urlunsplit((target.scheme, target.netloc, published.path, published.query, ""))


def _read_manifest(cache: Path) -> dict[str, Pinned]:
    try:
        return msgspec.json.decode((cache / _MANIFEST).read_bytes(), type=dict[str, Pinned])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise DataError(f"{cache / _MANIFEST} cannot be read: {error}. Set CRS_GYM_CACHE to another folder.") from error
    except msgspec.MsgspecError:
        return {}  # damaged: every file is checked against its published hash again


def _write_manifest(cache: Path, manifest: Mapping[str, Pinned]) -> None:
    part = cache / f"{_MANIFEST}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    part.replace(cache / _MANIFEST)
