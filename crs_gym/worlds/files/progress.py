"""What a person sees while a download or a first parse takes its time. All of it goes to stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

SLOW_S: Final = 2.0
"""Seconds after which a task that is still running says so."""


class DownloadBar:
    """A bar in the form that `pooch` drives: `total`, `update`, `reset`, `close`. Silent without a terminal."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        console = Console(stderr=True)
        self.total = 0  # bytes; set by pooch when the server has said it
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> DownloadBar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, n: int) -> None:
        """`n` more bytes have come."""
        self._done += n
        total = self.total or None
        self._progress.update(self._task, total=total, completed=min(self._done, total) if total else self._done)

    def reset(self) -> None:
        """Start again from 0 bytes."""
        self._done = 0

    def close(self) -> None:
        """The download is over; the bar itself ends with the `with` block."""


@contextmanager
def said_when_slow(message: str) -> Iterator[None]:
    """Print `message` if the block is still running after `SLOW_S` seconds."""
    timer = threading.Timer(SLOW_S, lambda: print(message, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
