"""Running an evaluation: agents meet the same users with the same noise, and figures are computed from their traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec

from crs_gym.agent import AgentSpec, NamedAgent, load_agent
from crs_gym.config import EnvConfig
from crs_gym.errors import TraceError
from crs_gym.evaluation.arguments import whole_number
from crs_gym.evaluation.progress import ProgressCallback, reporting
from crs_gym.evaluation.protocol import choose_tasks, protocol_config
from crs_gym.evaluation.results import AgentMarks, Results, read_timing, write_results
from crs_gym.evaluation.run_folder import RunConfig, RunFolder, check_setting
from crs_gym.evaluation.scoring import agent_results, compare, score
from crs_gym.evaluation.sitting import Sitting
from crs_gym.game import Game
from crs_gym.rollout import config_of
from crs_gym.task import Split
from crs_gym.trace import Trace
from crs_gym.worlds import load_world
from crs_gym.worlds.world import World

Contender = AgentSpec | NamedAgent
"""What stands for an agent that is evaluated."""


def evaluate(
    config: EnvConfig | str,
    agents: Sequence[Contender],
    *,
    protocol: str = "interactive",
    split: Split = "test",
    tasks: int | None = None,
    trials: int = 1,
    seed: int = 0,
    num_envs: int = 64,
    out: Path | str | None = None,
    resume: bool = False,
    baseline: str | None = None,
    progress: ProgressCallback | bool = False,
) -> Results:
    """Play every agent on the same tasks, with the same users and noise, and score their traces.

    Args:
        config: An environment's settings, or its id (`CRS-Redial-v0`). The protocol and `split` override theirs.
        agents: Names as `load_agent` takes them, objects with an `act` method, or `NamedAgent`s.
        protocol: `interactive` (whole dialogues) or `next-item` (one ranking a recorded recommendation).
        split: Which seekers.
        tasks: How many tasks; by default all of a recorded world, 500 of one that invents its seekers.
        trials: How often each task is played, each time with other noise.
        seed: Keys all noise.
        num_envs: How many dialogues go on side by side. Changes the speed and nothing else.
        out: A folder that keeps traces and results; each trace is written as its dialogue ends. Without it nothing is
            kept but the results.
        resume: Go on with the run in `out`: episodes that are there are not played again.
        baseline: The name of the agent that the others are compared with.
        progress: `True` for a progress bar, or a function called as `progress(agent, done, total)`.

    Raises:
        ValueError: No agents, two of one name, a baseline that is not among them, or a number that is no whole number
            or out of range; the message names the argument.
        UnknownNameError: No such world, protocol, agent or simulator.
        TraceError: `out` cannot be used, or the disk is full; the message says how to go on.
        EvaluationError: An agent, or its user, failed; the message names it. Traces so far are kept.
    """
    trials = whole_number("trials", trials, least=1)
    num_envs = whole_number("num_envs", num_envs, least=1)
    seed = whole_number("seed", seed, least=0)
    tasks = None if tasks is None else whole_number("tasks", tasks)
    config = protocol_config(config_of(config), protocol, split)
    world = load_world(config.world)
    config = replace(config, world=world)
    chosen = choose_tasks(world, config, tasks)
    named = _named_agents(agents, world)
    baseline = _baseline(baseline, [agent.name for agent in named])
    run = RunConfig(
        version=package_version(),
        protocol=protocol,
        world=world.name,
        world_fingerprint=world.fingerprint,
        split=config.split,
        kind=config.kind,
        simulator=config.simulator if isinstance(config.simulator, str) else "custom",
        k=config.k,
        max_turns=config.max_turns,
        depth=config.depth,
        reward=dict(config.reward),
        tasks=len(chosen),
        trials=trials,
        seed=seed,
        baseline=baseline,
        agents=[AgentMarks(agent.name, agent.target_aware, agent.adversary) for agent in named],
    )
    # Before the folder: a slip in the settings must not leave one behind that holds a run.
    game = Game(config, num_dialogues=min(num_envs, run.episodes))
    with ExitStack() as stack:
        folder = stack.enter_context(RunFolder.opened(out, run, resume=resume)) if out is not None else None
        report = stack.enter_context(reporting(progress))
        sitting = Sitting(game=game, tasks=chosen, run=run, folder=folder, report=report)
        traces: dict[str, list[Trace]] = {agent.name: sitting.traces_of(agent) for agent in named}
        results = compute_results(run, world, traces, folder.directory if folder else None)
        results = msgspec.structs.replace(results, timing=sitting.timing)
        if folder is not None:
            write_results(results, folder.directory)
    return results


def results_from_traces(directory: Path | str, *, world: World | None = None) -> Results:
    """The results of the traces in a run folder, however far the run has come. Nothing is written.

    Args:
        directory: What `evaluate(out=…)` wrote.
        world: The world itself, for one that is not found by name.

    Raises:
        TraceError: The folder holds no run, a file is damaged, or the run was played in another world than the one that
            stands under its name now.
    """
    folder = RunFolder(directory)
    world = world_of(folder, world)
    traces = {agent.name: folder.traces(agent.name) for agent in folder.config.agents}
    results = compute_results(folder.config, world, traces, folder.directory)
    return msgspec.structs.replace(results, timing=read_timing(folder.directory) or msgspec.UNSET)


def world_of(folder: RunFolder, world: World | None = None) -> World:
    """The world that a run was played in, or `world` if it is that one.

    Raises:
        TraceError: The world has changed since.
    """
    if world is None:
        world = load_world(folder.config.world)
    if world.fingerprint != folder.config.world_fingerprint:
        raise TraceError(
            f"{folder.directory} was played in world {folder.config.world!r} with fingerprint "
            f"{folder.config.world_fingerprint}, but here it has {world.fingerprint}. Way out: use crs-gym "
            f"{folder.config.version} and the same corpus files"
        )
    return world


def package_version() -> str:
    """The version of crs-gym."""
    from importlib.metadata import version

    return version("crs-gym")


def compute_results(
    run: RunConfig, world: World, traces: Mapping[str, Sequence[Trace]], directory: Path | None
) -> Results:
    """The results of whatever traces there are; `directory` is for messages.

    Raises:
        TraceError: There are none, or they were not played under one setting.
    """
    settings = [trace.setting for own in traces.values() for trace in own[:1]]
    if not settings:
        raise TraceError(f"{directory or 'this run'} holds no traces yet. Way out: --resume plays them")
    for own in traces.values():
        for trace in own:
            check_setting(settings[0], trace, directory)
    n_items = len(world.catalog)
    scores = {name: score(own, world.task, n_items) for name, own in traces.items()}
    comparisons = compare(scores, run.baseline) if run.baseline is not None else {}
    return Results(
        version=run.version,
        protocol=run.protocol,
        setting=settings[0],
        n_items=n_items,
        tasks=run.tasks,
        trials=run.trials,
        seed=run.seed,
        complete=all(len(own) == run.episodes for own in traces.values()),
        baseline=run.baseline,
        agents=[agent_results(marks, scores[marks.name], comparisons.get(marks.name, {})) for marks in run.agents],
    )


def _named_agents(agents: Sequence[Contender], world: World) -> list[NamedAgent]:
    """The agents, built; all before the first is played, so that a slip in the last name costs nothing."""
    if isinstance(agents, str) or not agents:
        raise ValueError("name at least one agent, in a list")
    named = [agent if isinstance(agent, NamedAgent) else load_agent(agent, world) for agent in agents]
    names = [agent.name for agent in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two agents are named {', '.join(twice)}: rename one with load_agent(spec, world, name=…)")
    return named


def _baseline(baseline: str | None, names: Sequence[str]) -> str | None:
    """The agent's whole name; `oracle` stands for `oracle (sees targets)`."""
    if baseline is None or baseline in names:
        return baseline
    for name in names:
        if name.partition(" (")[0] == baseline:
            return name
    raise ValueError(f"baseline {baseline!r} is not among the agents: {', '.join(names)}")
