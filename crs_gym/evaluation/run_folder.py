"""A run on disk: `run.json` (what is played), `traces/AGENT.jsonl`, `results.json`, `timing.json`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from crs_gym.errors import TraceError
from crs_gym.evaluation.results import AgentMarks
from crs_gym.task import Split, TaskKind
from crs_gym.trace import Setting, Trace
from crs_gym.trace_store import TraceWriter, lock, read_file, read_traces, write_file

RUN_SCHEMA: Final = 1
_LONGEST_NAME: Final = 60
"""Characters of an agent's name in a file name: far below any file system's limit."""


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a run plays: with the code of `version`, all that its traces depend on.

    Attributes:
        schema: The version of this layout.
        version: The version of crs-gym that plays it.
        protocol: `interactive` or `next-item`.
        world: The world's name.
        world_fingerprint: See `World.fingerprint`.
        split: Which seekers.
        kind: Which kind of task.
        simulator: The user, as given.
        k: How many items a turn may show.
        max_turns: The turn limit.
        depth: How long a ranking is asked for.
        reward: The weight of each reward term.
        tasks: How many tasks each agent plays.
        trials: How often each.
        seed: Keys all noise.
        baseline: The agent that the others are compared with.
        agents: Who plays.
    """

    schema: int = RUN_SCHEMA
    version: str
    protocol: str
    world: str
    world_fingerprint: str
    split: Split
    kind: TaskKind
    simulator: str
    k: int
    max_turns: int
    depth: int
    reward: dict[str, float]
    tasks: int
    trials: int
    seed: int
    baseline: str | None
    agents: list[AgentMarks]

    @property
    def episodes(self) -> int:
        """How many episodes each agent plays."""
        return self.tasks * self.trials


def differing_fields(before: msgspec.Struct, now: msgspec.Struct) -> str:
    """The fields in which two structs of one class differ, `name (before, now …)`, joined by commas; empty if none."""
    fields = [(name, getattr(before, name), getattr(now, name)) for name in before.__struct_fields__]
    return ", ".join(f"{name} ({_brief(old)}, now {_brief(new)})" for name, old, new in fields if old != new)


def check_setting(before: Setting, trace: Trace, directory: Path | None) -> None:
    """Refuse a trace that was played under other rules, or against another user, than the rest of its run.

    Raises:
        TraceError: It was; the message names the fields.
    """
    if differing := differing_fields(before, trace.setting):
        raise TraceError(
            f"{directory or 'this run'}: the trace of agent {trace.agent!r}, task {trace.task_id}, episode "
            f"{trace.episode} belongs to other settings than the rest: {differing}. Way out: evaluate into a new one"
        )


class RunFolder:
    """The files of one run.

    Args:
        directory: Where it lies.

    Raises:
        TraceError: `directory` holds no run that this version can read.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        path = self.directory / "run.json"
        if not path.exists():
            raise TraceError(
                f"{self.directory} holds no run: there is no {path}. Way out: name a folder that --out wrote"
            )
        try:
            self.config = msgspec.json.decode(read_file(path), type=RunConfig)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise TraceError(f"{path} is damaged: {error}. Way out: restore it, or evaluate anew") from error
        if self.config.schema != RUN_SCHEMA:
            raise TraceError(f"{path} has schema {self.config.schema}; this version of crs-gym reads {RUN_SCHEMA}")

    @classmethod
    @contextmanager
    def opened(cls, directory: Path | str, config: RunConfig, *, resume: bool) -> Iterator[RunFolder]:
        """Begin a run, or go on with one, and keep every other run out of the folder meanwhile.

        Raises:
            TraceError: Another run is writing into the folder, it holds a run and `resume` is not set, the run that it
                holds has other settings (the message names the fields), or it cannot be written to.
        """
        directory = Path(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TraceError(f"cannot make the folder {directory}: {error.strerror}") from error
        with lock(directory / ".lock", str(directory)):
            path = directory / "run.json"
            if path.exists():
                if not resume:
                    raise TraceError(
                        f"{directory} already holds a run. Way out: --resume goes on with it; else name another folder"
                    )
                if differing := differing_fields(cls(directory).config, config):
                    raise TraceError(
                        f"{directory} holds a run with other settings: {differing}. Way out: choose another folder, or "
                        "resume with the settings that it was begun with"
                    )
            else:
                write_file(path, msgspec.json.format(msgspec.json.encode(config), indent=1) + b"\n")
            yield cls(directory)

    def trace_path(self, agent: str) -> Path:
        """Where the traces of an agent lie."""
        return self.directory / "traces" / f"{file_name(agent)}.jsonl"

    def writer(self, agent: str) -> TraceWriter:
        """A writer that goes on where the agent's file ends.

        Raises:
            TraceError: See `TraceWriter`.
        """
        return TraceWriter(self.trace_path(agent), resume=True)

    def traces(self, agent: str) -> list[Trace]:
        """The traces of an agent that are there so far.

        Raises:
            TraceError: The file is damaged, holds an episode twice, or holds traces of another run.
        """
        path = self.trace_path(agent)
        if not path.exists():
            return []
        traces = list(read_traces(path))
        seen: dict[tuple[str, int], int] = {}
        for number, trace in enumerate(traces, start=1):
            key = (trace.task_id, trace.episode)
            if key in seen:
                raise TraceError(
                    f"{path}, lines {seen[key]} and {number}: task {trace.task_id}, episode {trace.episode} is there "
                    "twice. Way out: delete one of them"
                )
            seen[key] = number
            if trace.agent != agent or trace.seed != self.config.seed:
                raise TraceError(
                    f"{path}, line {number}: a trace of agent {trace.agent!r}, seed {trace.seed}, in the file of agent "
                    f"{agent!r}, seed {self.config.seed}. Way out: delete that line and run again with --resume"
                )
        return traces


def file_name(agent: str) -> str:
    """A file name for an agent's name: different names get different ones on every file system."""
    safe = re.sub(r"[^a-z0-9._-]+", "-", agent.lower()).strip("-.")[:_LONGEST_NAME]
    if safe == agent:
        return safe
    return f"{safe}-{hashlib.blake2b(agent.encode('utf-8', 'backslashreplace'), digest_size=4).hexdigest()}"


def _brief(value: object) -> str:
    """A setting as a message shows it; agents by their names."""
    if isinstance(value, list):
        return "[" + ", ".join(getattr(entry, "name", repr(entry)) for entry in value) + "]"
    return repr(value)
