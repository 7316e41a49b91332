"""`crs-gym verify`: recompute every figure of a run from its traces."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from crs_gym.cli.command import Plain


@dataclass(frozen=True)
class Verify(Plain):
    """Replay every trace of a run, recompute each reward and metric, and report any difference (exit code 1)."""

    run_folder: tyro.conf.Positional[Path]
    """A folder that `crs-gym evaluate --out` wrote."""

    def run(self) -> int:
        """Verify, and list differences."""
        from crs_gym.verify import verify

        report = verify(self.run_folder)
        print(report, file=sys.stdout if report.ok else sys.stderr)
        return 0 if report.ok else 1
