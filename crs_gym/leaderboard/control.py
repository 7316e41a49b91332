"""The silent control: the same agents and tasks with a user that gives no feedback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from crs_gym import statistics
from crs_gym.leaderboard.looks import kind_of
from crs_gym.leaderboard.runs import Key, Run
from crs_gym.leaderboard.standings import NONE, number

SILENT: Final = "silent"


@dataclass(frozen=True)
class Gain:
    """One agent's success with a user, with the silent one, and the paired difference, in per cent.

    Attributes:
        agent: Its name.
        talking: With the user.
        silent: With the silent one.
        difference: With its 95% interval.
        sign: 1 or -1 where the interval lies on one side of 0.
        n: How many episodes both have.
    """

    agent: str
    talking: str
    silent: str
    difference: str
    interval: str
    sign: int
    n: int


@dataclass(frozen=True)
class Control:
    """A run beside its silent control."""

    talking: Run
    silent: Run
    gains: list[Gain]

    @property
    def gainers(self) -> list[str]:
        """Agents that do better with the user, clearly."""
        return [gain.agent for gain in self.gains if gain.sign > 0]


def controls(runs: Sequence[Run]) -> list[Control]:
    """Each run for which a silent run of the same tasks and rules is there, with what its agents gain."""
    found = []
    for run in runs:
        if run.results.protocol != "interactive" or run.results.setting.simulator == SILENT:
            continue
        silent = next((other for other in runs if _is_control(other, run)), None)
        if silent is not None:
            found.append(Control(run, silent, _gains(run, silent)))
    return found


def _is_control(silent: Run, run: Run) -> bool:
    """Whether all but the user is the same."""
    if silent.results.protocol != "interactive" or silent.results.setting.simulator != SILENT:
        return False
    ours, theirs = run.results.setting, silent.results.setting
    same = ("world_fingerprint", "split", "kind", "k", "max_turns")
    return run.results.seed == silent.results.seed and all(getattr(ours, f) == getattr(theirs, f) for f in same)


def _gains(run: Run, silent: Run) -> list[Gain]:
    gains = []
    for agent in run.results.agents:
        if kind_of(agent) != "agent" or agent.name not in silent.tallies:
            continue
        ours, theirs = run.tallies[agent.name].success, silent.tallies[agent.name].success
        keys = sorted(key for key in ours if ours[key] is not None and theirs.get(key) is not None)
        gains.append(_gain(agent.name, keys, ours, theirs))
    return gains


def _gain(agent: str, keys: Sequence[Key], ours: dict[Key, bool | None], theirs: dict[Key, bool | None]) -> Gain:
    if not keys:
        return Gain(agent, NONE, NONE, NONE, "", 0, 0)
    pairs = np.array([(float(bool(ours[key])), float(bool(theirs[key]))) for key in keys])
    groups = statistics.group_numbers([task_id for task_id, _ in keys])
    intervals = statistics.bootstrap_means(pairs[:, :1] - pairs[:, 1:], groups)
    low, high = 100 * float(intervals.low[0]), 100 * float(intervals.high[0])
    talking, quiet = 100 * pairs.mean(axis=0)
    return Gain(
        agent=agent,
        talking=number(float(talking), 1),
        silent=number(float(quiet), 1),
        difference=number(float(talking - quiet), 1, signed=True),
        interval=f"{number(low, 1)} to {number(high, 1)}",
        sign=(low > 0) - (high < 0),
        n=len(keys),
    )
