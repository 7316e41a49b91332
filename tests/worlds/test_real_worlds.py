"""The real corpora: counts, leaks, splits, speed. Skipped where they are not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from crs_gym.resolver.naming import display_name
from crs_gym.task import SPLITS, TASK_KINDS, Split
from crs_gym.worlds import World
from crs_gym.worlds.recorded import RecordedWorld
from crs_gym.worlds.verify import verify_world

pytestmark = pytest.mark.data
NAMES = ("redial", "opendialkg", "inspired")


def present(world: World) -> tuple[Split, ...]:
    assert isinstance(world, RecordedWorld)
    return world.splits


def written(world: World) -> list[str]:
    """How recorded texts write each item: without `(undated)`."""
    return [display_name(title, year) for title, year in zip(world.catalog.titles, world.catalog.years, strict=True)]


def test_redial_counts(real_worlds: dict[str, World]) -> None:
    world = real_worlds["redial"]
    assert len(world.catalog) == 6_924
    assert [len(world.dialogues(split)) for split in ("train", "valid", "test")] == [9_237, 769, 1_342]
    # 4,498 films are new when the recommender of a test dialogue names them; the titles of 7 were typed out before.
    assert len(world.tasks("test", "next-item")) == 4_498 - 7
    assert len(world.tasks("test")) == 1_218
    assert len(world.sessions()) == 9_237
    assert world.catalog.popularity.sum() == len(world.sessions().items)


def test_redial_texts(real_worlds: dict[str, World]) -> None:
    names = written(real_worlds["redial"])
    for split in SPLITS:
        for dialogue in real_worlds["redial"].dialogues(split):
            for message in dialogue.messages:
                assert not re.search(r"@\d{5,}|&(amp|quot|#39|apos|lt|gt);", message.text)
                for item in message.items:
                    assert names[item] in message.text


def test_opendialkg_and_inspired_counts(real_worlds: dict[str, World]) -> None:
    world = real_worlds["opendialkg"]
    sizes = [len(world.dialogues(split)) for split in SPLITS]
    assert sum(sizes) == 5_170
    assert [round(100 * size / 5_170) for size in sizes] == [70, 15, 15]
    assert len(world.catalog) == 2_965
    inspired = real_worlds["inspired"]
    assert len(inspired.dialogues("valid")) == 99
    assert inspired.catalog.keys[:6_924] == real_worlds["redial"].catalog.keys
    assert not any("QUOTATION_MARK" in m.text for d in inspired.dialogues("valid") for m in d.messages)


@pytest.mark.parametrize("name", NAMES)
def test_no_target_leaks(name: str, real_worlds: dict[str, World]) -> None:
    """Every task of every split, by a check of its own: `validate_task` is not asked."""
    world = real_worlds[name]
    names, texts = world.catalog.names, written(world)
    plain = [re.sub(r"\W+", " ", title).strip().lower() for title in world.catalog.titles]
    for split in present(world):
        for kind in TASK_KINDS:
            for task in world.tasks(split, kind):
                assert task.targets
                named = {names[i] for m in task.context for i in m.items}
                known = {names[i] for i in (*task.profile.likes, *task.profile.dislikes)}
                wanted = {names[i] for i in task.targets}
                assert not wanted & named, task.task_id
                assert not wanted & known, task.task_id
                words = ""
                for message in task.context:
                    text = message.text
                    for item in message.items:  # a title that is part of another film's written name is no leak
                        text = text.replace(texts[item], " | ")
                    words += " " + re.sub(r"\W+", " ", text.lower()) + " | "
                for target in task.targets:
                    if len(plain[target]) >= 8:
                        assert f" {plain[target]} " not in words, task.task_id


@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_sound_and_found_by_its_id(name: str, real_worlds: dict[str, World]) -> None:
    world = real_worlds[name]
    report = verify_world_without_files(world)
    assert report == []
    for split in present(world):
        for kind in TASK_KINDS:
            tasks = world.tasks(split, kind)
            for task in (tasks[0], tasks[len(tasks) // 2], tasks[-1]):
                assert world.task(task.task_id).targets == task.targets


def verify_world_without_files(world: World) -> list[str]:
    from crs_gym.worlds import verify

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "_files", lambda _: {})  # the environment of this test names no data folder
        return list(verify_world(world).problems)


@pytest.mark.parametrize("name", NAMES)
def test_splits_share_no_dialogue(name: str, real_worlds: dict[str, World]) -> None:
    world = real_worlds[name]
    ids = [dialogue.dialogue_id for split in present(world) for dialogue in world.dialogues(split)]
    assert len(set(ids)) == len(ids)
    for split in present(world):
        own = {dialogue.dialogue_id for dialogue in world.dialogues(split)}
        for kind in TASK_KINDS:
            for task in world.tasks(split, kind):
                number = task.task_id.split("/", 3)[3]
                assert number in own or any(number.startswith(f"{prefix}-") for prefix in _stems(number) & own)


def _stems(number: str) -> set[str]:
    return {number[: match.start()] for match in re.finditer("-", number)}


def test_redial_splits_share_no_seeker(real_worlds: dict[str, World], real_data: Path) -> None:
    seeker = {}
    with zipfile.ZipFile(real_data / "redial" / "redial_dataset.zip") as archive:
        for member in ("train_data.jsonl", "test_data.jsonl"):
            for line in archive.read(member).splitlines():
                record = json.loads(line)
                seeker[record["conversationId"]] = record["initiatorWorkerId"]
    seekers = [{seeker[d.dialogue_id] for d in real_worlds["redial"].dialogues(split)} for split in SPLITS]
    assert sum(map(len, seekers)) == len(set.union(*seekers))
    assert all(len(group) > 50 for group in seekers)


READY = """
import re
from pathlib import Path
from crs_gym.worlds import load_world
task = load_world("redial").tasks("train")[0]
peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) / 1024, len(task.targets))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_redial_needs_little_memory(real_data: Path, tmp_path: Path) -> None:
    """How long it takes is measured by `crs-gym bench startup`."""
    env = {**os.environ, "CRS_GYM_DATA": str(real_data), "CRS_GYM_CACHE": str(tmp_path / "cache")}
    for _ in range(2):  # parsing, then reading the cache
        done = subprocess.run([sys.executable, "-c", READY], env=env, capture_output=True, text=True, check=True)
        megabytes, targets = map(float, done.stdout.split())
        assert megabytes < 400
        assert targets > 0
