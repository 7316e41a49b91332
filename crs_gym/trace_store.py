"""Traces on disk: one JSON line an episode, appended as each dialogue ends.

A line is handed to the operating system whole before the next episode's is made, so a process that is killed loses
the episodes in flight and nothing else. What a kill can leave behind is one torn last line; opening the file for resume
cuts it off.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from crs_gym.errors import TraceError
from crs_gym.trace import SCHEMA_VERSION, Trace

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Trace)
_BLOCK: Final = 1 << 16
"""How many bytes are read at a time when the last line break of a file is looked for."""


def encode_trace(trace: Trace) -> bytes:
    """The one line, without its line break, that stands for `trace`.

    Raises:
        TraceError: JSON cannot hold the trace: a number that is not finite, a lone surrogate in a text, or a value of
            a foreign type. The message names the episode.
    """
    where = f"agent {trace.agent!r}, task {trace.task_id}, episode {trace.episode}"
    try:
        line = _ENCODER.encode(trace)
        if _DECODER.decode(line) == trace:
            return line
        reason = "it reads back changed (a number that is not finite?)"
    except (TypeError, ValueError, OverflowError) as error:  # UnicodeEncodeError and msgspec's errors are ValueErrors
        reason = str(error)
    raise TraceError(f"the trace of {where} cannot be kept as JSON: {reason}. Way out: mend the agent or the simulator")


def decode_trace(line: bytes, path: Path, number: int) -> Trace:
    """The trace that `line`, the `number`-th of `path`, stands for.

    Raises:
        TraceError: The line is no trace, or one of another schema version.
    """
    try:
        trace = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(
            f"{path}, line {number}: this is no trace ({error}). Way out: restore the file, or delete that line and run"
            " again with --resume"
        ) from error
    if trace.schema != SCHEMA_VERSION:
        raise TraceError(
            f"{path}, line {number}: trace schema {trace.schema}, but this version of crs-gym reads schema "
            f"{SCHEMA_VERSION}. Way out: read it with crs-gym {trace.version}, or run the evaluation again"
        )
    return trace


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number (from 1) and bytes of each whole line. A torn last line is left out.

    Raises:
        TraceError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield number, line[:-1]
    except OSError as error:
        raise TraceError(f"cannot read {path}: {error.strerror}") from error


def read_traces(path: Path | str) -> Iterator[Trace]:
    """The traces of a file, in the order in which their dialogues ended.

    A last line without its line break belongs to an episode that was being written when the run was stopped: it is
    left out, as `TraceWriter(path, resume=True)` would cut it off.

    Raises:
        TraceError: The file cannot be read, or a line is no trace; the message names file and line.
    """
    path = Path(path)
    for number, line in read_lines(path):
        yield decode_trace(line, path, number)


def torn_bytes(path: Path) -> int:
    """How many bytes stand behind the last line break: 0 unless a run was stopped while it wrote."""
    with path.open("rb") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return size - (start + found + 1)
            end = start
        return size


def lock(path: Path, what: str) -> AbstractContextManager[object]:
    """Hold the lock file `path` until the context ends; it is let go when the process ends, however it ends.

    Args:
        path: The lock file; stays behind, empty.
        what: What is locked, for the message.

    Raises:
        TraceError: Another run holds it (at once, without waiting), or the file cannot be made.
    """
    from filelock import FileLock, Timeout

    guard = FileLock(path, timeout=0)
    try:
        return guard.acquire()
    except Timeout:
        raise TraceError(
            f"another run is writing to {what}. Way out: wait until it ends, or choose another place"
        ) from None
    except OSError as error:
        raise TraceError(f"cannot write to {what}: {error.strerror}") from error


class TraceWriter:
    """Appends traces to a file, one line each. A context manager; one writer a file at a time.

    Args:
        path: The file; its folder is made where it is missing.
        resume: Go on with a file that already holds traces, after cutting off a torn last line. Otherwise such a file
            is refused.

    Raises:
        TraceError: Another run is writing to the file, it holds traces already and `resume` is not set, a line before
            the last cannot be read, or the file cannot be opened.

    Attributes:
        count: How many whole traces the file holds.
    """

    def __init__(self, path: Path | str, *, resume: bool = False) -> None:
        self.path = Path(path)
        self.count = 0
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TraceError(f"cannot make the folder {self.path.parent}: {error.strerror}") from error
        self._lock = lock(self.path.with_name(f".{self.path.name}.lock"), str(self.path))
        try:
            self._open(resume)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise

    def _open(self, resume: bool) -> None:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        except OSError as error:
            raise TraceError(f"cannot open {self.path} for writing: {error.strerror}") from error
        try:
            size = os.fstat(self._file).st_size
            if size and not resume:
                raise TraceError(
                    f"{self.path} already holds traces. Way out: --resume goes on with them; else choose another place"
                )
            self._safe = size - torn_bytes(self.path)
            self.count = sum(1 for _ in read_traces(self.path))
            os.ftruncate(self._file, self._safe)
            os.lseek(self._file, self._safe, os.SEEK_SET)
        except BaseException:
            os.close(self._file)
            raise

    def write(self, trace: Trace) -> None:
        """Append one trace and hand it to the operating system.

        Raises:
            TraceError: The trace cannot be kept as JSON, or the disk is full or failing. In the latter case the file is
                left cut at its last whole line, and the message says how many traces are safe.
        """
        rest = memoryview(encode_trace(trace) + b"\n")
        size = len(rest)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError as error:
            os.ftruncate(self._file, self._safe)
            os.lseek(self._file, self._safe, os.SEEK_SET)
            raise TraceError(
                f"cannot write to {self.path}: {error.strerror}. {self.count} traces are safe in it. Way out: make "
                "space, then run the same command with --resume"
            ) from error
        self._safe += size
        self.count += 1

    def close(self) -> None:
        """Close the file and let go of its lock. Closing twice does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._lock.__exit__(None, None, None)

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def read_file(path: Path) -> bytes:
    """The bytes of a small file.

    Raises:
        TraceError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise TraceError(f"cannot read {path}: {error.strerror}") from error


def write_file(path: Path, content: bytes) -> None:
    """Replace a file by `content`, as a whole or not at all.

    Raises:
        TraceError: It cannot be written.
    """
    if path.is_dir():
        raise TraceError(f"cannot write {path}: a folder stands there. Way out: move it, or choose another name")
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        way_out = (
            "make space, then run the same command (a run goes on with --resume)" if full else "name another place"
        )
        raise TraceError(f"cannot write {path}: {error.strerror}. Way out: {way_out}") from error
