"""What crs-gym counts on in a world."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

import numpy as np

from crs_gym.catalog import FACET_KINDS, Catalog
from crs_gym.errors import WorldError
from crs_gym.task import SPLITS, TASK_KINDS, Message, Role, Split, Task, TaskKind
from crs_gym.testing.check import BrokenError, Check, require, run_checks
from crs_gym.worlds import World, load_world

LOOKED_AT: Final = 60
"""How many tasks of a split are looked at; they are spread over it."""


def check_world(world: str | World) -> None:
    """Check a world: its catalogue, tasks, targets, splits, dialogues and sessions.

    Raises:
        ConformanceError: The first check that fails, and the way out.
    """
    run_checks(WORLD_CHECKS, load_world(world), f"world {world if isinstance(world, str) else world.name}")


def check_catalog(world: World) -> None:
    """The columns hold what `Catalog` says, and each item can be told from the others."""
    catalog = world.catalog
    require(isinstance(catalog, Catalog) and len(catalog) > 0, f"the catalogue is a {type(catalog).__name__}, or empty")
    require(len(set(catalog.keys)) == len(catalog), "two items have the same key")
    require(all(title.strip() for title in catalog.titles), "an item has no title")
    good = np.isfinite(catalog.popularity) & (catalog.popularity >= 0)
    require(good.all(), "a popularity is negative, or no number")
    offsets, ids = catalog.facet_offsets, catalog.facet_ids
    require(offsets[0] == 0 and offsets[-1] == len(ids) and (np.diff(offsets) >= 0).all(), "facet_offsets do not rise")
    require(((ids >= 0) & (ids < catalog.n_facets)).all(), "facet_ids holds numbers of no facet")
    require(len(catalog.facet_kinds) == catalog.n_facets, "facet_kinds and facet_names differ in length")
    require(((catalog.facet_kinds >= 0) & (catalog.facet_kinds < len(FACET_KINDS))).all(), "a facet has no kind")


def check_fingerprint(world: World) -> None:
    """A fingerprint is 16 hex digits, the same each time."""
    fingerprint = world.fingerprint
    require(isinstance(fingerprint, str) and re.fullmatch("[0-9a-f]{16}", fingerprint), f"it is {fingerprint!r}")
    require(fingerprint == world.fingerprint, "it changes from one look to the next")


def check_splits(world: World) -> None:
    """There is something to play, and what there is not says so."""
    found = dict(_splits(world))
    require(found, "no split has any tasks")
    require(any(kind == "interactive" for _, kind in found), "no split has interactive tasks")
    for (split, kind), tasks in found.items():
        require(len(tasks) > 0, f"split {split!r}, kind {kind!r} is empty; raise WorldError instead")
    for wrong in (("tarin", "interactive"), ("train", "interactiv")):
        try:
            world.tasks(*wrong)  # type: ignore[arg-type]  # the point
        except WorldError:
            continue
        raise BrokenError(f"tasks{wrong} is not refused")


def check_tasks(world: World) -> None:
    """A task is the same each time, knows its split, and is found again by its id."""
    ids: dict[str, str] = {}
    for (split, kind), tasks in _splits(world):
        for i in _spread(len(tasks)):
            task, place = tasks[i], f"{split}/{kind}[{i}]"
            require(isinstance(task, Task), f"{place} is a {type(task).__name__}")
            require(task.split == split, f"{place} says that it is in {task.split!r}")
            require(task.task_id not in ids, f"{place} and {ids.get(task.task_id)} have the same id {task.task_id!r}")
            ids[task.task_id] = place
            require(_same_task(task, tasks[i]), f"{place} is another task each time")
            require(_same_task(task, world.task(task.task_id)), f"task({task.task_id!r}) is another task than {place}")
        try:
            tasks[len(tasks)]
        except IndexError:
            continue
        raise BrokenError(f"{split}/{kind} goes on behind its end: no IndexError at {len(tasks)}")


def check_unknown_task(world: World) -> None:
    """An unknown id is a `WorldError`."""
    for wrong in ("", "no/such/task", f"{world.name}/train/x"):
        try:
            world.task(wrong)
        except WorldError:
            continue
        raise BrokenError(f"task({wrong!r}) is not refused")


def check_messages(world: World) -> None:
    """Contexts and dialogues are messages of the two roles that name items of the catalogue."""
    for task in _tasks(world):
        _check_messages(task.context, f"the context of {task.task_id}", len(world.catalog))
    for split in SPLITS:
        try:
            dialogues = world.dialogues(split)
        except WorldError:
            continue
        for i in _spread(len(dialogues)):
            dialogue = dialogues[i]
            _check_messages(dialogue.messages, f"dialogue {dialogue.dialogue_id}", len(world.catalog))
            wrong = [item for item in dialogue.labels if not 0 <= item < len(world.catalog)]
            require(not wrong, f"dialogue {dialogue.dialogue_id} has labels for {wrong}, which are no items")


def check_profiles(world: World) -> None:
    """Profiles hold items, and tastes a utility for each item."""
    n = len(world.catalog)
    for task in _tasks(world):
        profile = task.profile
        wrong = [item for item in (*profile.likes, *profile.dislikes) if not 0 <= item < n]
        require(not wrong, f"the profile of {task.task_id} holds {wrong}, which are no items")
        both = set(profile.likes) & set(profile.dislikes)
        require(not both, f"{task.task_id} both likes and dislikes {sorted(both)}")
        if profile.taste is not None:
            taste = profile.taste
            good = taste.utility.shape == (n,) and np.isfinite(taste.utility).all()
            require(good, f"the taste of {task.task_id} is not {n} finite utilities")
            ordered = len(taste.facets) == len(taste.weights) and (np.diff(taste.weights) <= 0).all()
            require(ordered, f"the taste of {task.task_id} is not one weight a facet, the best liked first")


def check_targets(world: World) -> None:
    """Each task has targets, and nothing that an agent or a simulator is given tells them."""
    catalog = world.catalog
    for task in _tasks(world):
        targets = set(task.targets)
        require(targets and len(targets) == len(task.targets), f"{task.task_id} has the targets {task.targets}")
        require(all(0 <= target < len(catalog) for target in targets), f"a target of {task.task_id} is no item")
        named = {item for message in task.context for item in message.items}
        require(not targets & named, f"the context of {task.task_id} names its targets {sorted(targets & named)}")
        text = "\n".join(message.text for message in task.context)
        written = [
            catalog.names[target] for target in targets if catalog.years[target] and catalog.names[target] in text
        ]
        require(not written, f"the context of {task.task_id} spells out its targets {written}")
        known = targets & {*task.profile.likes, *task.profile.dislikes}
        require(not known, f"the profile of {task.task_id} holds its targets {sorted(known)}")


def check_sessions(world: World) -> None:
    """Sessions are rows of items, each once."""
    try:
        sessions = world.sessions()
    except WorldError:
        require(("train", "interactive") not in dict(_splits(world)), "there is a train split, but no sessions")
        return
    offsets, items = sessions.offsets, sessions.items
    require(offsets[0] == 0 and offsets[-1] == len(items) and (np.diff(offsets) >= 0).all(), "offsets do not rise")
    require(((items >= 0) & (items < len(world.catalog))).all(), "a session holds a number of no item")
    for i in _spread(len(sessions)):
        row = items[offsets[i] : offsets[i + 1]].tolist()
        require(len(set(row)) == len(row), f"session {i} holds an item twice")


# ---------------------------------------------------------------- what is looked at


def _splits(world: World) -> Iterator[tuple[tuple[Split, TaskKind], Sequence[Task]]]:
    for split in SPLITS:
        for kind in TASK_KINDS:
            try:
                tasks = world.tasks(split, kind)
            except WorldError:
                continue
            yield (split, kind), tasks


def _tasks(world: World) -> Iterator[Task]:
    for _, tasks in _splits(world):
        for i in _spread(len(tasks)):
            yield tasks[i]


def _spread(n: int) -> list[int]:
    """Up to `LOOKED_AT` numbers from 0 to `n - 1`, both ends among them."""
    step = max((n - 1) // (LOOKED_AT - 1), 1)
    return list(dict.fromkeys([*range(0, n, step)[: LOOKED_AT - 1], *([n - 1] if n else [])]))


def _check_messages(messages: Sequence[Message], where: str, n_items: int) -> None:
    for message in messages:
        require(message.role in get_args(Role), f"{where}: a message is by {message.role!r}")
        require(isinstance(message.text, str), f"{where}: a text is a {type(message.text).__name__}")
        wrong = [item for item in message.items if not 0 <= item < n_items]
        require(not wrong, f"{where}: a message names {wrong}, which are no items")


def _same_task(one: Task, two: Task) -> bool:
    return (one.task_id, one.split, one.context, one.targets, one.profile.likes, one.profile.dislikes) == (
        two.task_id,
        two.split,
        two.context,
        two.targets,
        two.profile.likes,
        two.profile.dislikes,
    )


WORLD_CHECKS: Final[Mapping[str, Check[World]]] = {
    "catalog": Check(check_catalog, "build it with Catalog.from_rows, which keeps the columns in step"),
    "fingerprint": Check(check_fingerprint, "hash the catalogue, the splits and the version of your task making"),
    "splits": Check(check_splits, "raise WorldError, naming what there is, for a split or kind that there is not"),
    "tasks": Check(check_tasks, "make each task from its number alone, with an id that task() understands"),
    "unknown-task": Check(check_unknown_task, "raise WorldError for an id that is not one of yours"),
    "messages": Check(check_messages, "use Message, with the roles user and recommender and item numbers"),
    "profiles": Check(check_profiles, "put items into likes or dislikes, and one utility an item into a taste"),
    "targets": Check(check_targets, "take targets that are new in the dialogue, and keep them out of the profile"),
    "sessions": Check(check_sessions, "build the offsets with cumsum, and take each item once a dialogue"),
}
"""The checks of a world, in the order in which they run."""
