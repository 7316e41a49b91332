"""`crs-gym report`: results as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from crs_gym.cli.command import Plain


@dataclass(frozen=True)
class Report(Plain):
    """Write one HTML page, which opens without a network, from the folders of one or more evaluations."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that `crs-gym evaluate --out` wrote."""
    out: Path | None = None
    """The page; by default report.html in the first folder."""

    def run(self) -> int:
        """Write the page."""
        from crs_gym.leaderboard import write_report

        if not self.runs:
            raise ValueError("report: give at least one folder that `crs-gym evaluate --out` wrote")
        print(f"Report: {write_report(self.runs, self.out or self.runs[0] / 'report.html')}")
        return 0
