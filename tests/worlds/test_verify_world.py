"""`validate_task` refuses every kind of broken task, and `verify_world` reports what it finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import pytest
from small_corpora import redial_files

from crs_gym.catalog import Catalog
from crs_gym.task import Message, Profile, Split, Task, TaskKind
from crs_gym.worlds import load_world
from crs_gym.worlds.recorded import RecordedWorld
from crs_gym.worlds.verify import validate_task, verify_world

CATALOG = Catalog.from_rows(
    [
        ("a", "Heat", 1995, {}),
        ("b", "The Big Lebowski", 1998, {}),
        ("c", "Star Wars", 1977, {}),
        ("d", "Star Wars: Rogue One", 2016, {}),
        ("e", "Heat", 1995, {}),
    ]
)
SOUND = Task("w/test/interactive/1", "test", (Message("user", "Heat (1995)!", (0,)),), Profile((0,), (3,)), (1, 2))


def test_a_sound_task_has_no_problem() -> None:
    assert validate_task(SOUND, CATALOG) == []
    sequel = Message("user", "I liked Star Wars: Rogue One (2016)", (3,))  # names another film by its full name
    assert validate_task(dataclasses.replace(SOUND, context=(sequel,)), CATALOG) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": ()}, "at least one"),
        ({"targets": (1, 1)}, "different"),
        ({"targets": (5,)}, "0 to 4"),
        ({"targets": (-1,)}, "0 to 4"),
        ({"targets": (0,), "profile": Profile()}, "is in the context"),
        ({"targets": (4,), "profile": Profile()}, "is in the context"),  # the same name under another number
        ({"profile": Profile(likes=(1,))}, "profile's likes"),
        ({"profile": Profile(dislikes=(2,))}, "profile's dislikes"),
        ({"context": (Message("user", "not the BIG lebowski please"),)}, "named in the words"),
        ({"context": (Message("recommender", "Star Wars (1977)?"),)}, "named in the words"),
    ],
)
def test_a_broken_task_is_refused(change: dict[str, object], message: str) -> None:
    problems = validate_task(dataclasses.replace(SOUND, **change), CATALOG)  # type: ignore[arg-type]
    assert any(message in problem and problem.startswith(SOUND.task_id) for problem in problems)


def test_the_report_counts_and_prints(open_world: Callable[[str, dict[str, bytes]], RecordedWorld]) -> None:
    report = verify_world(open_world("redial", redial_files()))
    assert report.ok
    assert report.tasks["test", "interactive"] == 1
    assert report.tasks["train", "next-item"] == 3
    assert report.checked == report.tasks
    assert report.files["redial/redial_dataset.zip"] == "not the published content"
    said = str(report)
    assert "left out: 1 x test next-item: the title was typed out before" in said
    assert said.endswith("all well")


class Leaky(RecordedWorld):
    """A world that puts its targets into the profile."""

    def tasks(self, split: Split, kind: TaskKind = "interactive") -> Sequence[Task]:
        return [dataclasses.replace(t, profile=Profile(likes=t.targets)) for t in super().tasks(split, kind)]


def test_a_leaky_world_is_refused(open_world: Callable[[str, dict[str, bytes]], RecordedWorld]) -> None:
    world = open_world("redial", redial_files())
    report = verify_world(Leaky(world.name, world.columns, world.fingerprint))
    assert not report.ok
    assert "PROBLEM: redial/train/interactive/100: target 'Ronin (1998)' is in the profile's likes" in str(report)


def test_a_world_without_files_has_a_report_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from crs_gym.worlds import verify

    monkeypatch.setattr(verify, "MOST_TASKS", 50)
    report = verify_world(load_world("sample"))
    assert report.files == {}
    assert report.checked["test", "interactive"] == 50
    assert report.tasks["test", "interactive"] > 50
    assert report.problems == []
