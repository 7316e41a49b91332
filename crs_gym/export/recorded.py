"""The traces of run folders, all of one game."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crs_gym.errors import TraceError, UnknownNameError
from crs_gym.evaluation.run import world_of
from crs_gym.evaluation.run_folder import RunFolder, differing_fields
from crs_gym.trace import Setting, Trace
from crs_gym.worlds.world import World

SEES_TARGETS: Final = " (sees targets)"
"""What the names of agents end with that are shown the targets; it may be left out when one is named."""


@dataclass(frozen=True)
class Recorded:
    """Episodes that were played under one setting.

    Attributes:
        world: Where they were played.
        setting: The rules, and the user.
        simulator: The user as it was asked for, from which it can be built again; `custom` for an object.
        traces: The episodes, run by run, agent by agent, by trial and task; none is errored.
        errored: How many episodes were left out because the user failed in them.
    """

    world: World
    setting: Setting
    simulator: str
    traces: tuple[Trace, ...]
    errored: int

    @property
    def agents(self) -> tuple[str, ...]:
        """Who played, each once."""
        return tuple(dict.fromkeys(trace.agent for trace in self.traces))


def read_runs(runs: Sequence[Path | str], agents: Sequence[str] = (), world: World | None = None) -> Recorded:
    """The episodes of run folders, in an order that does not depend on how many were played side by side.

    Args:
        runs: Folders that `crs-gym evaluate --out` wrote.
        agents: Whose episodes; all agents' when left out.
        world: The world itself, for one that is not found by name.

    Raises:
        ValueError: No folders, or one twice.
        UnknownNameError: No agent of these runs has that name.
        TraceError: A folder holds no run, its traces are damaged or of several settings, its world has changed since,
            or there is no episode to export.
    """
    folders = [RunFolder(run) for run in runs]
    if not folders:
        raise ValueError("name at least one folder that `crs-gym evaluate --out` wrote")
    if len({folder.directory.resolve() for folder in folders}) < len(folders):
        raise ValueError("a run folder is named twice; its episodes would count twice")
    names = [agent.name for folder in folders for agent in folder.config.agents]
    chosen = {_full_name(agent, names) for agent in agents} or set(names)
    found = [
        trace
        for folder in folders
        for agent in folder.config.agents
        if agent.name in chosen
        for trace in sorted(folder.traces(agent.name), key=lambda trace: (trace.episode, trace.task_id))
    ]
    traces = tuple(trace for trace in found if trace.outcome != "errored")
    where = ", ".join(str(folder.directory) for folder in folders)
    if not traces:
        lack = f"in all {len(found)} episodes the user failed" if found else "no dialogue has been played to its end"
        raise TraceError(f"{where}: there is nothing to export, {lack}. Way out: evaluate again, with --resume")
    setting = traces[0].setting
    for trace in traces:
        if trace.setting != setting:
            raise TraceError(
                f"{where}: these episodes are not of one game; they differ in "
                f"{differing_fields(setting, trace.setting)}. Way out: export them into one dataset each"
            )
    return Recorded(world_of(folders[0], world), setting, folders[0].config.simulator, traces, len(found) - len(traces))


def _full_name(agent: str, names: Sequence[str]) -> str:
    for name in (agent, agent + SEES_TARGETS):
        if name in names:
            return name
    raise UnknownNameError("agent of these runs", agent, set(names))
