"""`Sample`: real films, invented seekers, nothing to download.

The catalogue is embedded (`films.tsv`: facts about real films, the best known first). A seeker is drawn from
(version, split, number) alone, so there is an unlimited supply of them, any of which can be made by itself. Its latent
taste covers facets and items, so the true utility of every film is known: the user answers and accepts exactly,
and regret and an oracle's score can be computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.resources import files
from typing import Final, overload

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.randomness import derived_key
from crs_gym.task import SPLITS, Dialogue, Split, Task, TaskKind
from crs_gym.worlds.batch import TaskColumns
from crs_gym.worlds.invented import TASTE_VERSION, InventedSeekers
from crs_gym.worlds.world import Sessions

UNLIMITED: Final = 2**31
"""The number of train seekers: more than anyone will meet."""
HELD_OUT: Final = 2_000
"""The number of valid seekers, and of test seekers."""
TRAIN_SESSIONS: Final = 4_000
"""From how many train seekers the films "mentioned together" are taken, for collaborative models."""


class SampleWorld:
    """The embedded world; see the module."""

    name = "sample"

    def __init__(self) -> None:
        self.catalog = _read_catalog()
        self._seekers = InventedSeekers(self.catalog)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the films, and with the way seekers are drawn."""
        return f"{derived_key(self.catalog.fingerprint, TASTE_VERSION):032x}"[:16]

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> SampleTasks:
        """The seekers of a split. `UNLIMITED` in train, `HELD_OUT` in valid and in test.

        Raises:
            WorldError: `kind` is not `interactive` (nothing was recorded here), or there is no such split.
        """
        if kind != "interactive":
            raise WorldError(
                f"world 'sample' has no {kind!r} tasks: its dialogues are not recorded. Use kind='interactive'"
            )
        if split not in SPLITS:
            raise WorldError(f"world 'sample' has no split {split!r}. It has: {', '.join(SPLITS)}")
        return SampleTasks(self._seekers, split)

    def task(self, task_id: str) -> Task:
        """The task of that id.

        Raises:
            WorldError: The world has no such task.
        """
        world, _, rest = task_id.partition("/")
        split, _, number = rest.partition("/")
        if world != self.name or split not in SPLITS or not number.isdecimal() or int(number) >= len(self.tasks(split)):
            raise WorldError(f"world 'sample' has no task {task_id!r}; its ids are sample/<split>/<number>")
        return self.tasks(split)[int(number)]

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        """None: nothing was recorded here."""
        del split
        return ()

    def sessions(self) -> Sessions:
        """The films that each of `TRAIN_SESSIONS` train seekers has seen and liked."""
        return self._sessions

    @cached_property
    def _sessions(self) -> Sessions:
        likes = []
        for start in range(0, TRAIN_SESSIONS, 256):
            numbers = range(start, min(start + 256, TRAIN_SESSIONS))
            likes += [task.profile.likes for task in self.tasks("train").take(numbers)]
        offsets = np.cumsum([0, *map(len, likes)], dtype=np.int64)
        return Sessions(offsets, np.array([item for items in likes for item in items], np.int64))


class SampleTasks(Sequence[Task]):
    """The seekers of a split, made on access."""

    def __init__(self, seekers: InventedSeekers, split: Split) -> None:
        self._seekers = seekers
        self._split = split

    def __len__(self) -> int:
        return UNLIMITED if self._split == "train" else HELD_OUT

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return self.take(range(len(self))[index])
        return self.take([range(len(self))[index]])[0]

    def __iter__(self) -> Iterator[Task]:
        return (self[i] for i in range(len(self)))

    def take(self, numbers: Sequence[int]) -> TaskColumns:
        """Several seekers at once, which is cheaper than one by one."""
        return self._seekers.draw(self._split, numbers)


def _read_catalog() -> Catalog:
    lines = files("crs_gym.worlds").joinpath("films.tsv").read_text(encoding="utf-8").splitlines()
    rows = []
    for line in lines[1:]:
        title, year, genres, directors, stars = line.split("\t")
        facets = {"genre": genres.lower().split("|"), "director": directors.split("|"), "star": stars.split("|")}
        rows.append((f"{title} ({year})", title, int(year), facets))
    # Rows stand in order of fame; how often people talk of a film falls off with its rank (Zipf's law, shifted).
    popularity = 1000.0 / (np.arange(len(rows)) + 20.0)
    return Catalog.from_rows(rows, popularity.astype(np.float32))
