"""What dialogues with agents say of the simulator's willingness, and a few of them to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from crs_gym.fidelity.findings import Estimate, Excerpt, Row
from crs_gym.fidelity.intervals import mean
from crs_gym.fidelity.recorded import dialogue_of
from crs_gym.task import Dialogue, Message, Task
from crs_gym.trace import Trace
from crs_gym.turns import Decision

EXCERPTS: Final = 4
"""Dialogues to read, of each of the first tasks."""
_BEFORE: Final = 4
"""Messages before them that are shown."""


def played_rows(traces: Mapping[str, Sequence[Trace]], tasks: Mapping[str, tuple[int, Task]]) -> list[Row]:
    """How many of an agent's slates are accepted, and how many of its dialogues end so."""
    return [
        Row(
            key=f"slates_{agent}",
            name=f"Slates of {agent} accepted",
            meaning="Turns of the agent that show films and after which the seeker accepts one. Beside it: dialogues "
            "that end so, and how many of the films that were accepted are targets.",
            unit="share",
            simulator=_over(own, tasks, _slates, "slates"),
            references={
                "dialogues": _over(own, tasks, lambda trace, _: [float(bool(trace.accepted))], "dialogues"),
                "accepted films that are targets": _over(own, tasks, _true_takes, "films"),
            },
        )
        for agent, own in traces.items()
    ]


def excerpts_of(
    traces: Mapping[str, Sequence[Trace]],
    tasks: Mapping[str, tuple[int, Task]],
    by_id: dict[str, Dialogue],
    names: Sequence[str],
) -> list[Excerpt]:
    """The first tasks as the simulator and the first agent play them, and as they went on in truth.

    The tasks stand in a random order that knows nothing of how a dialogue went.
    """
    agent = next(iter(traces), None)
    if agent is None:
        return []
    by_task = {trace.task_id: trace for trace in traces[agent] if trace.outcome != "errored"}
    excerpts = []
    for task_id in [task_id for task_id in tasks if task_id in by_task][:EXCERPTS]:
        task = tasks[task_id][1]
        dialogue = dialogue_of(task, by_id)
        played = by_task[task_id].messages(task, names)
        cut = len(task.context)
        excerpts.append(
            Excerpt(
                task_id,
                agent,
                _lines(task.context[-_BEFORE:]),
                _lines(played[cut:]),
                _lines(dialogue.messages[cut:]) if dialogue is not None else [],
            )
        )
    return excerpts


def _lines(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in messages]


def _slates(trace: Trace, _: Task) -> list[float]:
    return [
        float(turn.user.decision == Decision.ACCEPT)
        for turn in trace.turns
        if turn.user is not None and turn.agent.items
    ]


def _true_takes(trace: Trace, task: Task) -> list[float]:
    last = trace.turns[-1].user if trace.turns else None
    return [] if last is None or last.accepted is None else [float(last.accepted in task.targets)]


def _over(
    traces: Sequence[Trace],
    tasks: Mapping[str, tuple[int, Task]],
    values: Callable[[Trace, Task], list[float]],
    of: str,
) -> Estimate:
    found = [
        (tasks[trace.task_id][0], value)
        for trace in traces
        if trace.outcome != "errored"
        for value in values(trace, tasks[trace.task_id][1])
    ]
    groups = np.unique(np.array([group for group, _ in found], np.intp), return_inverse=True)[1].astype(np.intp)
    return mean([value for _, value in found], groups, of)
