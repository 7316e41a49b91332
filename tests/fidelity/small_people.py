"""A world of eight recorded people of whom everything is known, and simulators whose every figure can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.simulator import Likelihood, Seeker, SimulatorEntry
from crs_gym.task import Dialogue, Label, Message, Profile, Split, Task, TaskKind
from crs_gym.turns import AgentTurns, Decision, UserTurn, UserTurns
from crs_gym.worlds.world import Sessions

FIRST = ["velvet", "amber", "copper", "silver", "marble", "walnut", "indigo", "scarlet", "hollow", "golden"]
SECOND = [
    *("harbour", "lantern", "orchard", "compass", "meadow", "thunder", "whisper", "falcon", "glacier", "bridge"),
    *("garden", "mirror", "sparrow", "voyage", "winter", "anchor", "beacon", "cavern", "ember", "forest"),
]
N_ITEMS = len(FIRST) * len(SECOND)
N_PEOPLE = 8
LIKED = 120
"""Far behind the fifty films that `popularity` shows in five turns."""
OTHER = 140


def catalog() -> Catalog:
    """Two hundred films with titles of two words, the first one the most popular."""
    rows = [
        (str(i), f"{FIRST[i % 10].title()} {SECOND[i // 10].title()}", 1990, {"genre": ("comedy", "drama")[i % 2 :]})
        for i in range(N_ITEMS)
    ]
    return Catalog.from_rows(rows, popularity=np.arange(N_ITEMS, 0, -1, dtype=np.float32))


class PeopleWorld:
    """Person `p` loves film `p`, is shown film `LIKED + p` and would watch it, and film `OTHER + p`.

    Of the last one, people with an even number say that they did not like it, and the others nothing.
    """

    name = "people"

    def __init__(self) -> None:
        self.catalog = catalog()
        names = self.catalog.names
        self.recorded = [
            Dialogue(
                f"d{p}",
                (
                    Message("user", f"I loved {names[p]}", (p,)),
                    Message("recommender", f"Try {names[LIKED + p]}", (LIKED + p,)),
                    Message("user", "Great, I will"),  # one turn in two messages
                    Message("user", "watch it"),
                    Message("recommender", f"Or {names[OTHER + p]}", (OTHER + p,)),
                    Message("user", "No thanks, bye"),
                ),
                {
                    p: Label(False, True, True),
                    LIKED + p: Label(True, False, True),
                    OTHER + p: Label(True, True, False if p % 2 == 0 else None),
                },
            )
            for p in range(N_PEOPLE)
        ]

    @property
    def fingerprint(self) -> str:
        return "0" * 16

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        del kind
        return [
            Task(f"people/{split}/interactive/d{p}", split, self.recorded[p].messages[:1], Profile(), (LIKED + p,))
            for p in range(N_PEOPLE)
        ]

    def task(self, task_id: str) -> Task:
        for task in self.tasks("test"):
            if task.task_id == task_id:
                return task
        raise WorldError(task_id)

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        return self.recorded if split == "test" else []

    def sessions(self) -> Sessions:
        """In train, whoever names film `p` names film `LIKED + p`, too."""
        pairs = [[p, LIKED + p] for p in range(N_PEOPLE) for _ in range(40)]
        offsets = np.arange(0, 2 * len(pairs) + 1, 2, dtype=np.int64)
        return Sessions(offsets, np.array(pairs, np.int64).ravel())


@dataclass
class Known:
    """Says the same on every turn, and finds each word as probable as a known number.

    `said` gives each word of two letters or more half a nat, and one token a word and one for the end.
    """

    words: str = "Hm, maybe. Thanks!"
    likes: str = "liked"
    """liked: 0.9 for the eight films from `LIKED` on, which people liked, 0.2 for all others. all: 1 for everything."""
    asked: list[int] = field(default_factory=list)
    revision: str = "known-1"

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        """Nothing is kept."""

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hi") for _ in rows])

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        decision = Decision.ACCEPT if self.likes == "all" else Decision.CONTINUE
        shown = [turns.shown(i) for i in range(len(rows))]
        return UserTurns.of(
            [
                UserTurn(self.words, decision, items[0] if items and decision is Decision.ACCEPT else None)
                if items or decision is Decision.CONTINUE
                else UserTurn(self.words)
                for items in shown
            ]
        )

    def acceptance(self, seekers: Sequence[Seeker], items: Sequence[int]) -> FloatArray:
        assert all(seeker.targets == () and seeker.profile.likes == () for seeker in seekers)
        self.asked.append(len(items))
        right = [1.0 if self.likes == "all" else 0.9 if LIKED <= item < LIKED + 8 else 0.2 for item in items]
        return np.array(right, np.float32)

    def said(self, seekers: Sequence[Seeker], utterances: Sequence[str]) -> list[Likelihood]:
        self.asked.append(len(utterances))
        counts = [len(utterance.split()) for utterance in utterances]
        return [Likelihood(-0.5 * n, n + 1) for n in counts]


class Leaky:
    """Is handed the targets, and tells them on its first turn; accepts them, too. It has no likelihoods."""

    revision = "leaky-1"

    def __init__(self, catalog: Catalog, *, num_dialogues: int, max_turns: int, paraphrase: bool = False) -> None:
        del max_turns
        self._names = catalog.titles if paraphrase else catalog.names
        self._targets: list[tuple[int, ...]] = [()] * num_dialogues

    def reset(self, rows: IntArray, seekers: Sequence[Seeker]) -> None:
        for row, seeker in zip(rows.tolist(), seekers, strict=True):
            self._targets[row] = seeker.targets

    def open(self, rows: IntArray) -> UserTurns:
        return UserTurns.of([UserTurn("Hi") for _ in rows])

    def reply(self, rows: IntArray, turns: AgentTurns) -> UserTurns:
        answers = []
        for i, row in enumerate(rows.tolist()):
            targets = self._targets[row]
            found = next((item for item in turns.shown(i) if item in targets), None)
            words = f"I want {self._names[targets[0]]}" if targets else "Hm"
            answers.append(UserTurn(words, Decision.CONTINUE if found is None else Decision.ACCEPT, found))
        return UserTurns.of(answers)


def known(**options: str) -> tuple[SimulatorEntry, list[Known]]:
    """An entry, and the simulators that were built from it."""
    built: list[Known] = []

    def build(catalog: Catalog, *, num_dialogues: int, max_turns: int) -> Known:
        del catalog, num_dialogues, max_turns
        built.append(Known(**options))  # type: ignore[arg-type]
        return built[-1]

    return SimulatorEntry(build=build, summary="known"), built
