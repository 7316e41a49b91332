"""`crs-gym bench`: speed, start-up, language models and the title resolver, measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from crs_gym.cli.command import Plain
from crs_gym.task import Split


@dataclass(frozen=True)
class Speed(Plain):
    """Measure turns a second and peak memory.

    Speed is a ratio to CartPole-v1 on the same core in the same run.
    """

    world: str = "sample"
    """The world that the seekers come from."""
    rounds: int = 9
    """How many rounds alternate; the median of their ratios counts."""
    episodes: int = 10_000
    """Up to how many episodes the cost of a turn is followed; 100000 takes some minutes."""

    def run(self) -> int:
        """Measure, and print."""
        from rich.console import Console
        from rich.table import Table

        from crs_gym.bench.memory import peak_resident_mb
        from crs_gym.bench.speed import measure_flatness, measure_speed

        console = Console()
        table = Table(
            "what", "turns/s", "CartPole/s", "ratio", "wanted", title=f"Speed on {self.world}, agenda", box=None
        )
        for figure in measure_speed(self.world, self.rounds):
            wanted = "" if figure.wanted is None else f"≥ {figure.wanted}"
            rates = f"{figure.turns_per_second:,.0f}", f"{figure.cartpole_per_second:,.0f}"
            table.add_row(figure.name, *rates, f"{figure.ratio:.3f}", wanted)
        console.print(table)
        console.print(f"Peak resident memory so far: {peak_resident_mb():.0f} MB\n")
        flat = Table("episodes", "µs a turn", "peak MB", title="Cost of a turn as episodes add up", box=None)
        steps = [n for n in (100, 1_000, 10_000, 100_000, 1_000_000) if n <= self.episodes]
        for episodes, cost, memory in measure_flatness(steps, self.world):
            flat.add_row(f"{episodes:,}", f"{cost:.1f}", f"{memory:.0f}")
        console.print(flat)
        return 0


@dataclass(frozen=True)
class Discrete(Plain):
    """Measure steps a second of the Discrete view, and of its adapter for stable-baselines3.

    Speed is a ratio to CartPole-v1 on the same core in the same run.
    """

    world: str = "sample"
    """The world that the seekers come from."""
    rounds: int = 9
    """How many rounds alternate; the median of their ratios counts."""

    def run(self) -> int:
        """Measure, and print each figure as it comes."""
        from crs_gym.bench.discrete import measure_discrete

        for figure in measure_discrete(self.world, self.rounds):
            print(
                f"{figure.name}: {figure.steps_per_second:,.0f} steps/s, {figure.other}: "
                f"{figure.other_per_second:,.0f} steps/s: {figure.ratio:.3f} (wanted: {figure.wanted:g})",
                flush=True,
            )
        return 0


@dataclass(frozen=True)
class Startup(Plain):
    """Measure seconds and memory until one can begin, in fresh processes.

    ReDial is among them where its files are there.
    """

    def run(self) -> int:
        """Measure, and print."""
        from crs_gym.bench.startup import measure_startup

        for figure in measure_startup():
            start = figure.start
            wanted = f"under {start.wanted_s:g} s" + (f", {start.wanted_mb:g} MB" if start.wanted_mb else "")
            print(f"{start.name}: {figure.seconds:.2f} s, {figure.peak_mb:.0f} MB (wanted: {wanted})")
        return 0


@dataclass(frozen=True)
class Resolver(Plain):
    """Measure precision and recall of the title resolver.

    It reads recorded dialogues with their annotations hidden.
    """

    world: str = "redial"
    """The recorded world."""
    split: Split = "test"
    """The split."""

    def run(self) -> int:
        """Measure, and print."""
        from rich.console import Console
        from rich.table import Table

        from crs_gym.bench.resolver import measure

        report = measure(self.world, self.split)
        rows = report.rows()
        table = Table(*rows[0], title=f"Title resolver on {self.world} {self.split}", box=None)
        for row in rows:
            table.add_row(*row.values())
        Console().print(table)
        return 0


@dataclass(frozen=True)
class Lm(Plain):
    """Measure a language model, and the user `sft` with it.

    Decoding against transformers' own, many rows against one, the kept cache against none, the same words alone and in
    company, a vector of dialogues against single envs, and memory. On a CPU this takes a quarter of an hour or more.
    """

    model: str = "smollm2-135m-instruct"
    """Weights on this machine: a name or a path."""
    adapter: Path | None = None
    """A folder with a LoRA adapter; by default the one that sft plays with, if it was trained on that model."""
    rows: int = 64
    """How many dialogues go on side by side."""
    rounds: int = 5
    """How many rounds alternate; the median of their ratios counts."""
    alone: int = 16
    """How many of them are played alone, too, to compare the words."""
    quick: bool = False
    """So little of all that it only shows that everything runs."""

    def run(self) -> int:
        """Measure, and print each figure as it comes."""
        from crs_gym.bench.language import Load, Memory, machine, measure_language

        load = Load(rows=self.rows, rounds=self.rounds, alone=self.alone)
        load = load.quick() if self.quick else load
        print(f"{machine(self.model)}; {load.rounds} rounds")
        for figure in measure_language(self.model, self.adapter, load):
            for name, ours, theirs, ratio, wanted in figure.rows() if isinstance(figure, Memory) else [figure.row()]:
                print(f"{name}: {ours}, {theirs}: {ratio}" + (f" (wanted: {wanted})" if wanted else ""), flush=True)
        return 0


@dataclass(frozen=True)
class RolloutsForTrl(Plain):
    """Measure tokens a second that are written while training with trl.

    Ours, all episodes in one batch, against trl's own `environment_factory`. On a CPU a round takes minutes.
    """

    model: str = "smollm2-135m-instruct"
    """Weights on this machine: a name or a path."""
    users: int = 4
    """Users of a batch."""
    members: int = 8
    """Episodes with each of them: the members of a group."""
    turns: int = 3
    """The most turns of an episode."""
    rounds: int = 3
    """How many rounds alternate; the median of their ratios counts."""

    def run(self) -> int:
        """Measure, and print."""
        from crs_gym.bench.trl import RolloutLoad, measure_rollouts

        load = RolloutLoad(users=self.users, members=self.members, turns=self.turns, rounds=self.rounds)
        name, ours, theirs, ratio, wanted = measure_rollouts(self.model, load).row()
        print(f"{name}: {ours}, {theirs}: {ratio}" + (f" (wanted: {wanted})" if wanted else ""))
        return 0


@dataclass(frozen=True)
class Bench(Plain):
    """Measure speed, start-up, a language model or the title resolver.

    If nothing is named: speed.
    """

    what: (
        Annotated[Speed, tyro.conf.subcommand("speed")]
        | Annotated[Discrete, tyro.conf.subcommand("discrete")]
        | Annotated[Startup, tyro.conf.subcommand("startup")]
        | Annotated[Resolver, tyro.conf.subcommand("resolver")]
        | Annotated[Lm, tyro.conf.subcommand("lm")]
        | Annotated[RolloutsForTrl, tyro.conf.subcommand("rollouts")]
    ) = field(default_factory=Speed)

    def run(self) -> int:
        """Do what was asked."""
        return self.what.run()
