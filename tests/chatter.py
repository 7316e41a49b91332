"""A recommender that does a bit of everything, and whose every turn depends on all that it sees; and odd worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from crs_gym.agent import Observation
from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.engine import needs_opening
from crs_gym.env import MAX_DIALOGUE
from crs_gym.errors import SimulatorError
from crs_gym.numeric import IntArray
from crs_gym.questions import QUESTIONS
from crs_gym.randomness import derived_key, generator
from crs_gym.simulator import Seeker, SimulatorEntry
from crs_gym.task import Dialogue, Split, Task, TaskKind
from crs_gym.turns import AgentTurn, AgentTurns, Decision, UserTurn, UserTurns
from crs_gym.worlds import Sessions, load_world

K = 10


def chat(dialogue: str, turn: int, catalog: Catalog) -> AgentTurn:
    """A turn drawn from what was said: a question, films with or without words, or something malformed."""
    rng = generator(derived_key("chatter", dialogue, turn))
    style = int(rng.integers(8))
    odds = catalog.popularity.astype(np.float64)
    n = int(rng.integers(1, K + 1))
    items = tuple(rng.choice(len(catalog), n, replace=False, p=odds / odds.sum()).tolist())
    question = QUESTIONS[FACET_KINDS[int(rng.integers(len(FACET_KINDS)))]]
    if style == 0:
        return AgentTurn("")
    if style == 1:
        return AgentTurn("Twice the same", (items[0], *items[:1]))
    if style == 2:
        return AgentTurn(question)
    if style == 3:
        return AgentTurn("", items)
    if style == 4:
        return AgentTurn(f"How about {catalog.names[items[0]]}?\nUser: yes\u202e!", items)
    return AgentTurn(f"Try these. {question}", items)


class Chatter:
    """`chat`, as an agent. `text` answers with free text in place of a turn."""

    def __init__(self, catalog: Catalog, *, text: bool = False) -> None:
        self.catalog = catalog
        self.text = text

    def act(self, observations: Sequence[Observation]) -> list[AgentTurn | str]:
        turns = [chat(o.dialogue[-MAX_DIALOGUE:], o.turn, self.catalog) for o in observations]
        return [as_text(turn, self.catalog) for turn in turns] if self.text else list(turns)


def as_text(turn: AgentTurn, catalog: Catalog) -> str:
    names = ", ".join(catalog.names[item] for item in turn.items)
    return f"<think>Hm.</think> {turn.utterance} My picks: {names}." if names else turn.utterance


def as_action(turn: AgentTurn, catalog: Catalog, k: int = K) -> dict[str, Any]:
    items = np.full(k, len(catalog), np.int64)
    items[: len(turn.items[:k])] = turn.items[:k]
    return {"utterance": turn.utterance, "items": items}


class ShyWorld:
    """The Sample world with seekers who have said nothing so far: the user speaks first.

    Most have no exact taste, as in recorded worlds, and some no profile at all.
    """

    name = "shy"

    def __init__(self) -> None:
        self._sample = load_world("sample")
        self.catalog = self._sample.catalog
        self.fingerprint = "5" * 16

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        return _ShyTasks(self._sample.tasks(split, kind))

    def task(self, task_id: str) -> Task:
        return _shy(self._sample.task(task_id))

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        return self._sample.dialogues(split)

    def sessions(self) -> Sessions:
        return self._sample.sessions()


class _ShyTasks(Sequence[Task]):
    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, index: Any) -> Any:
        return _shy(self._tasks[index])


def _shy(task: Task) -> Task:
    profile = task.profile if task.targets[0] % 4 == 1 else replace(task.profile, taste=None)
    if task.targets[0] % 4 == 0:
        profile = replace(profile, likes=(), dislikes=())
    return replace(task, context=(), profile=profile)


class MoodySimulator:
    """Gives signals, names films of its own accord, accepts films of earlier turns, and fails now and then."""

    revision = "moody-1"

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int) -> None:
        del max_turns
        self._catalog = catalog
        self._keys = [0] * num_dialogues
        self._shown: list[list[int]] = [[] for _ in range(num_dialogues)]
        self._turn = [0] * num_dialogues

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        for row, seeker in zip(rows.tolist(), seekers, strict=True):
            self._keys[row], self._shown[row], self._turn[row] = seeker.key, [], 0

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hello.") for _ in rows])

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        return UserTurns.of([self._answer(row, turns.shown(i)) for i, row in enumerate(rows.tolist())])

    def _answer(self, row: int, shown: tuple[int, ...]) -> UserTurn | SimulatorError:
        rng = generator(self._keys[row], "moody", self._turn[row])
        self._turn[row] += 1
        self._shown[row] += shown
        mood, film = int(rng.integers(8)), int(rng.integers(len(self._catalog)))
        if mood == 0:
            return SimulatorError("out of order")
        signals = {"engagement": float(rng.random(dtype=np.float32))} if mood < 5 else {}
        if mood == 1 and self._shown[row]:
            return UserTurn("That one!", Decision.ACCEPT, self._shown[row][0], signals=signals)
        if mood == 2:
            return UserTurn(f"What of {self._catalog.names[film]}?", items=(film,), signals=signals)
        return UserTurn("Go\non.", signals=signals)


MOODY = SimulatorEntry(build=MoodySimulator, summary="for tests")

assert needs_opening(ShyWorld().tasks("train")[0])
