"""`crs-gym bench`: speed, start-up, and the title resolver, measured."""

from __future__ import annotations

from dataclasses import dataclass, field
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
class Bench(Plain):
    """Measure speed, start-up or the title resolver; speed, if nothing is named."""

    what: (
        Annotated[Speed, tyro.conf.subcommand("speed")]
        | Annotated[Startup, tyro.conf.subcommand("startup")]
        | Annotated[Resolver, tyro.conf.subcommand("resolver")]
    ) = field(default_factory=Speed)

    def run(self) -> int:
        """Do what was asked."""
        return self.what.run()
