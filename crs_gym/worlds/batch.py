"""Tasks in columns: what those need who seat many seekers at once. A single one is made when it is asked for.

A world that invents its seekers draws them in columns and hands these on; of recorded tasks the columns are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

import numpy as np

from crs_gym.catalog import NO_ITEM
from crs_gym.numeric import FloatArray, IntArray
from crs_gym.task import Profile, Task, Taste
from crs_gym.turns import Told

T = TypeVar("T")


class OnDemand(Sequence[T], Generic[T]):
    """`n` values, each made when it is first asked for."""

    __slots__ = ("_made", "_make", "_n")

    def __init__(self, n: int, make: Callable[[int], T]) -> None:
        self._n = n
        self._make = make
        self._made: dict[int, T] = {}

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[T]: ...
    def __getitem__(self, i: int | slice) -> T | Sequence[T]:
        if isinstance(i, slice):
            places = range(self._n)[i]
            return OnDemand(len(places), lambda place: self[places[place]])
        if i not in self._made:
            i = range(self._n)[i]  # an IndexError where there is none
        if i not in self._made:
            self._made[i] = self._make(i)
        return self._made[i]


@dataclass(slots=True, eq=False)
class TasteColumns:
    """The true tastes of `n` seekers; see `crs_gym.task.Taste`.

    Attributes:
        facets: `(n, m)` int64, the facets that each cares about, best liked first; the number of the catalogue's
            facets in empty places, which may lie between others.
        weights: `(n, m)` float32, how much; 0 in empty places.
        utility: `(n, n_items)` float32.
        bar: `(n,)` float32.
        like_bar: `(n,)` float32.
    """

    facets: IntArray
    weights: FloatArray
    utility: FloatArray
    bar: FloatArray
    like_bar: FloatArray

    def __getitem__(self, i: slice) -> TasteColumns:
        return TasteColumns(self.facets[i], self.weights[i], self.utility[i], self.bar[i], self.like_bar[i])

    @classmethod
    def of(cls, tastes: Sequence[Taste], n_facets: int) -> TasteColumns:
        """Columns from single tastes."""
        bar = np.array([taste.bar for taste in tastes], np.float32)
        like_bar = np.array([taste.like_bar for taste in tastes], np.float32)
        if len(tastes) == 1:  # nothing is copied
            (taste,) = tastes
            return cls(taste.facets[None], taste.weights[None], taste.utility[None], bar, like_bar)
        widest = max(len(taste.facets) for taste in tastes)
        facets = np.full((len(tastes), widest), n_facets, np.int64)
        weights = np.zeros(facets.shape, np.float32)
        for i, taste in enumerate(tastes):
            facets[i, : len(taste.facets)] = taste.facets
            weights[i, : len(taste.facets)] = taste.weights
        return cls(facets, weights, np.stack([taste.utility for taste in tastes]), bar, like_bar)


@dataclass(slots=True, eq=False)
class Profiles(Sequence[Profile]):
    """What `n` seekers know of themselves. No target is in it. A slice has its columns, and copies nothing.

    Attributes:
        single: One by one.
        likes: `(n, a)` int64, as in `Profile`; `NO_ITEM` in empty places, which may lie between others. The first place
            is empty only where the seeker knows no film that it likes.
        dislikes: `(n, b)` int64, likewise; its first place may be empty.
        tastes: The true tastes; `None` where some seeker has none.
    """

    single: Sequence[Profile]
    likes: IntArray
    dislikes: IntArray
    tastes: TasteColumns | None

    @classmethod
    def of(cls, profiles: Sequence[Profile], n_facets: int) -> Profiles:
        """Columns from single profiles, or columns as they are."""
        if isinstance(profiles, Profiles):
            return profiles
        tastes = [profile.taste for profile in profiles if profile.taste is not None]
        return cls(
            profiles,
            padded([profile.likes for profile in profiles]),
            padded([profile.dislikes for profile in profiles]),
            TasteColumns.of(tastes, n_facets) if tastes and len(tastes) == len(profiles) else None,
        )

    def __len__(self) -> int:
        return len(self.single)

    @overload
    def __getitem__(self, i: int) -> Profile: ...
    @overload
    def __getitem__(self, i: slice) -> Profiles: ...
    def __getitem__(self, i: int | slice) -> Profile | Profiles:
        if not isinstance(i, slice):
            return self.single[i]
        return Profiles(self.single[i], self.likes[i], self.dislikes[i], self.tastes and self.tastes[i])


@dataclass(slots=True, eq=False)
class TaskColumns(Sequence[Task]):
    """`n` tasks. A slice has its columns, and copies nothing.

    Attributes:
        single: One by one.
        task_ids: `n` ids.
        targets: `n` tuples of targets.
        target_items: `(n, t)` int64, the same, padded with `NO_ITEM`.
        context_items: `(n, c)` int64, the items that the context names, `NO_ITEM` in empty places; repeated or not.
        profiles: What the seekers know of themselves.
        silent: The places of tasks whose context holds no word of the user.
        told: What the user's words in the context say, in columns, each film that either side names among its `items`;
            `None` where only a reader can tell.
    """

    single: Sequence[Task]
    task_ids: Sequence[str]
    targets: Sequence[tuple[int, ...]]
    target_items: IntArray
    context_items: IntArray
    profiles: Sequence[Profile]
    silent: Sequence[int]
    told: Told | None = None

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> TaskColumns:
        """Columns from single tasks, or columns as they are."""
        if isinstance(tasks, TaskColumns):
            return tasks
        targets = [task.targets for task in tasks]
        return cls(
            single=tasks,
            task_ids=[task.task_id for task in tasks],
            targets=targets,
            target_items=padded(targets),
            context_items=padded([[item for said in task.context for item in said.items] for task in tasks]),
            profiles=[task.profile for task in tasks],
            silent=[i for i, task in enumerate(tasks) if not any(said.role == "user" for said in task.context)],
        )

    def __len__(self) -> int:
        return len(self.single)

    @overload
    def __getitem__(self, i: int) -> Task: ...
    @overload
    def __getitem__(self, i: slice) -> TaskColumns: ...
    def __getitem__(self, i: int | slice) -> Task | TaskColumns:
        if not isinstance(i, slice):
            return self.single[i]
        places, told = range(len(self))[i], self.told
        return TaskColumns(
            self.single[i],
            self.task_ids[i],
            self.targets[i],
            self.target_items[i],
            self.context_items[i],
            self.profiles[i],
            [places.index(place) for place in self.silent if place in places],
            told and Told(told.items[i], told.item_signs[i], told.facets[i], told.facet_signs[i]),
        )


def padded(lists: Sequence[Sequence[int]], empty: int = NO_ITEM) -> IntArray:
    """`(n, longest)` int64: `n` lists as rows, with `empty` behind them."""
    if len(lists) == 1:
        return np.array([lists[0]], np.int64)
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    columns = np.full((len(lists), int(lengths.max(initial=0))), empty, np.int64)
    columns[np.arange(columns.shape[1]) < lengths[:, None]] = [number for numbers in lists for number in numbers]
    return columns
