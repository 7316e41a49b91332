"""A small world made by hand, and games played with the engine, for tests of agents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crs_gym.agent import NamedAgent, Observation, OracleObservation
from crs_gym.catalog import Catalog
from crs_gym.config import EnvConfig
from crs_gym.engine import DialogueEngine, Episode
from crs_gym.errors import WorldError
from crs_gym.randomness import derived_key
from crs_gym.simulator import load_simulator
from crs_gym.task import Dialogue, Message, Split, Task, TaskKind
from crs_gym.turns import AgentTurn, AgentTurns
from crs_gym.worlds.world import Sessions, World


class HandMadeWorld:
    """Items named `Film 0 (2000)`, … with the sessions given; no tasks."""

    name = "hand-made"

    def __init__(self, sessions: Sequence[Sequence[int]], n_items: int) -> None:
        counts = np.bincount([item for items in sessions for item in items], minlength=n_items)
        rows = [
            (str(i), f"Film {i}", 2000 + i % 3, {"genre": ("drama", "comedy")[: i % 2 + 1]}) for i in range(n_items)
        ]
        self.catalog = Catalog.from_rows(rows, counts.astype(np.float32))
        offsets = np.cumsum([0, *map(len, sessions)], dtype=np.int64)
        self._sessions = Sessions(offsets, np.array([item for items in sessions for item in items], np.int64))

    @property
    def fingerprint(self) -> str:
        parts = (self._sessions.offsets.tobytes().hex(), self._sessions.items.tobytes().hex(), self.catalog.fingerprint)
        return f"{derived_key(*parts):032x}"[:16]

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        raise WorldError(f"no {split} {kind} tasks here")

    def task(self, task_id: str) -> Task:
        raise WorldError(f"no task {task_id} here")

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        del split
        return ()

    def sessions(self) -> Sessions:
        return self._sessions


class Recorded(HandMadeWorld):
    """Recorded dialogues that name films one after the other."""

    def __init__(self, sessions: Sequence[Sequence[int]], n_items: int) -> None:
        super().__init__(sessions, n_items)
        self._dialogues = [
            Dialogue(str(number), tuple(user(f"dialogue {number}", item) for item in items))
            for number, items in enumerate(sessions)
        ]

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        del split
        return self._dialogues

    def without(self, number: int) -> Sessions:
        """The sessions of all dialogues but one."""
        kept = [
            list({item: None for message in d.messages for item in message.items})
            for d in self._dialogues
            if d.dialogue_id != str(number)
        ]
        return Sessions(
            np.cumsum([0, *map(len, kept)], dtype=np.int64), np.array([i for items in kept for i in items], np.int64)
        )


def observe(
    *messages: Message, turn: int = 0, max_turns: int = 5, k: int = 10, depth: int = 50, key: int = 7
) -> Observation:
    return Observation(messages, turn, max_turns, k, depth, key)


def user(text: str, *items: int) -> Message:
    return Message("user", text, items)


def recommender(text: str, *items: int) -> Message:
    return Message("recommender", text, items)


class Game:
    """One game for each of `tasks`, side by side."""

    def __init__(self, world: World, tasks: Sequence[Task], simulator: str = "agenda") -> None:
        self.config = EnvConfig()
        self.world = world
        n = len(tasks)
        users = load_simulator(simulator, world.catalog, num_dialogues=n, max_turns=self.config.max_turns)
        self.engine = DialogueEngine(
            world.catalog,
            users,
            num_dialogues=n,
            k=self.config.k,
            max_turns=self.config.max_turns,
            reward=self.config.reward,
        )
        self.engine.reset(self.engine.all_rows, [Episode(task, 0, i) for i, task in enumerate(tasks)])
        self.returns = np.zeros(n)

    def observations(self) -> list[OracleObservation]:
        """What the agents of the dialogues that go on see now."""
        engine, config = self.engine, self.config
        return [
            OracleObservation(
                messages=engine.messages(row),
                turn=int(engine.turn[row]),
                max_turns=config.max_turns,
                k=config.k,
                depth=config.depth,
                key=derived_key(engine.episode(row).key, "agent", int(engine.turn[row])),
                targets=engine.task(row).targets,
            )
            for row in np.flatnonzero(engine.active).tolist()
        ]

    def step(self, turns: Sequence[AgentTurn]) -> None:
        rows = np.flatnonzero(self.engine.active).astype(np.int64)
        result = self.engine.step(AgentTurns.of(turns, self.config.k, len(self.world.catalog)), rows)
        self.returns[rows] += result.rewards

    def play(self, agent: NamedAgent) -> None:
        while self.engine.active.any():
            observations = self.observations()
            seen = observations if agent.target_aware else [without_targets(o) for o in observations]
            turns = agent.agent.act(seen)
            self.step([turn for turn in turns if isinstance(turn, AgentTurn)])


def without_targets(o: OracleObservation) -> Observation:
    return Observation(o.messages, o.turn, o.max_turns, o.k, o.depth, o.key)
