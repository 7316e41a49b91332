"""Where a dataset is written: a folder of its own, which appears whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from crs_gym.errors import TraceError
from crs_gym.trace_store import lock

_DATASET_ID: Final = re.compile(r"[-\w]+-v\d+")
"""What Minari takes for the id of a dataset without a namespace."""


def dataset_folder(out: Path | str | None, name: str) -> Path:
    """The folder of a dataset; its own name is the dataset's id.

    Args:
        out: The folder; `None` for one in Minari's own folder.
        name: What the dataset is called there, without a version.

    Raises:
        ValueError: The folder's name is no id of a dataset.
    """
    if out is None:
        from minari.storage import get_dataset_path

        return Path(get_dataset_path()) / f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-')}-v0"
    folder = Path(out)
    if not _DATASET_ID.fullmatch(folder.name):
        raise ValueError(
            f"--out {out}: the folder's name {folder.name!r} is the dataset's id, and Minari wants letters, digits, "
            "'-' and '_', and then a version. Way out: a name such as sample-ease-v0"
        )
    return folder


@contextmanager
def draft_of(folder: Path) -> Iterator[Path]:
    """A folder to write into, which becomes `folder` when the context ends well, and else is gone.

    Its name begins with a dot, so Minari never lists it. What a killed export left of it is cleared away first.

    Raises:
        TraceError: `folder` is there already, another export writes it, or it cannot be written.
    """
    _need_new(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"cannot make the folder {folder.parent}: {error.strerror}") from error
    with lock(folder.with_name(f".{folder.name}.lock"), str(folder)):
        _need_new(folder)  # another export may have ended meanwhile
        draft = folder.with_name(f".{folder.name}.draft")
        try:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            yield draft
            draft.rename(folder)
        except OSError as error:
            raise TraceError(
                f"cannot write {folder}: {error.strerror or error}. Nothing was kept; the runs are as they were. Way "
                "out: make space, or name another place"
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def reserve(folder: Path, size: int) -> None:
    """See that there is room for `size` bytes in `folder`; nothing stays behind.

    HDF5 ends the whole process when a disk is full, so nobody could be told afterwards.

    Raises:
        OSError: There is not.
    """
    allocate = getattr(os, "posix_fallocate", None)  # not everywhere
    path = folder / "room"
    try:
        with path.open("wb") as file:
            if allocate is not None and size:
                allocate(file.fileno(), 0, size)
    finally:
        path.unlink(missing_ok=True)


def _need_new(folder: Path) -> None:
    if folder.exists():
        raise TraceError(
            f"{folder} is there already. Way out: name another folder, such as a higher version, or delete it"
        )
