"""`RecordedWorld`: a parsed corpus as a world. Tasks and dialogues are made from columns when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Final, Generic, TypeVar, overload

import msgspec
import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.numeric import IntArray
from crs_gym.task import SPLITS, TASK_KINDS, Dialogue, Label, Message, Profile, Split, Task, TaskKind
from crs_gym.worlds.parsed.building import ROLES
from crs_gym.worlds.parsed.columns import CatalogText, Columns, Meta
from crs_gym.worlds.world import Sessions

T = TypeVar("T")

_SAID: Final = {0: False, 1: True, -1: None}


class MadeOnAccess(Sequence[T], Generic[T]):
    """A sequence whose elements are made from their row number when they are asked for."""

    def __init__(self, rows: IntArray, make: Callable[[int], T]) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> MadeOnAccess[T]: ...
    def __getitem__(self, index: int | slice) -> T | MadeOnAccess[T]:
        if isinstance(index, slice):
            return MadeOnAccess(self._rows[index], self._make)
        if not -len(self) <= index < len(self):
            raise IndexError(f"no element {index}: there are {len(self)}")
        return self._make(int(self._rows[index]))

    def __iter__(self) -> Iterator[T]:
        return map(self._make, self._rows.tolist())


class RecordedWorld:
    """A corpus of recorded dialogues; see `crs_gym.worlds.world.World` and `crs_gym.worlds.parsed.recording`.

    Args:
        name: The world's name.
        columns: What its files hold.
        fingerprint: Of the columns.
        absent: From each split whose file is not on this machine to what is missing and how to get it.
    """

    def __init__(
        self, name: str, columns: Columns, fingerprint: str, absent: Mapping[Split, str] | None = None
    ) -> None:
        self.name = name
        self.columns = columns
        self.absent = dict(absent or {})
        self._fingerprint = fingerprint
        self._text = columns.text.data
        self._dialogue_ids = msgspec.json.decode(columns.dialogue_ids.tobytes(), type=list[str])
        texts = msgspec.json.decode(columns.catalog_text.tobytes(), type=CatalogText)
        self.catalog = Catalog(
            titles=texts.titles,
            years=columns.catalog_years,
            keys=texts.keys,
            popularity=columns.catalog_popularity,
            facet_names=texts.facet_names,
            facet_kinds=columns.catalog_facet_kinds,
            facet_offsets=columns.catalog_facet_offsets,
            facet_ids=columns.catalog_facet_ids,
        )
        self._task_splits = columns.dialogue_splits[columns.task_dialogues]
        self._rows_of_id: dict[tuple[Split, TaskKind], dict[str, int]] = {}

    @property
    def fingerprint(self) -> str:
        """See `World.fingerprint`."""
        return self._fingerprint

    @cached_property
    def dropped(self) -> Mapping[str, int]:
        """How many records and tasks were left out, by reason."""
        return msgspec.json.decode(self.columns.meta.tobytes(), type=Meta).dropped

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits whose files are on this machine."""
        return tuple(split for split in SPLITS if split not in self.absent)

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        """See `World.tasks`."""
        return MadeOnAccess(self._task_rows(split, kind), self._task)

    def task(self, task_id: str) -> Task:
        """See `World.task`."""
        world, split, kind = [*task_id.split("/"), "", ""][:3]
        rows: dict[str, int] = {}
        if world == self.name and split in self.splits and kind in TASK_KINDS:
            rows = self._rows_by_id(split, kind)
        if task_id not in rows:
            raise WorldError(
                f"{self.name} has no task {task_id!r}. A task id reads {self.name}/SPLIT/KIND/DIALOGUE with SPLIT of "
                f"{', '.join(self.splits)} and KIND of {', '.join(TASK_KINDS)}; `tasks(split, kind)` lists them."
            )
        return self._task(rows[task_id])

    def dialogues(self, split: Split) -> Sequence[Dialogue]:
        """See `World.dialogues`."""
        self._require(split)
        rows = np.flatnonzero(self.columns.dialogue_splits == SPLITS.index(split)).astype(np.int64)
        return MadeOnAccess(rows, self._dialogue)

    def sessions(self) -> Sessions:
        """See `World.sessions`; row `d` is dialogue `d` of the train split.

        Raises:
            WorldError: The train split's file is not on this machine.
        """
        self._require("train")
        return Sessions(self.columns.session_offsets, self.columns.session_items)

    def _require(self, split: Split) -> None:
        if split in self.absent:
            raise WorldError(self.absent[split])
        if split not in SPLITS:
            raise WorldError(f"{self.name} has no split {split!r}: it has {', '.join(self.splits)}")

    def _task_rows(self, split: Split, kind: TaskKind) -> IntArray:
        self._require(split)
        if kind not in TASK_KINDS:
            raise WorldError(f"{self.name} has no tasks of kind {kind!r}: it has {', '.join(TASK_KINDS)}")
        chosen = (self._task_splits == SPLITS.index(split)) & (self.columns.task_kinds == TASK_KINDS.index(kind))
        return np.flatnonzero(chosen).astype(np.int64)

    def _rows_by_id(self, split: Split, kind: TaskKind) -> dict[str, int]:
        key = (split, kind)
        if key not in self._rows_of_id:
            self._rows_of_id[key] = {self._task_id(row): row for row in self._task_rows(split, kind).tolist()}
        return self._rows_of_id[key]

    def _task_id(self, row: int) -> str:
        columns = self.columns
        dialogue = int(columns.task_dialogues[row])
        split, kind = SPLITS[columns.dialogue_splits[dialogue]], TASK_KINDS[columns.task_kinds[row]]
        stem = f"{self.name}/{split}/{kind}/{self._dialogue_ids[dialogue]}"
        if kind == "interactive":
            return stem
        target = self.catalog.keys[columns.targets[columns.target_offsets[row]]]
        return f"{stem}-{columns.task_cuts[row]}-{target}"

    def _task(self, row: int) -> Task:
        columns = self.columns
        dialogue = int(columns.task_dialogues[row])
        start = int(columns.dialogue_offsets[dialogue])
        targets = _row(columns.targets, columns.target_offsets, row)
        kept_out = set(columns.alias[list(targets)].tolist())
        return Task(
            task_id=self._task_id(row),
            split=SPLITS[columns.dialogue_splits[dialogue]],
            context=self._messages(start, start + int(columns.task_cuts[row])),
            profile=Profile(
                likes=self._other(_row(columns.likes, columns.like_offsets, dialogue), kept_out),
                dislikes=self._other(_row(columns.dislikes, columns.dislike_offsets, dialogue), kept_out),
            ),
            targets=targets,
        )

    def _other(self, items: tuple[int, ...], kept_out: set[int]) -> tuple[int, ...]:
        """The items that are no target, under no identifier."""
        return tuple([item for item in items if int(self.columns.alias[item]) not in kept_out])

    def _dialogue(self, dialogue: int) -> Dialogue:
        columns = self.columns
        start, end = columns.label_offsets[dialogue : dialogue + 2].tolist()
        rows = zip(columns.label_items[start:end].tolist(), columns.labels[start:end].tolist(), strict=True)
        return Dialogue(
            dialogue_id=self._dialogue_ids[dialogue],
            messages=self._messages(*columns.dialogue_offsets[dialogue : dialogue + 2].tolist()),
            labels={item: Label(*(_SAID[value] for value in values)) for item, values in rows},
        )

    def _messages(self, start: int, end: int) -> tuple[Message, ...]:
        columns = self.columns
        texts = columns.text_offsets[start : end + 1].tolist()
        ends = columns.item_offsets[start : end + 1].tolist()
        items = columns.items[ends[0] : ends[-1]].tolist()
        return tuple(
            [
                Message(
                    ROLES[role],
                    str(self._text[texts[i] : texts[i + 1]], "utf-8"),
                    tuple(items[ends[i] - ends[0] : ends[i + 1] - ends[0]]),
                )
                for i, role in enumerate(columns.roles[start:end].tolist())
            ]
        )


def _row(values: IntArray, offsets: IntArray, row: int) -> tuple[int, ...]:
    return tuple(values[offsets[row] : offsets[row + 1]].tolist())
