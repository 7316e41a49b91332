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

RETRIEVER: Final = "--networks 1 --epochs 2 --episodes 1500"
SMTPO: Final = (
    "--n 10 --listed 3 --base scratch --sft.rank 0 --sft.episodes 900 --sft.at-once 8 --sft.learning-rate 1e-3 "
    "--sft.valid-episodes 0 --grpo.updates 6 --grpo.accumulate 8 --grpo.scale batch --grpo.beta 0 "
    "--grpo.learning-rate 4e-4"
)
"""A training in minutes, of a small base from scratch: from lessons to users, and not to its end."""

LEARNED_TASKS: Final = 100
"""Seekers whom the trained policies meet."""


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
    learn: bool = False
    """Whether a small language model learns to recommend, too, from a retriever and lessons to multi-turn GRPO: about
    five minutes on two cores. Needs the extra llm and the weights of a sentence encoder (all-MiniLM-L6-v2)."""

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
        trained = self._learn() if self.learn else None
        if trained is not None:
            runs.append(self.out / "learned")
        page = write_report(runs, self.out / "report.html", trainings=[] if trained is None else [trained])
        print(f"\nReport, to be opened in any browser: {page.resolve()}")
        return 0

    def _learn(self) -> Path | None:
        """Train a policy in `out` and evaluate its stages; the folder of the training, `None` where it cannot be."""
        import shutil
        from importlib.util import find_spec

        from crs_gym.cli.train import parse_training
        from crs_gym.errors import WeightsError
        from crs_gym.evaluation import evaluate
        from crs_gym.evaluation.tables import print_results
        from crs_gym.rollout import config_of

        missing = [name for name in ("torch", "transformers", "trl", "peft") if find_spec(name) is None]
        if missing:
            print(f'\nNo policy is trained: {missing[0]} is not installed. Way out: pip install "crs-gym[llm]"')
            return None
        policy, run = self.out / "smtpo", self.out / "learned"
        for earlier in (policy, run):
            if (earlier / "run.json").exists() or any(earlier.glob("*/settings.json")):
                shutil.rmtree(earlier)
        print("\nA small language model learns to recommend:\n")
        try:
            for command in (
                f"retriever --world sample --out {policy / 'retriever'} {RETRIEVER}",
                f"smtpo --env CRS-Sample-v0 --out {policy} --stage sft {SMTPO}",
                f"smtpo --env CRS-Sample-v0 --out {policy} --stage grpo {SMTPO}",
            ):
                print(f"$ crs-gym train {command}", flush=True)
                parse_training([*command.split(), "--seed", str(self.seed)]).run()
        except WeightsError as error:
            print(f"\nNo policy is trained: {error}")
            return None
        results = evaluate(
            config_of("CRS-Sample-v0"),
            (f"dual-view:{policy / 'retriever'}", f"smtpo:{policy / 'sft'}", f"smtpo:{policy}"),
            tasks=min(self.tasks, LEARNED_TASKS),
            seed=self.seed,
            baseline=f"dual-view:{policy / 'retriever'}",
            out=run,
            progress=True,
        )
        print_results(results)
        return policy
