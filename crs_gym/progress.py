"""The bar of long work, on the error stream."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def bar(console: Console) -> Progress:
    """What is done, a bar that takes the room that is left, how far it is, the time that it took and will take."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1)),  # what the numbers leave, so that none is cut
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        expand=True,
    )


class TerminalBar:
    """A context with a bar on a terminal, and with none elsewhere: there, whoever has it tells lines instead.

    Attributes:
        bar: `None` where there is none.
    """

    def __init__(self) -> None:
        from rich.console import Console

        console = Console(stderr=True)
        self.bar = bar(console) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar is not None:
            self.bar.stop()
