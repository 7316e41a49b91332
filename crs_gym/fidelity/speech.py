"""What simulated and real seekers say from the same point of the same dialogues on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crs_gym.fidelity.recorded import dialogue_of, seeker_turns
from crs_gym.task import Dialogue, Task
from crs_gym.trace import Trace
from crs_gym.transcript import one_line


@dataclass(frozen=True, slots=True)
class Speech:
    """One seeker's words from the beginning of a task on.

    Attributes:
        group: The number of the task; seekers of one task are drawn together.
        earlier: What the seeker said before, turn by turn.
        turns: What it says then, turn by turn.
        farewell: Its last words, if it was it who ended the dialogue.
    """

    group: int
    earlier: tuple[str, ...]
    turns: tuple[str, ...]
    farewell: str | None


def simulated_speech(traces: Iterable[Trace], tasks: Mapping[str, tuple[int, Task]]) -> list[Speech]:
    """Of played dialogues; errored ones are left out.

    Args:
        traces: The dialogues.
        tasks: From a task's id to its number and the task.
    """
    speeches = []
    for trace in traces:
        if trace.outcome == "errored":
            continue
        group, task = tasks[trace.task_id]
        turns = tuple([one_line(turn.user.utterance) for turn in trace.turns if turn.user is not None])
        earlier = [turn.text for turn in seeker_turns(task.context)]
        if trace.opening is not None:
            earlier.append(trace.opening.utterance)
        ended = trace.outcome in ("accepted", "left")
        speeches.append(Speech(group, tuple(earlier), turns, turns[-1] if ended and turns else None))
    return speeches


def human_speech(tasks: Mapping[str, tuple[int, Task]], by_id: dict[str, Dialogue], max_turns: int) -> list[Speech]:
    """Of the people whose dialogues the tasks were made from: as many turns from there on as a simulator has."""
    speeches = []
    for group, task in tasks.values():
        dialogue = dialogue_of(task, by_id)
        if dialogue is None:
            continue
        turns = [turn.text for turn in seeker_turns(dialogue.messages, since=len(task.context))]
        earlier = [turn.text for turn in seeker_turns(task.context)]
        speeches.append(Speech(group, tuple(earlier), tuple(turns[:max_turns]), turns[-1] if turns else None))
    return speeches


def all_turns(speeches: Sequence[Speech]) -> list[tuple[int, str]]:
    """Every turn with the number of its task."""
    return [(speech.group, turn) for speech in speeches for turn in speech.turns]
