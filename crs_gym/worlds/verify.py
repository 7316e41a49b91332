"""Checking a world without a model: every task by itself, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from crs_gym.catalog import Catalog
from crs_gym.errors import WorldError
from crs_gym.metrics import recall
from crs_gym.resolver.naming import display_name
from crs_gym.task import SPLITS, TASK_KINDS, Task
from crs_gym.worlds.files.published import CORPORA
from crs_gym.worlds.files.store import is_published, locate
from crs_gym.worlds.parsed.recording import TYPED_TITLE_LETTERS, cached_phrase
from crs_gym.worlds.world import World

MOST_TASKS: Final = 100_000
"""How many tasks of a split and kind are checked; a world that invents its seekers has more than anyone can."""

_SHOWN_PROBLEMS: Final = 20


@dataclass(frozen=True)
class VerifyReport:
    """What a check of a world found. `str(report)` is for people.

    Attributes:
        world: Its name.
        fingerprint: Its fingerprint.
        items: How many items its catalogue holds.
        tasks: From `(split, kind)` to how many tasks there are.
        checked: From `(split, kind)` to how many of them were checked.
        dropped: How many records and tasks were left out, by reason.
        files: From each source file to `published`, `not the published content` or `published content not known`.
        absent: Splits whose files are not on this machine, with the way to get them.
        problems: What is wrong, one line each; empty when all is well.
    """

    world: str
    fingerprint: str
    items: int
    tasks: Mapping[tuple[str, str], int]
    checked: Mapping[tuple[str, str], int]
    dropped: Mapping[str, int]
    files: Mapping[str, str]
    absent: Mapping[str, str]
    problems: Sequence[str]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        lines = [f"{self.world}: {self.items:,} items, fingerprint {self.fingerprint}"]
        lines += [f"  file {name}: {state}" for name, state in self.files.items()]
        lines += [
            f"  {split} {kind}: {count:,} tasks, {self.checked[split, kind]:,} checked"
            for (split, kind), count in self.tasks.items()
        ]
        lines += [f"  {split}: absent ({reason})" for split, reason in self.absent.items()]
        lines += [f"  left out: {count:,} x {reason}" for reason, count in sorted(self.dropped.items()) if count]
        lines += [f"  PROBLEM: {problem}" for problem in self.problems[:_SHOWN_PROBLEMS]]
        more = len(self.problems) - _SHOWN_PROBLEMS
        lines += [f"  … and {more:,} more problems"] if more > 0 else []
        return "\n".join([*lines, "  all well" if self.ok else f"  {len(self.problems):,} problems"])


def validate_task(task: Task, catalog: Catalog) -> list[str]:
    """What is wrong with a task; empty when it is sound.

    A sound task has at least one target, each a different item of the catalogue; no target is an item of the context or
    of the profile, nor is its name (or its title typed out, if long enough to be one) in the context's words; and a
    ranking that lists the targets first has recall 1.
    """
    problems: list[str] = []
    targets = task.targets
    outside = [item for item in targets if not 0 <= item < len(catalog)]
    if not targets or outside or len(set(targets)) != len(targets):
        problems.append(f"targets {targets}: must be at least one, different, and of 0 to {len(catalog) - 1}")
        return [f"{task.task_id}: {problem}" for problem in problems]
    best = [*targets, *(item for item in catalog.by_popularity[: len(targets)].tolist() if item not in targets)]
    if recall(best, targets, len(targets)) != 1:
        problems.append("a ranking that lists the targets first does not have recall 1")
    places = {
        "the context": {item for message in task.context for item in message.items},
        "the profile's likes": set(task.profile.likes),
        "the profile's dislikes": set(task.profile.dislikes),
    }
    for target in targets:
        name = catalog.names[target]
        problems += [
            f"target {name!r} is in {place}"
            for place, items in places.items()
            if target in items or any(catalog.names[item] == name for item in items)
        ]
        if any(_names(message.text, message.items, target, catalog) for message in task.context):
            problems.append(f"target {name!r} is named in the words of the context")
    return [f"{task.task_id}: {problem}" for problem in problems]


def verify_world(world: World) -> VerifyReport:
    """Check every task of a world (the first `MOST_TASKS` of a split and kind), and count what was left out.

    Raises:
        DataError: A source file cannot be read.
    """
    tasks: dict[tuple[str, str], int] = {}
    checked: dict[tuple[str, str], int] = {}
    absent: Mapping[str, str] = getattr(world, "absent", {})
    problems: list[str] = []
    for split in SPLITS:
        if split in absent:
            continue
        for kind in TASK_KINDS:
            try:
                found = world.tasks(split, kind)
            except WorldError:
                continue  # a world need not have every kind
            tasks[split, kind] = len(found)
            checked[split, kind] = min(len(found), MOST_TASKS)
            ids: set[str] = set()
            for task in islice(found, MOST_TASKS):
                problems += validate_task(task, world.catalog)
                if task.task_id in ids:
                    problems.append(f"{task.task_id}: the id stands twice")
                ids.add(task.task_id)
    return VerifyReport(
        world=world.name,
        fingerprint=world.fingerprint,
        items=len(world.catalog),
        tasks=tasks,
        checked=checked,
        dropped=getattr(world, "dropped", {}),
        files=_files(world.name),
        absent=absent,
        problems=problems,
    )


def _names(text: str, items: Sequence[int], target: int, catalog: Catalog) -> bool:
    """Whether a text names the target; the message's own items, as recorded texts write them, are taken out first."""
    written = [display_name(catalog.titles[item], int(catalog.years[item])) for item in items]
    for name in sorted(written, key=len, reverse=True):
        text = text.replace(name, " ")
    title = cached_phrase(catalog.titles[target])
    return len(title) >= TYPED_TITLE_LETTERS + 2 and title in cached_phrase(text)


def _files(name: str) -> dict[str, str]:
    if name not in CORPORA:
        return {}
    sources = locate(CORPORA[name])
    words = {True: "published", False: "not the published content", None: "published content not known"}
    return {f.path: words[is_published(f, sources[f.path])] for f in CORPORA[name].files if f.path in sources}
