"""`crs-gym fidelity`: is a simulator like a person, and right?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from crs_gym.cli.command import NO_HINT


@dataclass(frozen=True)
class Fidelity:
    """Hold a simulator against people: words, taste, behaviour, cooperation, leaks.

    The folder holds the report; the same command goes on where it stopped.

    Example: crs-gym fidelity agenda --world redial --out runs/agenda-fidelity
    """

    simulator: tyro.conf.Positional[str]
    """The simulator, such as agenda or agenda:noise=0.2; `crs-gym list` shows them all."""
    out: Path
    """The folder for the report and all that it rests on."""
    world: str = "redial"
    """The recorded world that people are taken from."""
    dialogues: int | Literal["all"] = 200
    """Recorded dialogues of the test split that are held up to it; all for the whole split."""
    tasks: int = 200
    """Tasks that each agent plays with it."""
    agents: Annotated[tuple[str, ...], NO_HINT] = ("ask-then-recommend", "popularity", "random")
    """Who plays, beside the adversaries: ask-then-recommend, popularity and random, unless others are named."""
    seed: int = 0
    """Keys all draws."""
    quick: bool = False
    """At most 60 dialogues and 30 tasks: minutes instead of an hour, and wider intervals."""
    num_envs: int = 64
    """How many dialogues run side by side; changes the speed and nothing else."""

    def run(self) -> int:
        """Measure, write the page, and print the figures."""
        from crs_gym.fidelity import fidelity
        from crs_gym.fidelity.page import write_page
        from crs_gym.fidelity.tables import print_findings

        report = fidelity(
            self.simulator,
            out=self.out,
            world=self.world,
            dialogues=None if self.dialogues == "all" else self.dialogues,
            tasks=self.tasks,
            agents=self.agents,
            quick=self.quick,
            seed=self.seed,
            num_envs=self.num_envs,
            progress=True,
        )
        page = write_page(report, self.out)
        print_findings(report)
        print(f"Page: {page}")
        return 0

    def after_interrupt(self) -> str:
        """How to go on."""
        return f" What was measured is in {self.out}: the same command goes on there."
