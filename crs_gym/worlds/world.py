"""What a world must answer: a catalogue, tasks by split, and train dialogues to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.numeric import IntArray
from crs_gym.task import Dialogue, Split, Task, TaskKind


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Items mentioned together in one dialogue, for collaborative models.

    Attributes:
        offsets: `(n_dialogues + 1,)` int64; dialogue `d` mentions `items[offsets[d]:offsets[d + 1]]`.
        items: `(nnz,)` int64, each item once a dialogue, in the order of first mention (CSR).
    """

    offsets: IntArray
    items: IntArray

    def __len__(self) -> int:
        return len(self.offsets) - 1


@runtime_checkable
class World(Protocol):
    """A corpus, or a generator of seekers, as tasks over a catalogue.

    Attributes:
        name: The short name, as in `load_world(name)`.
        catalog: What can be recommended. Its `popularity` counts train dialogues only.
    """

    name: str
    catalog: Catalog

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change whenever the catalogue, a split or the way tasks are made does."""
        ...

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        """The tasks of a split; made on access, so that indexing is cheap and `len` is exact.

        Raises:
            WorldError: The world has no such split or kind; the message names those that it has.
        """
        ...

    def task(self, task_id: str) -> Task:
        """The task of that id, of any split and kind.

        Raises:
            WorldError: The world has no such task.
        """
        ...

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        """Whole recorded dialogues of a split, made on access; empty where the world has none."""
        ...

    def sessions(self) -> Sessions:
        """Items mentioned together in the train split."""
        ...


class LearningWorld:
    """A world as agents get it: the catalogue, and of the recorded or invented seekers the train split alone.

    A test task holds its targets, and its context would tell which task an observation belongs to: an agent with the
    whole world could look up what it is to find.

    Args:
        world: The whole world.
    """

    def __init__(self, world: World) -> None:
        self.name = world.name
        self.catalog = world.catalog
        self.__world = world

    @property
    def fingerprint(self) -> str:
        """The world's."""
        return self.__world.fingerprint

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        """The tasks of the train split.

        Raises:
            WorldError: Another split is asked for.
        """
        _only_train(split)
        return self.__world.tasks(split, kind)

    def task(self, task_id: str) -> Task:
        """The train task of that id.

        Raises:
            WorldError: There is no such task in the train split.
        """
        task = self.__world.task(task_id)
        _only_train(task.split)
        return task

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        """The dialogues of the train split.

        Raises:
            WorldError: Another split is asked for.
        """
        _only_train(split)
        return self.__world.dialogues(split)

    def sessions(self) -> Sessions:
        """Items mentioned together in the train split."""
        return self.__world.sessions()


def _only_train(split: Split) -> None:
    if split != "train":
        raise WorldError(f"agents learn from the train split; {split!r} holds what they are evaluated on")
