"""What is seen of a training while it runs: a bar on a terminal, elsewhere a line a stage."""

from __future__ import annotations

import sys
import time
from typing import Final

from crs_gym.progress import TerminalBar

_SMOOTH: Final = 50
"""Updates over which the loss that is shown is averaged."""


class Watching(TerminalBar):
    """Shows stages, and within each how far it is. On the error stream."""

    def __init__(self) -> None:
        super().__init__()
        if self.bar is not None:
            self._task = self.bar.add_task("")
        self._name = ""
        self._begun = time.monotonic()
        self._losses: list[float] = []

    def stage(self, name: str) -> None:
        """Say what begins."""
        self._name = name
        if self.bar is not None:
            self.bar.reset(self._task, description=name, total=None)
        else:
            seconds = time.monotonic() - self._begun
            print(f"crs-gym: {name} ({seconds:.0f} s)", file=sys.stderr, flush=True)

    def progress(self, done: int, total: int) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(self._task, completed=done, total=total)

    def losses(self) -> list[float]:
        """The list that the losses of the next network go to."""
        self._losses = []
        return self._losses

    def update(self, update: int, updates: int, loss: float) -> None:
        """Keep a loss, and show it."""
        self._losses.append(loss)
        if self.bar is not None:
            recent = self._losses[-_SMOOTH:]
            self.bar.update(
                self._task,
                completed=update,
                total=updates,
                description=f"{self._name}, {sum(recent) / len(recent):.3f} nats",
            )
