"""Checking a run folder: every figure in it is computed again from what was said and shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from crs_gym.errors import TraceError
from crs_gym.evaluation.results import Results, read_results
from crs_gym.evaluation.run import compute_results, world_of
from crs_gym.evaluation.run_folder import RunConfig, RunFolder
from crs_gym.rollout import replay
from crs_gym.trace import Trace
from crs_gym.trace_store import decode_trace, encode_trace, read_lines, torn_bytes
from crs_gym.worlds.world import World

_RELATIVE: Final = 1e-5
"""By how much a number may differ on another machine, where float32 may be added in another order."""
_ABSOLUTE: Final = 2e-6


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as it should be.

    Attributes:
        file: The file, relative to the run folder.
        line: The line, from 1; `None` where the file as a whole is meant.
        field: Where in the line, e.g. `turns[2].reward`.
        recorded: What stands there.
        recomputed: What should.
    """

    file: str
    line: int | None
    field: str
    recorded: object
    recomputed: object

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.field} is {_brief(self.recorded)}, recomputed {_brief(self.recomputed)}"


class VerifyReport(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes:
        directory: The run folder.
        traces: How many traces were played again.
        differences: All that is not as it should be.
    """

    directory: str
    traces: int
    differences: list[Difference]

    @property
    def ok(self) -> bool:
        """Nothing differs."""
        return not self.differences


def verify(directory: Path | str, *, world: World | None = None) -> VerifyReport:
    """Play every trace of a run again, from the recorded turns of both sides, and compare all that follows from them.

    Recomputed are rewards, reward terms, outcome, success, hit rank and targets of every trace, all metrics, intervals
    and comparisons, and the digest of the traces. A recording that is consistent in itself, but was made up as a whole,
    is not found: for that, run the evaluation again and compare the digests.

    Args:
        directory: What `evaluate(out=…)` wrote.
        world: The world itself, for one that is not found by name.

    Raises:
        TraceError: The folder holds no run, or the world has changed since.
    """
    folder = RunFolder(directory)
    world = world_of(folder, world)
    differences: list[Difference] = []
    replayed: dict[str, list[Trace]] = {}
    for agent in folder.config.agents:
        recorded, again, found = _verify_file(folder, agent.name, world)
        differences += found
        replayed[agent.name] = again
        differences += _completeness(folder, agent.name, recorded)
    differences += _verify_results(folder, world, replayed)
    return VerifyReport(str(folder.directory), sum(map(len, replayed.values())), differences)


def _verify_file(folder: RunFolder, agent: str, world: World) -> tuple[list[Trace], list[Trace], list[Difference]]:
    """The traces of an agent as recorded, as replayed, and where the two differ."""
    path = folder.trace_path(agent)
    name = path.relative_to(folder.directory).as_posix()
    recorded: list[Trace] = []
    again: list[Trace] = []
    found: list[Difference] = []
    if not path.exists():
        return recorded, again, [Difference(name, None, "the file", "missing", "present")]
    if torn := torn_bytes(path):
        found.append(Difference(name, None, "the end", f"{torn} bytes of a torn line", "a whole line"))
    for number, line in read_lines(path):
        try:
            trace = decode_trace(line, path, number)
        except TraceError as error:
            found.append(Difference(name, number, "the line", str(error), "a trace"))
            continue
        if encode_trace(trace) != line:
            found.append(Difference(name, number, "the line", "not as crs-gym writes it", "its canonical form"))
        recorded.append(trace)
        for field, value, expected in _own_fields(trace, folder.config, agent):
            found.append(Difference(name, number, field, value, expected))
        try:
            replayed = msgspec.structs.replace(replay(trace, world), version=trace.version)
        except Exception as error:  # whatever a tampered trace makes the engine say is a finding
            found.append(Difference(name, number, "the episode", f"cannot be played: {error}", "an episode"))
            continue
        again.append(replayed)
        for field, value, expected in _differing(_json(trace), _json(replayed), ""):
            found.append(Difference(name, number, field, value, expected))
    return recorded, again, found


def _own_fields(trace: Trace, run: RunConfig, agent: str) -> Iterator[tuple[str, object, object]]:
    """What a trace says of its run and should not: field, recorded, expected."""
    setting = trace.setting
    expected = {
        "agent": (trace.agent, agent),
        "seed": (trace.seed, run.seed),
        "version": (trace.version, run.version),
        "setting.world": (setting.world, run.world),
        "setting.world_fingerprint": (setting.world_fingerprint, run.world_fingerprint),
        "setting.split": (setting.split, run.split),
        "setting.kind": (setting.kind, run.kind),
        "setting.k": (setting.k, run.k),
        "setting.max_turns": (setting.max_turns, run.max_turns),
        "setting.depth": (setting.depth, run.depth),
        "setting.reward": (setting.reward, run.reward),
    }
    for field, (value, should) in expected.items():
        if value != should:
            yield field, value, should
    if not 0 <= trace.episode < run.trials:
        yield "episode", trace.episode, f"below {run.trials}"


def _completeness(folder: RunFolder, agent: str, recorded: list[Trace]) -> list[Difference]:
    """Episodes that stand twice or are missing."""
    name = folder.trace_path(agent).relative_to(folder.directory).as_posix()
    distinct = {(trace.task_id, trace.episode) for trace in recorded}
    found = []
    if len(distinct) < len(recorded):
        found.append(Difference(name, None, "episodes that stand twice", len(recorded) - len(distinct), 0))
    if len(distinct) != folder.config.episodes:
        found.append(Difference(name, None, "episodes", len(distinct), folder.config.episodes))
    return found


def _verify_results(folder: RunFolder, world: World, replayed: dict[str, list[Trace]]) -> list[Difference]:
    """Where `results.json` differs from what the replayed traces give."""
    try:
        recorded: Results = read_results(folder.directory)
        recomputed = compute_results(folder.config, world, replayed, folder.directory)
    except TraceError as error:
        return [Difference("results.json", None, "the file", str(error), "results of these traces")]
    without_times = msgspec.structs.replace(recorded, timing=msgspec.UNSET)
    pairs = _differing(_json(without_times), _json(recomputed), "")
    return [Difference("results.json", None, *pair) for pair in pairs]


def _json(value: msgspec.Struct) -> object:
    """`value` as JSON would hold it: lists, dicts, numbers and texts."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _differing(recorded: object, recomputed: object, place: str) -> Iterator[tuple[str, object, object]]:
    """Every place at which two JSON values differ: its path, and both values."""
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        for key in dict.fromkeys([*recorded, *recomputed]):
            here = f"{place}.{key}" if place else str(key)
            if key not in recorded or key not in recomputed:
                yield here, recorded.get(key, "missing"), recomputed.get(key, "absent")
            else:
                yield from _differing(recorded[key], recomputed[key], here)
    elif isinstance(recorded, list) and isinstance(recomputed, list) and len(recorded) == len(recomputed):
        for i, (old, new) in enumerate(zip(recorded, recomputed, strict=True)):
            yield from _differing(old, new, f"{place}[{i}]")
    elif not _same(recorded, recomputed):
        yield place, recorded, recomputed


def _same(recorded: object, recomputed: object) -> bool:
    if isinstance(recorded, float) and isinstance(recomputed, float):
        return math.isclose(recorded, recomputed, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    return recorded == recomputed


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
