"""A progress bar for evaluations, one line an agent, on the error stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crs_gym.progress import bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

ProgressCallback = Callable[[str, int, int], object]
"""Called with an agent's name, how many of its episodes are done, and how many there are in all."""


@contextmanager
def progress_bar(console: Console | None = None) -> Iterator[ProgressCallback]:
    """A callback that draws a bar for each agent until the context ends."""
    from rich.console import Console

    lines: dict[str, TaskID] = {}
    with bar(console or Console(stderr=True)) as bars:

        def report(agent: str, done: int, total: int) -> None:
            if agent not in lines:
                lines[agent] = bars.add_task(agent, total=total, completed=done)
            bars.update(lines[agent], completed=done)

        yield report


@contextmanager
def reporting(progress: ProgressCallback | bool) -> Iterator[ProgressCallback]:
    """What a caller asked for: bars (`True`), its own callback, or nothing (`False`)."""
    if progress is True:
        with progress_bar() as callback:
            yield callback
    else:
        yield progress if callable(progress) else lambda what, done, total: None
