"""From recordings and a catalogue's rows to columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np

from crs_gym.catalog import Catalog
from crs_gym.task import SPLITS, TASK_KINDS, Label, Role
from crs_gym.worlds.parsed.columns import CatalogText, Columns, Meta, packed, ragged
from crs_gym.worlds.parsed.recording import Recording, TitleIndex, cuts

ItemRow = tuple[str, str, int | None, Mapping[str, Sequence[str]]]
"""Key, title, year, facets: a row of `Catalog.from_rows`."""

ROLES: Final[tuple[Role, ...]] = ("user", "recommender")


def build_columns(rows: Sequence[ItemRow], recordings: Iterable[Recording], dropped: Mapping[str, int]) -> Columns:
    """The columns of a world.

    Args:
        rows: The catalogue.
        recordings: Its dialogues; their items are row numbers.
        dropped: How many records the parser left out, by reason. Tasks that the rules drop are added.
    """
    kept = list(recordings)
    sessions = [
        tuple(dict.fromkeys(item for message in recording.messages for item in message.items))
        for recording in kept
        if recording.split == "train"
    ]
    popularity = np.bincount(np.fromiter(chain(*sessions), np.int64), minlength=len(rows)).astype(np.float32)
    catalog = Catalog.from_rows(rows, popularity)
    titles = TitleIndex(catalog.names, catalog.titles)

    drops = Counter(dropped)
    tasks: list[tuple[int, int, int, tuple[int, ...]]] = []  # dialogue, kind, cut, targets
    for number, recording in enumerate(kept):
        next_items, interactive, reasons = cuts(recording, titles)
        for reason, count in reasons.items():
            drops[f"{recording.split} {reason}"] += count
        if interactive is not None:
            tasks.append((number, TASK_KINDS.index("interactive"), interactive.message, interactive.targets))
        tasks.extend((number, TASK_KINDS.index("next-item"), cut.message, cut.targets) for cut in next_items)

    messages = [message for recording in kept for message in recording.messages]
    texts = [message.text.encode() for message in messages]
    items, item_offsets = ragged(message.items for message in messages)
    likes, like_offsets = ragged(recording.likes for recording in kept)
    dislikes, dislike_offsets = ragged(recording.dislikes for recording in kept)
    label_items, label_offsets = ragged(tuple(recording.labels) for recording in kept)
    targets, target_offsets = ragged(task[3] for task in tasks)
    session_items, session_offsets = ragged(sessions)
    return Columns(
        meta=packed(Meta(dropped=dict(drops))),
        text=np.frombuffer(b"".join(texts), np.uint8),
        text_offsets=np.cumsum([0, *map(len, texts)], dtype=np.int64),
        roles=np.array([ROLES.index(message.role) for message in messages], np.int8),
        items=items,
        item_offsets=item_offsets,
        dialogue_ids=packed([recording.dialogue_id for recording in kept]),
        dialogue_offsets=np.cumsum([0, *(len(recording.messages) for recording in kept)], dtype=np.int64),
        dialogue_splits=np.array([SPLITS.index(recording.split) for recording in kept], np.int8),
        likes=likes,
        like_offsets=like_offsets,
        dislikes=dislikes,
        dislike_offsets=dislike_offsets,
        label_items=label_items,
        label_offsets=label_offsets,
        labels=np.array(
            [_label_row(label) for recording in kept for label in recording.labels.values()], np.int8
        ).reshape(-1, 3),
        task_dialogues=np.array([task[0] for task in tasks], np.int64),
        task_kinds=np.array([task[1] for task in tasks], np.int8),
        task_cuts=np.array([task[2] for task in tasks], np.int64),
        targets=targets,
        target_offsets=target_offsets,
        session_items=session_items,
        session_offsets=session_offsets,
        alias=np.array(titles.alias, np.int64),
        catalog_text=packed(CatalogText(list(catalog.titles), list(catalog.keys), list(catalog.facet_names))),
        catalog_years=catalog.years,
        catalog_popularity=catalog.popularity,
        catalog_facet_kinds=catalog.facet_kinds,
        catalog_facet_offsets=catalog.facet_offsets,
        catalog_facet_ids=catalog.facet_ids,
    )


def _label_row(label: Label) -> list[int]:
    return [-1 if value is None else int(value) for value in (label.suggested, label.seen, label.liked)]
