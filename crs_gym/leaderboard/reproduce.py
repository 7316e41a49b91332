"""The command that makes a run again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from crs_gym.agent import AGENTS
from crs_gym.config import EnvConfig
from crs_gym.evaluation.protocol import PROTOCOLS
from crs_gym.evaluation.run_folder import RunConfig
from crs_gym.leaderboard.runs import short_name
from crs_gym.registration import WORLDS


@dataclass(frozen=True)
class Recipe:
    """How a run is made again: the command, and what it cannot say."""

    command: str
    caveat: str


def recipe(run: RunConfig, out: str) -> Recipe:
    """The command that makes a run again, with every setting that the command line knows.

    Args:
        run: What was played.
        out: The folder that the command writes.
    """
    fixed = PROTOCOLS[run.protocol].fixed
    default = EnvConfig(**{"split": run.split, **fixed})
    caveats = []
    env = next((f"CRS-{name}-v0" for name, world in WORLDS.items() if world == run.world), "")
    if not env:
        caveats.append(f"the world {run.world} is one's own: give it to crs_gym.evaluation.evaluate instead of an id")
    agents = [short_name(agent.name) for agent in run.agents]
    foreign = [name for name in agents if name.partition(":")[0] not in AGENTS]  # `ease:l2=500` is registered `ease`
    if foreign:
        caveats.append(f"no registered agents, so name them by module:attribute or in Python: {', '.join(foreign)}")
    if run.simulator == "custom":
        caveats.append("the user is one's own: name it by module:attribute or in Python")
    if dict(run.reward) != dict(default.reward):
        weights = ", ".join(f"{name} {weight:g}" for name, weight in run.reward.items())
        caveats.append(f"the reward has weights of its own ({weights}): set them in Python")
    if run.depth != default.depth:
        caveats.append(f"rankings have a depth of {run.depth}: set it in Python")
    parts = ["crs-gym", "evaluate", env or run.world]
    for name in agents:
        parts += ["--agent", name]
    if run.protocol != "interactive":
        parts += ["--protocol", run.protocol]
    for option, value in (("simulator", run.simulator), ("k", run.k), ("max-turns", run.max_turns)):
        if option.replace("-", "_") not in fixed:
            parts += [f"--{option}", str(value)]
    for option, value in (("split", run.split), ("tasks", run.tasks), ("trials", run.trials), ("seed", run.seed)):
        parts += [f"--{option}", str(value)]
    if run.baseline is not None:
        parts += ["--baseline", run.baseline]
    parts += ["--out", out]
    return Recipe(shlex.join(parts), "; ".join(caveats))
