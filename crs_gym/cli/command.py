"""What every command answers."""

from __future__ import annotations

from typing import Final, Protocol

import tyro

NO_HINT: Final = tyro.conf.arg(help_behavior_hint="")
"""For an option whose help says by itself what it is by default, so that "(default: None)" is not added."""


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
