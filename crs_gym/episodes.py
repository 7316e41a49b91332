"""Episodes, and the seekers of theirs that users play: one at a time, and many in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

from crs_gym.randomness import episode_key
from crs_gym.simulator import Seeker
from crs_gym.task import Profile, Task
from crs_gym.worlds.batch import OnDemand, TaskColumns


@dataclass(frozen=True, eq=False)
class Episode:
    """One play of one task: the `episode`-th of `seed`.

    Attributes:
        task: What is played.
        seed: The seed.
        episode: Which of the seed's episodes.
        drawn: The tasks in columns that `task` was taken from, and its place; `None` where it came alone.
    """

    task: Task
    seed: int
    episode: int
    drawn: tuple[TaskColumns, int] | None = field(default=None, repr=False)

    @cached_property
    def key(self) -> int:
        """Keys all noise of this episode."""
        return episode_key(self.seed, self.episode, self.task.task_id)

    def columns(self) -> TaskColumns:
        """`task` in columns: cut out of those that it was taken from, which is cheaper than to make them."""
        if self.drawn is None:
            return TaskColumns.of([self.task])
        tasks, place = self.drawn
        return tasks[place : place + 1]


class Episodes(Sequence[Episode]):
    """`n` episodes in columns; a single one is made when it is asked for.

    Attributes:
        tasks: What is played.
        seeds: `n` seeds.
        numbers: `n` times, which episode of its seed it is.

    Args:
        tasks: `n` tasks.
        numbers: `n` times `(seed, episode)`.
        single: The same one by one, where they were made already.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        numbers: Sequence[tuple[int, int]],
        single: Sequence[Episode] | None = None,
    ) -> None:
        self.tasks = columns = TaskColumns.of(tasks)
        self.seeds = [seed for seed, _ in numbers]
        self.numbers = [number for _, number in numbers]
        if single is None:  # must not refer to `self`: big columns would then wait for the garbage collector
            single = OnDemand(len(numbers), lambda i: Episode(columns[i], *numbers[i], (columns, i)))
        self._single = single

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> Episodes:
        """Columns from single episodes, or columns as they are."""
        if isinstance(episodes, Episodes):
            return episodes
        tasks = episodes[0].columns() if len(episodes) == 1 else [one.task for one in episodes]
        return cls(tasks, [(one.seed, one.episode) for one in episodes], episodes)

    def keys(self) -> list[int]:
        """What keys the noise of each."""
        return list(map(episode_key, self.seeds, self.numbers, self.tasks.task_ids))

    def seekers(self, *, with_targets: bool) -> Seekers:
        """Those who are helped in them, as a simulator is told of them."""
        keys, tasks = self.keys(), self.tasks

        def seeker(i: int) -> Seeker:
            task = tasks[i]
            return Seeker(task.context, task.profile, keys[i], task.targets if with_targets else ())

        return Seekers(keys, tasks.profiles, OnDemand(len(self), seeker))

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, i: int) -> Episode: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Episode]: ...
    def __getitem__(self, i: int | slice) -> Episode | Sequence[Episode]:
        return self._single[i]


class Seekers(Sequence[Seeker]):
    """`n` seekers in columns: what a simulator is told of them, and nothing else.

    Attributes:
        keys: `n` times `Seeker.key`.
        profiles: `n` times `Seeker.profile`, in columns where the world has them (`crs_gym.worlds.batch.Profiles`).
    """

    def __init__(self, keys: Sequence[int], profiles: Sequence[Profile], single: Sequence[Seeker]) -> None:
        self.keys = keys
        self.profiles = profiles
        self._single = single

    @classmethod
    def of(cls, seekers: Sequence[Seeker]) -> Seekers:
        """Columns from single seekers, or columns as they are."""
        if isinstance(seekers, Seekers):
            return seekers
        return cls([seeker.key for seeker in seekers], [seeker.profile for seeker in seekers], seekers)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, i: int) -> Seeker: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Seeker]: ...
    def __getitem__(self, i: int | slice) -> Seeker | Sequence[Seeker]:
        return self._single[i]
