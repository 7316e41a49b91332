"""A command that has been run: what it left behind, and how the real one is started."""

from __future__ import annotations

import sys
from dataclasses import dataclass

SPAWN = (sys.executable, "-m", "crs_gym.cli")
"""The start of a real command line."""


@dataclass(frozen=True)
class Said:
    """What a command left behind: its exit code, and what it wrote to the output and to the error stream."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of an error.

        There is exactly one, which says who speaks, and no traceback.
        """
        lines = [line for line in self.err.splitlines() if line.startswith("crs-gym: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]
