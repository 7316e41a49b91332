"""`crs-gym demo`: the whole thing once, on the embedded world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crs_gym.cli.command import Plain

AGENTS: Final = (
    "random",
    "popularity",
    "bm25",
    "item-knn",
    "ease",
    "ask-then-recommend",
    "oracle",
    "copy-mention",
    "parrot",
    "dumper",
    "manipulator",
    "repeater",
    "prober",
)


@dataclass(frozen=True)
class Demo(Plain):
    """Let every agent talk with simulated seekers, and write a report.

    Plays on CRS-Sample-v0, with and without feedback. Needs no network.
    """

    out: Path = Path("runs/demo")
    """Where traces, results and the report go. A demo that is there already is done anew."""
    tasks: int = 500
    """How many seekers each agent meets."""
    seed: int = 0
    """Keys seekers and noise."""

    def run(self) -> int:
        """Play a dialogue to read, evaluate, report."""
        import shutil

        from crs_gym.evaluation import evaluate
        from crs_gym.evaluation.tables import print_results
        from crs_gym.leaderboard import write_report
        from crs_gym.rollout import config_of, rollout
        from crs_gym.transcript import render_dialogue
        from crs_gym.worlds import load_world

        world = load_world("sample")
        most = len(world.tasks("test"))
        if not 1 <= self.tasks <= most:  # before the earlier demo is removed
            raise ValueError(f"--tasks {self.tasks}: choose 1 to {most}")
        if self.seed < 0:
            raise ValueError(f"--seed {self.seed}: must be a whole number of at least 0")
        print("One dialogue, with the agent that asks before it recommends:\n")
        trace = rollout("CRS-Sample-v0", "ask-then-recommend", episodes=1, seed=self.seed, split="test")[0]
        print(render_dialogue(trace.messages(world.task(trace.task_id), world.catalog.names)), "\n")
        runs = []
        for simulator in ("agenda", "silent"):
            run = self.out / simulator
            if (run / "run.json").exists():  # an earlier demo's, and nobody else's folder
                shutil.rmtree(run)
            results = evaluate(
                config_of("CRS-Sample-v0", simulator=simulator),
                AGENTS,
                tasks=self.tasks,
                seed=self.seed,
                baseline="popularity",
                out=run,
                progress=True,
            )
            if simulator == "agenda":
                print_results(results)
            runs.append(run)
        page = write_report(runs, self.out / "report.html")
        print(f"\nReport, to be opened in any browser: {page.resolve()}")
        return 0
