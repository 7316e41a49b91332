"""Measuring a simulator: questions about recorded dialogues, dialogues with agents, and the sections made of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from crs_gym.agent import AGENTS
from crs_gym.config import EnvConfig
from crs_gym.errors import TraceError
from crs_gym.evaluation.arguments import whole_number
from crs_gym.evaluation.progress import ProgressCallback, reporting
from crs_gym.evaluation.protocol import choose_tasks
from crs_gym.evaluation.results import Results
from crs_gym.evaluation.run import evaluate, package_version
from crs_gym.evaluation.run_folder import RunFolder, differing_fields
from crs_gym.fidelity.findings import Report, Settings, write_findings
from crs_gym.fidelity.questions import Clock, Questions
from crs_gym.fidelity.recorded import drawn_dialogues
from crs_gym.fidelity.sections import Evidence, sections_of
from crs_gym.fidelity.subject import BATCH, Subject
from crs_gym.simulator import load_simulator
from crs_gym.task import Task
from crs_gym.trace import Trace
from crs_gym.trace_store import lock, read_file, write_file
from crs_gym.worlds import load_world
from crs_gym.worlds.world import World

SPLIT: Final = "test"
DIALOGUES: Final = 200
"""Recorded dialogues by default: some 1,300 turns, so that the interval of the NLL is about 0.1 wide."""
TASKS: Final = 200
"""Tasks that each agent plays by default."""
QUICK_DIALOGUES: Final = 60
QUICK_TASKS: Final = 30
PLAYERS: Final = ("ask-then-recommend", "popularity", "random")
"""Who plays by default: one that asks, one that shows what everyone likes, one that shows anything."""
ADVERSARIES: Final = ("prober", "manipulator")
BASELINE: Final = "popularity"


def fidelity(
    simulator: str,
    *,
    out: Path | str,
    world: str | World = "redial",
    dialogues: int | None = DIALOGUES,
    tasks: int = TASKS,
    agents: Sequence[str] = PLAYERS,
    quick: bool = False,
    seed: int = 0,
    num_envs: int = 64,
    progress: ProgressCallback | bool = False,
) -> Report:
    """Measure how like a person a simulator is, and how right; see the package.

    Args:
        simulator: A name, with options if wanted (`agenda:noise=0.2`).
        out: A folder for all that is measured. A run that was stopped goes on in it; one that is done is not repeated.
        world: Where seekers and tasks come from.
        dialogues: How many recorded dialogues likelihoods are asked for; `None` for all of the test split.
        tasks: How many tasks each agent plays.
        agents: Who plays, beside the adversaries and the baseline.
        quick: Fewer dialogues and tasks, if these are not smaller already, and disliked films from the former only.
        seed: Keys all draws.
        num_envs: How many dialogues go on side by side. Changes the speed and nothing else.
        progress: `True` for a progress bar, or a function called as `progress(what, done, total)`.

    Raises:
        ValueError: A number is out of range, or an answer of the simulator is not what it must be.
        UnknownNameError: No such simulator, world or agent.
        TraceError: `out` cannot be used, or holds a report of other settings; the message says how to go on.
        EvaluationError: An agent, or the simulator, failed while playing.
    """
    tasks = whole_number("tasks", tasks, least=1)
    dialogues = None if dialogues is None else whole_number("dialogues", dialogues, least=1)
    seed = whole_number("seed", seed, least=0)
    num_envs = whole_number("num_envs", num_envs, least=1)
    if quick:
        dialogues, tasks = min(dialogues or QUICK_DIALOGUES, QUICK_DIALOGUES), min(tasks, QUICK_TASKS)
    if not agents:
        raise ValueError("agents: name at least one; `crs-gym list` shows them")
    for agent in agents:
        AGENTS.find(agent)  # a slip in a name must not come to light after an hour
    out, world = Path(out), load_world(world)
    config = EnvConfig(world=world, split=SPLIT, simulator=simulator)
    tasks = min(tasks, len(world.tasks(SPLIT)))
    chosen = choose_tasks(world, config, tasks)
    recorded = world.dialogues(SPLIT)
    drawn = drawn_dialogues(recorded, dialogues, seed)
    named = load_simulator(simulator, world.catalog, num_dialogues=BATCH, max_turns=config.max_turns)
    subject = Subject(named, world.catalog)
    settings = Settings(
        version=package_version(),
        spec=simulator,
        simulator=named.name,
        simulator_revision=named.simulator.revision,
        target_aware=named.target_aware,
        likelihoods=subject.likelihoods is not None,
        world=world.name,
        world_fingerprint=world.fingerprint,
        split=SPLIT,
        dialogues=len(drawn),
        all_dislikes=not quick,
        tasks=tasks,
        agents=list(dict.fromkeys(agents)),
        adversaries=[name for name in ADVERSARIES if name not in agents],
        baseline=BASELINE,
        max_turns=config.max_turns,
        k=config.k,
        seed=seed,
    )
    with ExitStack() as stack:
        stack.enter_context(_opened(out, settings))
        report = stack.enter_context(reporting(progress))
        clock = Clock(out / "seconds.json")
        questions = Questions.of(world, recorded, drawn, settings)
        accepted, likelihoods = questions.answered(subject, out, clock, report)
        del subject, named  # a model is loaded anew to play with, and need not be in memory twice
        with clock.runs("play"):
            results, traces = _play(config, settings, out / "played", num_envs, report)
        evidence = Evidence(
            settings=settings,
            world=world,
            recorded=recorded,
            tasks={task.task_id: (number, task) for number, task in enumerate(chosen)},
            turns=questions.turns,
            likelihoods=likelihoods,
            probes=questions.probes,
            accepted=accepted,
            results=results,
            traces=traces,
        )
        sections, excerpts = sections_of(evidence, clock.seconds, lambda done, total: report("figures", done, total))
        found = Report(settings=settings, sections=sections, excerpts=excerpts)
        write_findings(found, out)
    return found


def _play(
    config: EnvConfig, settings: Settings, folder: Path, num_envs: int, report: ProgressCallback
) -> tuple[Results, dict[str, list[Trace]]]:
    """Play what is missing, and read all traces, by agents as they were named."""
    everyone = list(dict.fromkeys([*settings.agents, settings.baseline, *settings.adversaries]))
    results = evaluate(
        config,
        everyone,
        split=SPLIT,
        tasks=settings.tasks,
        seed=settings.seed,
        num_envs=num_envs,
        out=folder,
        resume=(folder / "run.json").exists(),
        baseline=settings.baseline,
        progress=report,
    )
    played = RunFolder(folder)
    order = {task_id: place for place, task_id in enumerate(_task_ids(config, settings.tasks))}
    return results, {
        spec: sorted(played.traces(agent.name), key=lambda trace: order[trace.task_id])
        for spec, agent in zip(everyone, results.agents, strict=True)
    }


def _task_ids(config: EnvConfig, n: int) -> list[str]:
    tasks: list[Task] = choose_tasks(load_world(config.world), config, n)
    return [task.task_id for task in tasks]


@contextmanager
def _opened(out: Path, settings: Settings) -> Iterator[None]:
    """The folder, locked; what it holds belongs to the same settings.

    Raises:
        TraceError: It does not, another run writes into it, or it cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TraceError(f"cannot make the folder {out}: {error.strerror}. Way out: name another with --out") from error
    with lock(out / ".lock", str(out)):
        path = out / "settings.json"
        if path.exists():
            try:
                before = msgspec.json.decode(read_file(path), type=Settings)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise TraceError(f"{path} is damaged ({error}). Way out: choose another folder") from error
            if differing := differing_fields(before, settings):
                raise TraceError(
                    f"{out} holds a report of other settings: {differing}. Way out: choose another folder with --out, "
                    "or the settings that it was begun with"
                )
        else:
            write_file(path, msgspec.json.format(msgspec.json.encode(settings), indent=1) + b"\n")
        yield
