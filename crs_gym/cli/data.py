"""`crs-gym data`: the recorded corpora."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from crs_gym.cli.command import Plain


@dataclass(frozen=True)
class Get(Plain):
    """Download a corpus into the cache ahead of time, and check it."""

    name: tyro.conf.Positional[str]
    """redial, opendialkg or inspired."""

    def run(self) -> int:
        """Download."""
        from crs_gym.worlds.files.store import fetch

        for path in fetch(self.name).values():
            print(path)
        return 0


@dataclass(frozen=True)
class Check(Plain):
    """Count a corpus's tasks and what was left out, and check each task."""

    name: tyro.conf.Positional[str]
    """redial, opendialkg, inspired or sample."""

    def run(self) -> int:
        """Verify, and print the counts."""
        from crs_gym.worlds import load_world
        from crs_gym.worlds.verify import verify_world

        report = verify_world(load_world(self.name))
        print(report)
        return 0 if report.ok else 1


@dataclass(frozen=True)
class Data(Plain):
    """Get and verify the recorded corpora."""

    action: Annotated[Get, tyro.conf.subcommand("get")] | Annotated[Check, tyro.conf.subcommand("verify")]

    def run(self) -> int:
        """Do what was asked."""
        return self.action.run()
