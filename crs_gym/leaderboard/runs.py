"""What a report needs of a run folder: its results, a tally of each agent's traces, and the titles of its films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crs_gym.errors import CRSGymError, TraceError
from crs_gym.evaluation.results import AgentResults, Figure, Results, read_results
from crs_gym.evaluation.run import world_of
from crs_gym.evaluation.run_folder import RunConfig, RunFolder
from crs_gym.trace import Trace
from crs_gym.trace_store import read_traces
from crs_gym.turns import Decision, Outcome
from crs_gym.worlds.world import World

OUTCOMES: Final[tuple[Outcome, ...]] = ("accepted", "left", "truncated", "errored")
SEES_TARGETS: Final = " (sees targets)"
"""What the names of target-aware agents and users end with."""
_NO_FIGURE: Final = Figure(None, None, None, 0)

Key = tuple[str, int]
"""An episode of a run: task id and trial."""


@dataclass
class Tally:
    """What an agent's traces say beyond its results.

    Attributes:
        outcomes: How many episodes ended in each way.
        success: Whether each episode was one; `None` when errored.
        went_on: How many dialogues went on after a turn in which a target had been shown.
        accepted_other: How many users accepted an item that is no target.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    success: dict[Key, bool | None] = field(default_factory=dict)
    went_on: int = 0
    accepted_other: int = 0

    @classmethod
    def of(cls, traces: Iterable[Trace]) -> Tally:
        """The tally of one agent's traces."""
        tally = cls()
        for trace in traces:
            tally.outcomes[trace.outcome] += 1
            tally.success[trace.task_id, trace.episode] = trace.success
            targets = set(trace.targets)
            k = trace.setting.k
            tally.went_on += any(targets.intersection(turn.agent.items[:k]) for turn in trace.turns[:-1])
            last = trace.turns[-1].user if trace.turns else None
            if last is not None and last.decision == Decision.ACCEPT:
                tally.accepted_other += last.accepted not in targets
        return tally


@dataclass(frozen=True)
class Run:
    """One run folder, read.

    Attributes:
        folder: Its files.
        results: Its figures.
        tallies: By agent.
        world: Where it was played; `None` when the world cannot be had here as it was then.
        world_missing: Why not.
    """

    folder: RunFolder
    results: Results
    tallies: dict[str, Tally]
    world: World | None
    world_missing: str

    @property
    def config(self) -> RunConfig:
        """What was to be played."""
        return self.folder.config

    @property
    def without_traces(self) -> list[str]:
        """Agents that have played, and whose traces are gone."""
        return [a.name for a in self.results.agents if a.episodes and not self.tallies[a.name].success]

    @property
    def outdated(self) -> list[str]:
        """Agents whose traces are more, or fewer, than those that the results were computed from."""
        return [a.name for a in self.results.agents if len(self.tallies[a.name].success) != a.episodes]

    @property
    def lacks(self) -> list[str]:
        """What the run lacks, in sentences, each with the way out."""
        found = []
        if not self.results.complete:
            found.append("this run is not complete: not every agent has played every episode. --resume plays the rest")
        gone = self.without_traces
        if gone:
            found.append(
                f"the traces of {', '.join(map(short_name, gone))} are gone from the run folder: there are figures, "
                "but no outcomes and no dialogues to show, and nothing to verify. Put them back, or run the "
                "evaluation again with --resume"
            )
        other = [name for name in self.outdated if name not in gone]
        if other:
            found.append(
                f"the results are of other traces than those in the folder, for {', '.join(map(short_name, other))}: "
                "run the evaluation again with --resume"
            )
        return found

    def traces(self, agent: str, keys: Sequence[Key]) -> dict[Key, Trace]:
        """Some episodes of an agent."""
        wanted = set(keys)
        found = read_traces(self.folder.trace_path(agent)) if wanted else ()
        return {key: trace for trace in found if (key := (trace.task_id, trace.episode)) in wanted}


def read_run(directory: Path) -> Run:
    """Read a run folder.

    Raises:
        TraceError: It holds no results, a file is damaged, or results and traces are of different agents.
    """
    if not (directory / "results.json").exists():
        begun = (directory / "run.json").exists()
        way_out = (
            "the run was stopped before its end: go on with the command that began it and --resume"
            if begun
            else f"`crs-gym evaluate … --out {directory}` makes them"
        )
        raise TraceError(f"{directory} holds no results: there is no {directory / 'results.json'}. Way out: {way_out}")
    results = read_results(directory)
    folder = RunFolder(directory)
    names = [agent.name for agent in results.agents]
    if names != [agent.name for agent in folder.config.agents]:
        raise TraceError(
            f"{directory}: results.json and run.json name different agents. Way out: evaluate into a new folder"
        )
    world, missing = None, ""
    try:
        world = world_of(folder)
    except (CRSGymError, OSError) as error:
        missing = str(error)
    return Run(folder, results, {name: Tally.of(folder.traces(name)) for name in names}, world, missing)


def short_name(name: str) -> str:
    """An agent's name without the mark of those that see targets, which the page shows in another way."""
    return name.removesuffix(SEES_TARGETS)


def figure_of(agent: AgentResults, metric: str) -> Figure:
    """A figure of an agent; without values where the agent has played nothing, or the metric is not known."""
    return agent.metrics.get(metric, _NO_FIGURE)


def leading_metric(results: Results) -> str:
    """The metric that agents are sorted by."""
    return "success" if results.protocol == "interactive" else "recall@10"


def by_standing(results: Results) -> list[AgentResults]:
    """All agents, best first; ceilings come before and adversaries after all others."""

    def place(agent: AgentResults) -> tuple[int, float]:
        mean = figure_of(agent, leading_metric(results)).mean
        group = 2 if agent.adversary else 0 if agent.target_aware else 1
        return group, -mean if mean is not None else float("inf")

    return sorted(results.agents, key=place)
