"""ReDial's form: what becomes of a dialogue, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from small_corpora import TEST, TRAIN, dialogue, film_table, json_lines, redial_files, zip_of

from crs_gym.errors import DataError, WorldError
from crs_gym.task import Label
from crs_gym.worlds.parsed.films import parse_name
from crs_gym.worlds.recorded import RecordedWorld

Open = Callable[[str, dict[str, bytes]], RecordedWorld]


def test_catalog_joins_table_and_facts(open_world: Open) -> None:
    catalog = open_world("redial", redial_files()).catalog
    assert catalog.names == (
        "Heat (1995)", "Ronin (1998)", "Amélie (2001)", "Up (2009)", "The Big Lebowski (1998)", "Okja", "Heat (1995)",
        "Untitled (2015)",
    )  # fmt: skip
    assert catalog.keys == tuple("12345678")
    assert catalog[0].facets == {
        "genre": ("crime", "drama"), "director": ("Michael Mann",), "star": ("Al Pacino",), "decade": ("1990s",)
    }  # fmt: skip
    assert catalog[5].year is None


def test_messages_labels_and_tasks_of_a_train_dialogue(open_world: Open) -> None:
    world = open_world("redial", redial_files())
    (recorded,) = world.dialogues("train")
    assert [m.role for m in recorded.messages] == ["user", "recommender", "user", "recommender"]
    assert recorded.messages[0].text == "I love Heat (1995) & co"
    assert [m.items for m in recorded.messages] == [(0,), (1, 2), (), (0, 4)]
    assert recorded.labels[2] == Label(suggested=True, seen=None, liked=False)

    (task,) = world.tasks("train")
    # Wanted (suggested and liked): Ronin and The Big Lebowski. Message 1 is the first to bring one up, so the context
    # is message 0. Likes 1, 2, 5 less both targets leave Heat; Amélie is disliked.
    assert task.task_id == "redial/train/interactive/100"
    assert task.context == recorded.messages[:1]
    assert task.targets == (1, 4)
    assert task.profile.likes == (0,)
    assert task.profile.dislikes == (2,)

    # New films by the recommender: Ronin and Amélie (message 1), The Big Lebowski (message 3; Heat is not new there).
    ids = [task.task_id.rpartition("/")[2] for task in world.tasks("train", "next-item")]
    assert ids == ["100-1-2", "100-1-3", "100-3-5"]
    last = world.task("redial/train/next-item/100-3-5")
    assert last.targets == (4,)
    assert last.context == recorded.messages[:3]
    assert last.profile.likes == (0, 1)


def test_a_typed_title_and_an_unknown_id(open_world: Open) -> None:
    world = open_world("redial", redial_files())
    (task,) = world.tasks("test")
    # "the big lebowski" was typed before message 2 names it: it is no target. Up was named by the seeker.
    assert task.targets == (1,)
    assert task.context[1].text == "something like Up (2009), or the big lebowski; not Forgotten"
    assert task.context[1].items == (3,)
    assert task.profile.likes == (3, 4)
    assert [t.targets for t in world.tasks("test", "next-item")] == [(1,)]
    assert world.dropped["film id in no table"] == 1
    assert world.dropped["label of a film id in no table"] == 1
    assert world.dropped["test next-item: the title was typed out before"] == 1
    assert world.dropped["test interactive: no film was both suggested and liked"] == 1


def test_the_same_film_under_another_id_is_not_new(open_world: Open) -> None:
    labels = {"1": (0, 1, 1), "7": (1, 0, 1), "2": (1, 0, 1)}
    record = dialogue("300", (10, "I love @1"), (20, "Then @7, or @2"), labels=labels)
    world = open_world("redial", redial_files(test=[record]))
    (task,) = world.tasks("test")
    assert task.targets == (1,)  # not 6, which reads "Heat (1995)" as item 0 does
    record = dialogue("301", (10, "hi"), (20, "Then @7"), (20, "or @2"), labels=labels)
    world = open_world("redial", redial_files(test=[record]))
    (task,) = world.tasks("test")
    assert task.targets == (6, 1)
    assert task.profile.likes == ()  # item 0 has a target's name


def test_popularity_and_sessions_count_train_dialogues(open_world: Open) -> None:
    copies = [{**TRAIN[0], "conversationId": str(i)} for i in range(3)]
    held_out = dialogue("9", (30, "@6"), (20, "@4"), initiatorWorkerId=30)  # worker 30 is a seeker of the valid split
    world = open_world("redial", redial_files(train=[*copies, held_out]))
    # Three copies of one dialogue that names items 0, 1, 2, 4, each counted once a dialogue; 5 and 3 are valid's.
    assert [d.dialogue_id for d in world.dialogues("valid")] == ["9"]
    assert world.catalog.popularity.tolist() == [3, 3, 3, 0, 3, 0, 0, 0]
    sessions = world.sessions()
    assert sessions.offsets.tolist() == [0, 4, 8, 12]
    assert sessions.items.tolist() == [0, 1, 2, 4] * 3


def test_sequences_are_exact_and_lazy(open_world: Open) -> None:
    world = open_world("redial", redial_files())
    tasks = world.tasks("train", "next-item")
    ids = [task.task_id for task in tasks]
    assert len(tasks) == len(ids) == 3
    assert tasks[-1].task_id == ids[-1] == tasks[2].task_id
    assert [t.task_id for t in tasks[::-1]] == ids[::-1]
    assert [t.task_id for t in tasks[1:][1:]] == ids[2:]
    for index in (3, -4):
        with pytest.raises(IndexError, match="there are 3"):
            tasks[index]


def test_unknown_split_kind_and_task_are_named(open_world: Open) -> None:
    world = open_world("redial", redial_files())
    with pytest.raises(WorldError, match="no split 'dev': it has train, valid, test"):
        world.tasks("dev")  # type: ignore[arg-type]
    with pytest.raises(WorldError, match="no tasks of kind 'x'"):
        world.tasks("test", "x")  # type: ignore[arg-type]
    for task_id in ("", "redial", "redial/test/interactive/999", "sample/test/interactive/200", "redial/x/y/z"):
        with pytest.raises(WorldError, match="no task"):
            world.task(task_id)


def test_valid_is_cut_by_seeker_and_the_same_every_time(open_world: Open) -> None:
    train = []
    for seeker in range(100, 400):
        for turn in range(2):
            record = dialogue(f"{seeker}-{turn}", (seeker, "hi"), (20, "@2"), initiatorWorkerId=seeker)
            train.append(record)
    world = open_world("redial", redial_files(train=train))
    homes = {split: {d.dialogue_id.split("-")[0] for d in world.dialogues(split)} for split in ("train", "valid")}
    assert not homes["train"] & homes["valid"]
    assert 15 <= len(homes["valid"]) <= 50  # a tenth of 300, give or take
    # The rule may never change: these are the first valid seekers from 100 on.
    assert sorted(homes["valid"])[:3] == VALID_SEEKERS


VALID_SEEKERS = ["107", "114", "122"]


@pytest.mark.parametrize(
    ("name", "title", "year"),
    [
        ("Heat  (1995)", "Heat", 1995),
        (" The Mummy ", "The Mummy", None),
        ("Okja", "Okja", None),
        ("Office ()", "Office", None),
        ("(500) Days of Summer (2009)", "(500) Days of Summer", 2009),
        ("2012 (2009)", "2012", 2009),
        (" (2015)", "Untitled", 2015),
        ("Frozen (the one)", "Frozen (the one)", None),
    ],
)
def test_parse_name(name: str, title: str, year: int | None) -> None:
    assert parse_name(name) == (title, year)


def _broken_records() -> dict[str, tuple[dict[str, bytes], str]]:
    """Every case: the files, and what the message must name."""

    def with_test(data: bytes) -> dict[str, bytes]:
        return redial_files() | {
            "redial/redial_dataset.zip": zip_of({"train_data.jsonl": json_lines(TRAIN), "test_data.jsonl": data})
        }

    def second(**fields: object) -> dict[str, bytes]:
        record = {**TEST[0], **fields}
        return with_test(json_lines([TEST[1], {k: v for k, v in record.items() if v is not ...}]))

    def with_table(data: bytes) -> dict[str, bytes]:
        return redial_files() | {"redial/movies_with_mentions.csv": data}

    whole = json_lines(TEST)
    bad_label = {"1": {"suggested": 9, "seen": 0, "liked": 0}}
    place = r"redial_dataset\.zip: test_data\.jsonl, line "
    return {
        "missing field": (second(messages=...), place + "2: .*`messages`"),
        "wrong type": (second(initiatorWorkerId="me"), place + r"2: .*\$\.initiatorWorkerId"),
        "wrong type within": (second(messages=[{"text": 3, "senderWorkerId": 1}]), place + r"2: .*messages\[0\]\.text"),
        "label out of range": (second(initiatorQuestions=bad_label), place + r"2: .*initiatorQuestions.*suggested"),
        "hostile id": (second(conversationId="../../etc/passwd"), place + r"2: .*\$\.conversationId"),
        "hostile film id": (second(movieMentions={"1; drop": "x"}), place + "2: "),
        "twice": (with_test(json_lines([TEST[0], TEST[1], TEST[0]])), place + "3: conversationId 200 stands twice"),
        "truncated": (with_test(whole[:-40]), place + "2: "),
        "empty": (with_test(b""), place + "1: the file holds no record"),
        "no json": (with_test(b"\x00\xff\n"), place + "1: "),
        "too deep": (with_test(b'{"x": ' + b"[" * 200_000), place + "1: "),
        "no such member": (
            redial_files() | {"redial/redial_dataset.zip": zip_of({"train_data.jsonl": b"{}"})},
            r"no member 'test_data\.jsonl'",
        ),
        "facts truncated": (redial_files() | {"redial/id2info.json": b'{\n"1":\n{"name"'}, r"id2info\.json, line \d: "),
        "facts empty": (redial_files() | {"redial/id2info.json": b""}, r"id2info\.json, line 1: the file is empty"),
        "facts of wrong type": (
            redial_files() | {"redial/id2info.json": json.dumps({"1": {"genre": "drama"}}).encode()},
            r"id2info\.json, line 1: .*genre",
        ),
        "table empty": (with_table(b""), r"mentions\.csv, line 1: the header"),
        "table without rows": (with_table(film_table(())), "holds no film"),
        "table row short": (with_table(film_table() + b"9,Short\n"), r"mentions\.csv, line 10: 2 columns"),
        "table id no number": (with_table(film_table((("x", "Heat"),))), "line 2: movieId 'x'"),
        "table id twice": (with_table(film_table((("1", "A"), ("1", "B")))), "line 3: movieId 1"),
        "table not text": (with_table(b"movieId\n\xff\xfe"), "line 2: "),
    }  # fmt: skip


BROKEN = _broken_records()


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named_and_leave_the_cache_alone(case: str, open_world: Open, tmp_path: Any) -> None:
    files, message = BROKEN[case]
    with pytest.raises(DataError, match=message):
        open_world("redial", files)
    assert not list((tmp_path / "cache").rglob("*.npz*"))
    assert len(open_world("redial", redial_files()).tasks("test")) == 1  # mended files load


def test_speakers_that_cannot_be_told_apart_are_dropped(open_world: Open) -> None:
    world = open_world(
        "redial",
        redial_files(
            test=[
                dialogue("1", (10, "hi"), respondentWorkerId=10),
                dialogue("2", (10, "hi"), (99, "who?")),
                dialogue("3"),
                dialogue("4", (10, "hi")),
            ]
        ),
    )
    assert [d.dialogue_id for d in world.dialogues("test")] == ["4"]
    assert world.dropped["test dialogue whose speakers cannot be told apart"] == 2
    assert world.dropped["test dialogue without messages"] == 1
