"""A folder that is expensive to make: made by whichever process comes first, and never seen half made."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from filelock import FileLock

from crs_gym.errors import WeightsError

_MEGABYTE: Final = 1_000_000


def made_once(
    folder: Path,
    make: Callable[[Path], None],
    *,
    megabytes: int,
    elsewhere: str = "set CRS_GYM_CACHE to a folder on another disk",
) -> Path:
    """Have the folder, making it if no process has done so before.

    It is made under another name and renamed when it is whole, so a process that is killed leaves nothing that could be
    taken for it; what such a process left is removed by the next.

    Args:
        folder: Where it shall stand.
        make: Fills the empty folder that it is given.
        megabytes: How much it will hold.
        elsewhere: How to have it on another disk, for the way out.

    Returns:
        `folder`.

    Raises:
        WeightsError: It cannot be written; on a disk that is full, how much is missing.
    """
    if folder.is_dir():
        return folder  # without the lock: a cache that is complete may be read-only
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                _make(folder, make, megabytes)
    except OSError as error:
        raise WeightsError(
            f"{folder} cannot be written: {error} ({_free(folder.parent)}). Way out: make room for {megabytes} MB, or "
            f"{elsewhere}."
        ) from error
    return folder


def _make(folder: Path, make: Callable[[Path], None], megabytes: int) -> None:
    part = folder.with_name(f"{folder.name}.part")  # one process at a time holds the lock, so what lies there is stale
    if part.exists():
        shutil.rmtree(part)
    if shutil.disk_usage(folder.parent).free < megabytes * _MEGABYTE:  # said before the work, not after it
        raise OSError(f"it needs {megabytes} MB")
    try:
        part.mkdir()
        make(part)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free // _MEGABYTE} MB are free there"
    except OSError:
        return "its disk tells no free space"
