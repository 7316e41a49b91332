"""Plays Discrete envs by a policy that depends on all that it sees, and worlds whose targets can be exchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from crs_gym.randomness import derived_key, generator
from crs_gym.task import Dialogue, Split, Task, TaskKind
from crs_gym.worlds import Sessions, load_world

ENV_ID = "CRS-Sample-Discrete-v0"


def choose(observation: dict[str, NDArray[np.float32]]) -> int:
    """An action that is allowed, drawn by every bit of the observation."""
    rng = generator(derived_key("policy", b"".join(values.tobytes() for values in observation.values()).hex()))
    allowed = np.flatnonzero(observation["action_mask"])
    n = len(observation["action_mask"])
    return int(rng.choice(allowed[allowed >= n - 4] if rng.random() < 0.4 else allowed))


def row_of(observations: dict[str, Any], i: int) -> dict[str, Any]:
    return {name: values[i] for name, values in observations.items()}


def same_observations(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Equal to the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def play_single(env: gym.Env[Any, Any], seed: int | None) -> list[Any]:
    """What the env tells after the reset and each step of an episode; a turn that the user spoiled has no terms."""
    observation, info = env.reset(seed=seed)
    record: list[Any] = [(observation, info["task_id"])]
    over = False
    while not over:
        observation, reward, terminated, truncated, info = env.step(choose(observation))
        record.append((observation, reward, terminated, truncated, info.get("reward_terms"), info["shown"]))
        over = terminated or truncated
    return record


def same_records(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return len(one) == len(other) and all(
        same_observations(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(one, other, strict=True)
    )


class OtherTargets:
    """The Sample world with other targets: the seekers say and do the same, as no target is told to the user."""

    name = "other-targets"

    def __init__(self, shift: int) -> None:
        self._sample = load_world("sample")
        self._shift = shift
        self.catalog = self._sample.catalog
        self.fingerprint = f"{shift:016x}"

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        return _Shifted(self._sample.tasks(split, kind), self)

    def task(self, task_id: str) -> Task:
        return self.shifted(self._sample.task(task_id))

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        return self._sample.dialogues(split)

    def sessions(self) -> Sessions:
        return self._sample.sessions()

    def shifted(self, task: Task) -> Task:
        return replace(task, targets=tuple((t + self._shift) % len(self.catalog) for t in task.targets))


class _Shifted(Sequence[Task]):
    def __init__(self, tasks: Sequence[Task], world: OtherTargets) -> None:
        self._tasks = tasks
        self._world = world

    def __len__(self) -> int:
        return len(self._tasks)

    def __getitem__(self, index: Any) -> Any:
        return self._world.shifted(self._tasks[index])
