"""`crs-gym report`: results as a page."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from crs_gym.cli.command import NO_HINT, Plain


@dataclass(frozen=True)
class Report(Plain):
    """Write the results of one or more evaluations as one HTML page.

    The page opens in any browser, without a network.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint="(at least one)"),
    ]
    """Folders that `crs-gym evaluate --out` wrote."""
    out: Annotated[Path | None, NO_HINT] = None
    """The page, or the folder for it; by default report.html in the first folder."""
    training: Annotated[
        tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(help_behavior_hint="(default: none)")
    ] = ()
    """A folder that `crs-gym train --out` wrote, whose learning curves the page shows; give it again for more. Several
    seeds of one learner become one curve, their interquartile mean with its interval."""

    def run(self) -> int:
        """Write the page."""
        from crs_gym.leaderboard import write_report

        if not self.runs:
            raise ValueError("report: give at least one folder that `crs-gym evaluate --out` wrote")
        page = self.out or self.runs[0]
        if page.is_dir() or self.out is None:
            page = page / "report.html"
        page = write_report(
            self.runs, page, trainings=self.training, note=lambda lack: print(f"crs-gym: {lack}", file=sys.stderr)
        )
        print(f"Report: {page}")
        return 0
