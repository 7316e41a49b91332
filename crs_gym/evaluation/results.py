"""The results of an evaluation, as they stand in `results.json`. Equal runs give equal bytes; times are kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from crs_gym.errors import TraceError
from crs_gym.trace import Setting
from crs_gym.trace_store import read_file, write_file

RESULTS_SCHEMA: Final = 1

METHOD: Final = (
    "Intervals: 95% percentile bootstrap over tasks (a task with all its trials is drawn as one), 10,000 samples, the "
    "same draws for every agent. p: two-sided sign-flip permutation test over tasks, 10,000 patterns. p_holm: corrected"
    " by Holm's method for the number of agents compared, within one metric; not for the number of metrics. Errored "
    "episodes have no value and are never counted as 0; n is how many episodes have one."
)


class Figure(msgspec.Struct, frozen=True):
    """A mean over `n` episodes with its 95% interval; all `None` when no episode has a value."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


class Comparison(msgspec.Struct, frozen=True):
    """An agent less the baseline on the episodes where both have a value."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    n: int


class TurnFigures(msgspec.Struct, frozen=True):
    """What an agent reaches at a turn and by its end.

    Attributes:
        turn: From 1.
        at_turn: The ranking metrics of this turn alone, over dialogues that were still open and had a target left.
        by_end: What was reached by the end of this turn, over all scored dialogues; those that ended keep their values.
    """

    turn: int
    at_turn: dict[str, Figure]
    by_end: dict[str, Figure]


class Diversity(msgspec.Struct, frozen=True):
    """How varied an agent's lists and answers are, over all its scored dialogues.

    Attributes:
        shown: How many places were filled.
        distinct: How many different items filled them.
        coverage: `distinct` over the size of the catalogue.
        distinct_share: `distinct` over `shown`.
        identical_lists: The share of lists that another dialogue was shown too, item by item.
        identical_answers: How probable it is that dialogues of two tasks hold the same answer at the same turn; see
            `crs_gym.answers.answer_of`. 1 for an agent that answers the same to everybody.
    """

    shown: int
    distinct: int
    coverage: float
    distinct_share: float | None
    identical_lists: float | None
    identical_answers: float | None = None


class AgentResults(msgspec.Struct, frozen=True):
    """One agent's figures.

    Attributes:
        name: As given, with "(sees targets)" where that is so.
        target_aware: It is shown the targets: a bound, not a competitor.
        adversary: It tries to score without recommending well.
        episodes: How many episodes were played.
        scored: How many of them have values.
        errored: How many of them the simulator failed in.
        traces_digest: 16 hex digits over its traces, whatever their order; equal runs have equal digits.
        metrics: By name; `crs_gym.metrics.episode_values` and `crs_gym.answers.answer_values` explain each.
            `return_iqm` is the interquartile mean of `return`.
        by_turn: One entry for each turn up to the limit.
        diversity: How varied its lists and answers are.
        versus_baseline: By metric; empty for the baseline itself and where none was named.
    """

    name: str
    target_aware: bool
    adversary: bool
    episodes: int
    scored: int
    errored: int
    traces_digest: str
    metrics: dict[str, Figure]
    by_turn: list[TurnFigures]
    diversity: Diversity
    versus_baseline: dict[str, Comparison] = {}


class AgentMarks(msgspec.Struct, frozen=True):
    """Under which name and marks an agent's results stand; see `AgentResults`."""

    name: str
    target_aware: bool
    adversary: bool


class Timing(msgspec.Struct, frozen=True):
    """How long an agent's episodes took, over all sittings of a run; a sitting that was killed is left out."""

    episodes: int
    turns: int
    seconds: float


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation found.

    Attributes:
        schema: The version of this layout.
        version: The version of crs-gym that computed it.
        protocol: `interactive` or `next-item`.
        setting: The rules and the user; with the world's fingerprint and the simulator's revision.
        n_items: The size of the catalogue.
        tasks: How many tasks each agent was to play.
        trials: How often each.
        seed: Keys all noise.
        complete: Every agent played every episode.
        baseline: The agent that the others are compared with.
        method: How intervals and p-values are computed.
        agents: In the order in which they were named.
        timing: By agent; not in `results.json`, and no part of what two equal runs share.
    """

    schema: int = RESULTS_SCHEMA
    version: str
    protocol: str
    setting: Setting
    n_items: int
    tasks: int
    trials: int
    seed: int
    complete: bool
    baseline: str | None
    method: str = METHOD
    agents: list[AgentResults]
    timing: dict[str, Timing] | msgspec.UnsetType = msgspec.UNSET

    def agent(self, name: str) -> AgentResults:
        """The results of the agent of that name.

        Raises:
            KeyError: There is none; the message names those that there are.
        """
        for agent in self.agents:
            if agent.name == name:
                return agent
        raise KeyError(f"no results of an agent {name!r}; there are: {', '.join(a.name for a in self.agents)}")


def encode_results(results: Results) -> bytes:
    """The bytes of `results.json`."""
    bare = msgspec.structs.replace(results, timing=msgspec.UNSET)
    return msgspec.json.format(msgspec.json.encode(bare), indent=1) + b"\n"


def write_results(results: Results, directory: Path) -> None:
    """Write `results.json`, and `timing.json` beside it, each as a whole or not at all.

    Raises:
        TraceError: The folder cannot be written to.
    """
    write_file(directory / "results.json", encode_results(results))
    if results.timing is not msgspec.UNSET:
        write_timing(results.timing, directory)


def read_results(path: Path | str) -> Results:
    """The results in a run folder, or in a file; with the times, where `timing.json` stands beside.

    Raises:
        TraceError: The file is missing, damaged or of another schema version.
    """
    path = Path(path)
    path = path / "results.json" if path.is_dir() else path
    try:
        results = msgspec.json.decode(read_file(path), type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} holds no results ({error}). Way out: --resume writes it anew") from error
    if results.schema != RESULTS_SCHEMA:
        raise TraceError(f"{path} has schema {results.schema}; this version of crs-gym reads {RESULTS_SCHEMA}")
    timing = read_timing(path.parent)
    return msgspec.structs.replace(results, timing=timing) if timing else results


def read_timing(directory: Path) -> dict[str, Timing]:
    """The times kept in a run folder, by agent; empty where there are none."""
    path = directory / "timing.json"
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(read_file(path), type=dict[str, Timing])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"{path} is damaged ({error}). Way out: delete it; only times stand in it") from error


def write_timing(timing: Mapping[str, Timing], directory: Path) -> None:
    """Write `timing.json`.

    Raises:
        TraceError: The folder cannot be written to.
    """
    write_file(directory / "timing.json", msgspec.json.format(msgspec.json.encode(timing), indent=1) + b"\n")
