"""INSPIRED's form, and its catalogue on top of ReDial's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from small_corpora import COLUMNS, UTTERANCES, inspired_files, redial_files, utterance_table

from crs_gym.errors import DataError, WorldError
from crs_gym.worlds.recorded import RecordedWorld

Open = Callable[[str, dict[str, bytes]], RecordedWorld]


def with_dev(data: bytes) -> dict[str, bytes]:
    return inspired_files() | {"inspired/dev.tsv": data}


def test_the_accepted_film_is_the_last_before_the_seeker_says_so(open_world: Open) -> None:
    world = open_world("inspired", inspired_files())
    (recorded,) = world.dialogues("valid")
    assert recorded.messages[0].text == 'Hi, I like "Heat"'
    # Item 8 is the first that ReDial's eight films do not hold; "Okja ()" is ReDial's Okja.
    assert [m.items for m in recorded.messages] == [(0,), (1, 8), (), (5,)]
    (task,) = world.tasks("valid")
    assert task.targets == (8,)
    assert task.context == recorded.messages[:1]
    assert task.profile.likes == (0,)
    assert world.catalog.names[8] == "Spectral Nights (2031)"
    assert world.catalog.keys[8] == "inspired-spectral-nights-2031"
    assert [t.targets for t in world.tasks("valid", "next-item")] == [(1,), (8,), (5,)]
    assert world.task("inspired/valid/next-item/20200101-1_1_live.pkl-1-inspired-spectral-nights-2031").targets == (8,)


def test_without_the_word_it_is_the_last_film_of_all(open_world: Open) -> None:
    rows = [UTTERANCES[0], UTTERANCES[1], ("SEEKER", "Fine", ""), UTTERANCES[3]]
    (task,) = open_world("inspired", with_dev(utterance_table("d", rows))).tasks("valid")
    assert task.targets == (5,)
    assert len(task.context) == 3


@pytest.mark.parametrize(
    ("fine", "coarse"), [("reject", "reject_new"), ("accept_uninterested", "reject_new"), ("nan", "nan")]
)
def test_what_was_not_accepted_is_no_interactive_task(open_world: Open, fine: str, coarse: str) -> None:
    world = open_world("inspired", with_dev(utterance_table("d", fine=fine, coarse=coarse)))
    assert len(world.tasks("valid")) == 0
    assert world.dropped["valid interactive: the label says that nothing was accepted"] == 1
    assert len(world.tasks("valid", "next-item")) == 3


def test_the_catalog_begins_with_redials(open_world: Open) -> None:
    inspired = open_world("inspired", inspired_files()).catalog
    redial = open_world("redial", redial_files()).catalog
    assert inspired.keys[: len(redial)] == redial.keys
    assert inspired.names[: len(redial)] == redial.names
    assert [inspired[i].facets for i in range(len(redial))] == [redial[i].facets for i in range(len(redial))]


def test_an_absent_split_names_the_file_and_the_way_to_get_it(open_world: Open) -> None:
    world = open_world("inspired", inspired_files())
    for call in (lambda: world.tasks("train"), lambda: world.dialogues("train"), world.sessions):
        with pytest.raises(WorldError, match=r"inspired/train\.tsv.*https://.*train\.tsv.*crs-gym data get inspired"):
            call()
    with_train = inspired_files() | {"inspired/train.tsv": utterance_table("t")}
    assert len(open_world("inspired", with_train).tasks("train")) == 1


def test_no_split_at_all_is_an_error(open_world: Open) -> None:
    files = inspired_files()
    del files["inspired/dev.tsv"]
    with pytest.raises(DataError, match=r"holds none of inspired/train\.tsv"):
        open_world("inspired", files)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1: the header lacks coarse_label"),
        (b"\t".join(c.encode() for c in COLUMNS) + b"\n", "the file holds no dialogue"),
        (utterance_table("d") + b"d\t5\tSEEKER\n", r"dev\.tsv, line 6: the row has another number of columns"),
        (utterance_table("d", [("BOSS", "hi", "")]), r"dev\.tsv, line 2: .*speaker"),
        (utterance_table("../d"), r"dev\.tsv, line 2: .*dialog_id"),
        (b"\xff\xfe\x00", "line 1: "),
    ],
)
def test_broken_files(data: bytes, message: str, open_world: Open) -> None:
    with pytest.raises(DataError, match=message):
        open_world("inspired", with_dev(data))


def test_a_dialogue_in_two_splits_is_an_error(open_world: Open) -> None:
    files = inspired_files() | {"inspired/train.tsv": inspired_files()["inspired/dev.tsv"]}
    with pytest.raises(DataError, match="stands in another split"):
        open_world("inspired", files)
