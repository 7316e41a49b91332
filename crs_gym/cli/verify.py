"""`crs-gym verify`: recompute every figure of a run from its traces."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tyro

from crs_gym.cli.command import Plain

_SHOWN: Final = 20
"""How many differences are listed: the first ones tell the cause, and a damaged file has thousands."""


@dataclass(frozen=True)
class Verify(Plain):
    """Replay every trace of a run, and recompute each reward and figure.

    What differs from the files is listed; the exit code is then 1.
    """

    run_folder: tyro.conf.Positional[Path]
    """A folder that `crs-gym evaluate --out` wrote."""

    def run(self) -> int:
        """Verify, and list differences."""
        from crs_gym.verify import verify

        report = verify(self.run_folder)
        if report.ok:
            print(f"{self.run_folder}: {report.traces:,} traces played again, every figure is as recorded.")
            return 0
        for difference in report.differences[:_SHOWN]:
            print(f"crs-gym: {difference}", file=sys.stderr)
        n = len(report.differences)
        rest = f" {n - _SHOWN:,} more are not listed." if n > _SHOWN else ""
        print(f"crs-gym: {self.run_folder} differs in {n:,} place{'' if n == 1 else 's'}.{rest}", file=sys.stderr)
        return 1
