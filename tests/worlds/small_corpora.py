"""Small corpora in their published form, as bytes by published path."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

# --- ReDial -----------------------------------------------------------------------------------------------------------

FILMS = (
    ("1", "Heat  (1995)"),
    ("2", "Ronin (1998)"),
    ("3", "Amélie (2001)"),
    ("4", "Up (2009)"),
    ("5", "The Big Lebowski (1998)"),
    ("6", "Okja"),
    ("7", "Heat (1995)"),  # the same film under a second identifier
    ("8", " (2015)"),
)
FACTS = {
    "1": {"name": "Heat (1995)", "genre": ["Crime", "drama"], "director": ["Michael Mann"], "star": ["Al Pacino"]},
    "2": {"name": "Ronin (1998)", "genre": ["crime"], "director": [], "star": ["Robert De Niro"], "plot": "…"},
}


def dialogue(
    number: str, *messages: tuple[int, str], labels: dict[str, tuple[int, int, int]] | None = None, **fields: Any
) -> dict[str, Any]:
    """A dialogue as ReDial publishes it; speaker 10 seeks, speaker 20 recommends."""
    answers = {
        key: dict(zip(("suggested", "seen", "liked"), value, strict=True)) for key, value in (labels or {}).items()
    }
    record = {
        "movieMentions": dict.fromkeys(answers) or [],
        "respondentQuestions": answers or [],
        "messages": [
            {"timeOffset": 0, "text": text, "senderWorkerId": speaker, "messageId": i}
            for i, (speaker, text) in enumerate(messages)
        ],
        "conversationId": number,
        "respondentWorkerId": 20,
        "initiatorWorkerId": 10,
        "initiatorQuestions": answers or [],
    }
    return {**record, **fields}


TRAIN = [
    dialogue(
        "100",
        (10, "I love @1 &amp; co"),
        (20, "Try @2 or @3"),
        (10, "ok"),
        (20, "or @1, or @5"),
        labels={"1": (0, 1, 1), "2": (1, 0, 1), "3": (1, 2, 0), "5": (1, 2, 1)},
    ),
]
TEST = [
    dialogue(
        "200",
        (20, "hello"),
        (10, "something like @4, or the big lebowski; not @50"),
        (20, "@5 or @2?"),
        (10, "yes"),
        labels={"4": (0, 1, 1), "5": (1, 1, 1), "2": (1, 0, 1), "50": (0, 1, 1)},
        initiatorWorkerId=11,
    )
    | {"movieMentions": {"4": "Up (2009)", "50": "Forgotten"}},
    dialogue("201", (10, "hi"), (20, "bye")),
]
for _record in TEST[:1]:  # the seeker of 200 is worker 11
    for _message in _record["messages"]:
        if _message["senderWorkerId"] == 10:
            _message["senderWorkerId"] = 11


def json_lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def zip_of(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # of no date: the same bytes always
    return out.getvalue()


def film_table(films: tuple[tuple[str, str], ...] = FILMS) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["movieId", "movieName", "nbMentions"])
    writer.writerows([*film, 1] for film in films)
    return out.getvalue().encode()


def redial_files(
    train: list[dict[str, Any]] | None = None, test: list[dict[str, Any]] | None = None
) -> dict[str, bytes]:
    members = {
        "train_data.jsonl": json_lines(TRAIN if train is None else train),
        "test_data.jsonl": json_lines(TEST if test is None else test),
    }
    return {
        "redial/redial_dataset.zip": zip_of(members),
        "redial/movies_with_mentions.csv": film_table(),
        "redial/id2info.json": json.dumps(FACTS).encode(),
    }


# --- OpenDialKG -------------------------------------------------------------------------------------------------------

TURNS: list[dict[str, Any]] = [
    {
        "dialog_id": 1,
        "turn_id": 1,
        "context": ["Anything like Fight Club?"],
        "entity": ["Fight Club"],
        "rec": ["Fight Club", "Panic Room"],
        "resp": "Sure, panic room is like Fight Club",
    },
    {
        "dialog_id": 1,
        "turn_id": 3,
        "context": ["Anything like Fight Club?", "Sure, panic room is like Fight Club", "Seen it. More?"],
        "entity": ["Fight Club", "Panic Room"],
        "rec": ["Seven", "Nowhere"],
        "resp": "Then Seven.",
    },
]


def opendialkg_files(turns: list[dict[str, Any]] | None = None) -> dict[str, bytes]:
    turns = TURNS if turns is None else turns
    infos = {
        "0": {
            "name": "Panic Room",
            "year": "2002",
            "genre": ["Thriller", "Action Film", "Odd One"],
            "actor": ["A", "A"],
        },
        "1": {"name": "Seven", "genre": ["Thriller", "Action"], "director": ["D"]},
    }
    return {
        "opendialkg/train_data_processed.jsonl": json_lines(turns[:1]),
        "opendialkg/valid_data_processed.jsonl": json_lines(turns[1:2] or turns[:1]),
        "opendialkg/test_data_processed.jsonl": json_lines(turns[2:] or [{**turns[0], "dialog_id": 7}]),
        "opendialkg/id2info.json": json.dumps(infos).encode(),
        "opendialkg/item_ids.json": b"[3, 5, 9]",
        "opendialkg/entity2id.json": json.dumps({"Panic Room": 3, "Fight Club": 5, "Seven": 9, "A": 10}).encode(),
    }


# --- INSPIRED ---------------------------------------------------------------------------------------------------------

COLUMNS = ("dialog_id", "utt_id", "speaker", "text", "text_with_placeholder", "movies", "fine_label", "coarse_label")
UTTERANCES = [
    ("SEEKER", "Hi, I like QUOTATION_MARKHeatQUOTATION_MARK", "Heat (1995)"),
    ("RECOMMENDER", "Then Ronin", "Ronin (1998);  Spectral Nights (2031)"),
    ("SEEKER", "I accept, the first", ""),
    ("RECOMMENDER", "And Okja", "Okja ()"),
]


def utterance_table(
    dialogue_id: str,
    rows: list[tuple[str, str, str]] | None = None,
    fine: str = "accept_rating_good",
    coarse: str = "accept_new",
) -> bytes:
    lines = ["\t".join(COLUMNS)]
    for number, (speaker, text, films) in enumerate(UTTERANCES if rows is None else rows, start=1):
        lines.append("\t".join([dialogue_id, str(number), speaker, text, "[x]", films, fine, coarse]))
    return ("\n".join(lines) + "\n").encode()


def inspired_files() -> dict[str, bytes]:
    redial = redial_files()
    return {
        "inspired/dev.tsv": utterance_table("20200101-1_1_live.pkl"),
        "redial/movies_with_mentions.csv": redial["redial/movies_with_mentions.csv"],
        "redial/id2info.json": redial["redial/id2info.json"],
    }


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder
