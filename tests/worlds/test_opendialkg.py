"""OpenDialKG's form: records of turns become dialogues again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from small_corpora import TURNS, opendialkg_files

from crs_gym.errors import DataError
from crs_gym.worlds.recorded import RecordedWorld

Open = Callable[[str, dict[str, bytes]], RecordedWorld]


def test_records_of_three_files_become_one_dialogue(open_world: Open) -> None:
    world = open_world("opendialkg", opendialkg_files())
    assert world.catalog.names == ("Panic Room (2002)", "Fight Club", "Seven")
    assert world.catalog.keys == ("3", "5", "9")
    # "thriller" and "action" are on both films, "odd one" on one: the usual come first. "Action Film" is "action".
    assert world.catalog[0].facets["genre"] == ("action", "thriller", "odd one")
    assert world.catalog[0].facets["star"] == ("A",)

    (recorded,) = world.dialogues("valid")  # bucket 71 of dialogue 1
    assert recorded.dialogue_id == "1"
    assert [m.role for m in recorded.messages] == ["user", "recommender", "user", "recommender"]
    # Message 0 names Fight Club; message 1 recommends both (item order: as recommended); message 3 recommends Seven.
    assert [m.items for m in recorded.messages] == [(1,), (1, 0), (), (2,)]

    (task,) = world.tasks("valid")
    assert task.targets == (0, 2)  # Fight Club was named by the seeker
    assert task.context == recorded.messages[:1]
    assert task.profile.likes == (1,)
    assert task.profile.dislikes == ()
    assert [(t.task_id, t.targets) for t in world.tasks("valid", "next-item")] == [
        ("opendialkg/valid/next-item/1-1-3", (0,)),
        ("opendialkg/valid/next-item/1-3-9", (2,)),
    ]
    assert world.dropped["recommended item that has no number"] == 1
    assert [d.dialogue_id for d in world.dialogues("test")] == ["7"]  # bucket 94


def test_records_that_contradict_each_other_are_dropped(open_world: Open) -> None:
    other = {**TURNS[1], "context": ["Something else", *TURNS[1]["context"][1:]]}
    world = open_world("opendialkg", opendialkg_files([TURNS[0], other]))
    assert len(world.dialogues("valid")) == 0
    assert world.dropped["valid dialogue whose records contradict each other"] == 1
    odd = {**TURNS[1], "context": TURNS[0]["context"] + [TURNS[0]["resp"]]}
    world = open_world("opendialkg", opendialkg_files([TURNS[0], odd]))
    assert world.dropped["valid dialogue whose speakers cannot be told apart"] == 1


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("train_data_processed.jsonl", b'{"dialog_id": 1}\n', r"train_data_processed\.jsonl, line 1: .*turn_id"),
        ("valid_data_processed.jsonl", b"", "line 1: the file holds no record"),
        ("test_data_processed.jsonl", b'{"dialog_id": -1, "turn_id": 1}\n', "line 1: "),
        ("item_ids.json", b"[3, 77]", "item 77 has no name"),
        ("item_ids.json", b"[]", "the list holds no item"),
        ("item_ids.json", b'["a"]', "line 1: "),
        ("entity2id.json", b"{", "line 1: "),
        ("id2info.json", b'{"0": {"year": "1999"}}', "line 1: .*name"),
    ],
)
def test_broken_files(file: str, data: bytes, message: str, open_world: Open) -> None:
    with pytest.raises(DataError, match=message):
        open_world("opendialkg", opendialkg_files() | {f"opendialkg/{file}": data})


def test_a_name_counts_as_whole_words_only(open_world: Open) -> None:
    turn: dict[str, Any] = {**TURNS[0], "context": ["Seventy or severseven"], "rec": ["Seven"], "resp": "Seven!"}
    world = open_world("opendialkg", opendialkg_files([turn]))
    (task,) = world.tasks("valid")
    assert task.targets == (2,)
    turn = {**turn, "context": ["I saw SEVEN"]}
    world = open_world("opendialkg", opendialkg_files([turn]))
    assert len(world.tasks("valid")) == 0
