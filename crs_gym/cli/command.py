"""What every command answers."""

from __future__ import annotations

from typing import Protocol


class Command(Protocol):
    """A command: a frozen dataclass of its options."""

    def run(self) -> int:
        """Do it; returns the exit code."""
        ...

    def after_interrupt(self) -> str:
        """How to go on after Ctrl-C; empty where there is nothing to say."""
        ...


class Plain:
    """A command that keeps nothing, so that an interrupt needs no advice."""

    def after_interrupt(self) -> str:
        """Nothing to say."""
        return ""
