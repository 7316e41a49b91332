"""`crs-gym evaluate`: agents on the same users, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from crs_gym.cli.command import NO_HINT
from crs_gym.task import Split


@dataclass(frozen=True)
class Evaluate:
    """Let agents meet the same users, and compare them.

    All play the same tasks with the same noise; figures have 95% intervals.

    Example: crs-gym evaluate CRS-Sample-v0 -a popularity -a ease --out runs/first
    """

    env: tyro.conf.Positional[str]
    """The environment's id, such as CRS-Sample-v0; `crs-gym list` shows them all."""
    agent: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(aliases=["-a"], help_behavior_hint="(required)")
    ]
    """An agent: a name (`crs-gym list`), name:argument, or module:attribute of your own. Once for each."""
    simulator: Annotated[str | None, NO_HINT] = None
    """The user, such as agenda, agenda:noise=0.2 or silent; by default the environment's own."""
    protocol: Literal["interactive", "next-item"] = "interactive"
    """interactive: whole dialogues. next-item: one ranking for each recorded recommendation (the offline benchmark)."""
    split: Split = "test"
    """Which seekers."""
    tasks: Annotated[int | None, NO_HINT] = None
    """How many tasks; by default all, or 500 in a world that invents its seekers."""
    trials: int = 1
    """How often each task is played, each time with other noise."""
    seed: int = 0
    """Keys tasks and noise."""
    num_envs: int = 64
    """How many dialogues run side by side; changes the speed and nothing else."""
    k: Annotated[int | None, NO_HINT] = None
    """How many items a turn may show; by default the environment's own."""
    max_turns: Annotated[int | None, NO_HINT] = None
    """The turn limit; by default the environment's own."""
    baseline: Annotated[str | None, NO_HINT] = None
    """The agent that the others are compared with."""
    out: Annotated[Path | None, NO_HINT] = None
    """A folder for traces and results. Traces are written as dialogues end, so a killed run can be resumed."""
    resume: bool = False
    """Go on with the run in --out."""

    def run(self) -> int:
        """Evaluate, and print the table."""
        from crs_gym.evaluation import evaluate
        from crs_gym.evaluation.tables import print_results
        from crs_gym.rollout import config_of

        if not self.agent:
            raise ValueError("--agent: name at least one; `crs-gym list` shows them, module:attribute names your own")
        if self.resume and self.out is None:
            raise ValueError("--resume: say with --out which folder holds the run to go on with")
        if self.protocol == "next-item" and self.simulator is not None:
            raise ValueError("--simulator: the next-item protocol has no user; leave it out")
        chosen = {"simulator": self.simulator, "k": self.k, "max_turns": self.max_turns}
        config = config_of(self.env, **{name: value for name, value in chosen.items() if value is not None})
        results = evaluate(
            config,
            self.agent,
            protocol=self.protocol,
            split=self.split,
            tasks=self.tasks,
            trials=self.trials,
            seed=self.seed,
            num_envs=self.num_envs,
            out=self.out,
            resume=self.resume,
            baseline=self.baseline,
            progress=True,
        )
        print_results(results)
        if self.out is not None:
            print(f"Traces and results: {self.out}. Next: crs-gym report {self.out}, crs-gym verify {self.out}")
        return 0

    def after_interrupt(self) -> str:
        """How to resume."""
        if self.out is None:
            return " Nothing was kept: give --out DIR to keep traces."
        if not (self.out / "run.json").exists():
            return " Nothing was played yet."
        return f" Finished dialogues are in {self.out}: run the same command with --resume to go on."
